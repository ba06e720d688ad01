package cloud

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

// writesOf are the calls that an account recorded of classes that only the owner may make.
func writesOf(w *account.Account) (out []account.Call) {
	for _, c := range w.Calls() {
		if op, _ := operationOf(c.Service, c.Op); op.Class.writes() {
			out = append(out, c)
		}
	}
	return out
}

// methods that write, of those that all uses.
var writing = []string{"Register", "Deploy", "StopDeployment", "PutAlarm", "TagAlarm", "DeleteAlarm", "PutData"}

func TestNoWriteOutsideTheLease(t *testing.T) {
	for name, lease := range map[string]func(start time.Time) func() (time.Time, time.Time){
		"ended": func(start time.Time) func() (time.Time, time.Time) {
			return func() (time.Time, time.Time) { return start, start }
		},
		"lost": func(start time.Time) func() (time.Time, time.Time) {
			return func() (time.Time, time.Time) { return start, time.Time{} }
		},
		"too little is left": func(start time.Time) func() (time.Time, time.Time) {
			return func() (time.Time, time.Time) { return start, time.Now().Add(leastCall - 1) }
		},
		"ends between the look and the sending": func(start time.Time) func() (time.Time, time.Time) {
			var looks atomic.Int64
			return func() (time.Time, time.Time) { // each write looks three times: settled, bounded, last
				if looks.Add(1)%3 == 0 {
					return start, time.Now()
				}
				return start, time.Now().Add(time.Hour)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world(t, account.Bulk(1, 1, 1))
				errs := all(t.Context(), watching(w, Options{Lease: lease(time.Now())}))
				for method, err := range errs {
					outside, is := errors.AsType[*OutsideLease](err)
					// DeleteAlarm finds no alarm to delete, since none was made.
					if want := slices.Contains(writing, method) && method != "DeleteAlarm"; is != want || is && outside.Sent {
						t.Errorf("%s: %v", method, err)
					}
					if is && errors.Is(err, fleet.ErrTerminal) {
						t.Errorf("%s: the next owner goes on, and %v reads as final", method, err)
					}
				}
				if got := writesOf(w); len(got) > 0 {
					t.Errorf("sent: %v", got)
				}
			})
		})
	}
}

// A machine is suspended for an hour: the monotonic clock stood still and says that the lease holds, the wall clock says that it
// ended. Nothing is sent until the lease is renewed.
func TestNoWriteAfterAMachineWasSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		asleep := time.Hour
		until := time.Now().Add(8 * time.Second)
		a := watching(w, Options{
			Lease: func() (time.Time, time.Time) { return time.Now(), until },
			Wall:  func() time.Time { return time.Now().Add(asleep) },
		})
		err := a.Deploy(t.Context(), "prod-000", "service-00000", "service-00000:1")
		if outside, is := errors.AsType[*OutsideLease](err); !is || outside.Sent || len(writesOf(w)) > 0 {
			t.Errorf("%v, sent %v", err, writesOf(w))
		}
		until = until.Add(asleep) // renewed after the wake-up: both clocks agree again
		asleep = 0
		if err := a.Deploy(t.Context(), "prod-000", "service-00000", "service-00000:1"); err != nil {
			t.Errorf("after the renewal: %v", err)
		}
	})
}

// A new owner's writes wait until nothing of the last one can arrive any more; its reads do not.
func TestWritesWaitForTheLastOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := account.Bulk(1, 1, 1)
		s.Images = []account.Image{{Name: "111122223333.dkr.ecr.us-east-1.amazonaws.com/app:1", Digest: "sha256:aa"}}
		w := world(t, s)
		start := time.Now()
		from := start.Add(5 * time.Second)
		for method, err := range all(t.Context(), watching(w, Options{Lease: func() (time.Time, time.Time) { return from, time.Now().Add(9 * time.Second) }})) {
			if missing := method == "StopDeployment" && errors.Is(err, fleet.ErrNotFound); err != nil && !missing {
				t.Errorf("%s: %v", method, err)
			}
		}
		got := writesOf(w)
		if len(got) < 5 {
			t.Fatalf("%d writes", len(got))
		}
		for _, c := range got {
			if c.At.Before(from) {
				t.Errorf("%s was sent %s after the takeover", c.Op, c.At.Sub(start))
			}
		}
		if first := w.Calls()[0]; first.At.Sub(start) > time.Second {
			t.Errorf("the first read waited %s", first.At.Sub(start))
		}
	})
}

// A write under way ends with the lease, and is not repeated.
func TestAWriteEndsWithTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		hold := make(chan struct{})
		sent := 0
		defer w.Gate(func(c account.Call) bool { return c.Op == "UpdateService" }, func(account.Call) account.Gate {
			sent++
			return account.Gate{Hold: hold}
		})()
		start := time.Now()
		until := start.Add(6 * time.Second)
		a := watching(w, Options{Lease: func() (time.Time, time.Time) { return start, until }})
		err := a.Deploy(t.Context(), "prod-000", "service-00000", "service-00000:1")
		outside, is := errors.AsType[*OutsideLease](err)
		if !is || !outside.Sent || !time.Now().Equal(until) || sent != 1 {
			t.Errorf("after %s and %d calls: %v", time.Since(start), sent, err)
		}
		close(hold)
	})
}
