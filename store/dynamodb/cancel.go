package dynamodb

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"taskwarden/store"
)

// Codes of a cancellation's reasons (API reference, TransactionCanceledException).
const (
	reasonNone       = "None"
	reasonCondition  = "ConditionalCheckFailed"
	reasonConflict   = "TransactionConflict"
	reasonThrottling = "ThrottlingError"
	reasonCapacity   = "ProvisionedThroughputExceeded"
)

// verdict is what a cancelled transaction means.
type verdict struct {
	again []*request // not answered: worth another try
	busy  string     // why to wait before that; "": no need
	err   error      // for the whole group
}

// judge answers the requests of a cancelled transaction whose own writes could not be made. The reasons are in the order of
// the actions, the fence first.
func judge(reasons []types.CancellationReason, group []*request, now time.Time) verdict {
	n := 1
	for _, r := range group {
		n += len(r.writes)
	}
	switch {
	case len(reasons) != n:
		return verdict{err: fmt.Errorf("a cancelled transaction of %d actions has %d reasons", n, len(reasons))}
	case code(reasons[0]) == reasonCondition:
		return verdict{err: fmt.Errorf("%w: another process owns the table now", store.ErrFenced)}
	}
	v := verdict{busy: wait(reasons[:1])}
	reasons = reasons[1:]
	for _, r := range group {
		own := reasons[:len(r.writes)]
		reasons = reasons[len(r.writes):]
		busy := wait(own)
		// While one of its items is busy it is not known which of its conditions is the first that does not hold.
		if busy == "" {
			if err := r.judge(own, now); err != nil {
				r.answer(err)
				continue
			}
		} else {
			v.busy = busy
		}
		v.again = append(v.again, r)
	}
	return v
}

// judge gives the first reason why a request cannot be made, or nil when it is worth another try.
func (r *request) judge(reasons []types.CancellationReason, now time.Time) error {
	for i, reason := range reasons {
		w := r.writes[i]
		switch code(reason) {
		case reasonNone:
		case reasonCondition:
			if w.If == store.Any {
				r.over[i] = !r.over[i] // what was taken for live has expired, or the other way round
				continue
			}
			found, err := decode(w.Kind, reason.Item)
			if err != nil {
				return err
			}
			if !found.live(now) {
				found.version = 0
			}
			if err := w.Check(found.version); err != nil {
				return err
			}
			return fmt.Errorf("the condition of %s %q failed, and holds by the item that came back with that", w.Kind, w.Key)
		default:
			return fmt.Errorf("%s %q: %s: %s", w.Kind, w.Key, code(reason), aws.ToString(reason.Message))
		}
	}
	return nil
}

// wait gives the first reason that passes by itself.
func wait(reasons []types.CancellationReason) string {
	for _, r := range reasons {
		switch c := code(r); c {
		case reasonConflict, reasonThrottling, reasonCapacity:
			return c
		}
	}
	return ""
}

func code(r types.CancellationReason) string { return aws.ToString(r.Code) }
