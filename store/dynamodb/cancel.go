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
	busy  string     // why to wait before that, for a reason that passes; "": no such
	odd   string     // why to wait before that, for no reason that is known
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
		return verdict{err: fmt.Errorf("%w: %s", store.ErrFenced, fenceText(reasons[0]))}
	}
	v := verdict{busy: wait(reasons[:1])}
	if c := code(reasons[0]); c != reasonNone {
		v.odd = fmt.Sprintf("%s on the fence: %s", c, aws.ToString(reasons[0].Message))
	}
	reasons = reasons[1:]
	known := false // something is different the next time
	for _, r := range group {
		own := reasons[:len(r.writes)]
		reasons = reasons[len(r.writes):]
		busy := wait(own)
		// While one of its items is busy it is not known which of its conditions is the first that does not hold.
		if busy == "" {
			turned, err := r.judge(own, now)
			known = known || turned || err != nil
			if err != nil {
				r.answer(err)
				continue
			}
		} else {
			v.busy = busy
		}
		v.again = append(v.again, r)
	}
	if !known && v.odd == "" {
		v.odd = "no reason that is given"
	}
	return v
}

// gaveUp is the error of a transaction that was cancelled again and again. A cancelled one wrote nothing.
func (v verdict) gaveUp(times int) error {
	if v.busy != "" {
		return fmt.Errorf("%w: the transaction was cancelled %d times, last by %s: nothing was written", store.ErrThrottled, times, v.busy)
	}
	return fmt.Errorf("%w: the transaction was cancelled %d times, last with %s: nothing was written", store.ErrUnavailable, times, v.odd)
}

// fenceText says what a fence that does not hold means.
func fenceText(r types.CancellationReason) string {
	if len(r.Item) == 0 {
		return fmt.Sprintf("the fence (pk %s, sk %s) was deleted, by a person or another program", storePartition, fenceKey)
	}
	return "another process owns the table now"
}

// judge gives the first reason why a request cannot be made, or nil when it is worth another try. turned says that the next try
// is made in another way.
func (r *request) judge(reasons []types.CancellationReason, now time.Time) (turned bool, err error) {
	for i, reason := range reasons {
		w := r.writes[i]
		switch code(reason) {
		case reasonNone:
		case reasonCondition:
			if w.If == store.Any {
				r.over[i], turned = !r.over[i], true // what was taken for live has expired, or the other way round
				continue
			}
			found, err := decode(w.Kind, reason.Item)
			if err != nil {
				return turned, err
			}
			if !found.live(now) {
				found.version = 0
			}
			if err := w.Check(found.version); err != nil {
				return turned, err
			}
			return turned, fmt.Errorf("the condition of %s %q failed, and holds by the item that came back with that", w.Kind, w.Key)
		default:
			return turned, fmt.Errorf("%s %q: %s: %s", w.Kind, w.Key, code(reason), aws.ToString(reason.Message))
		}
	}
	return turned, nil
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
