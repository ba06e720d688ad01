package reconciler

import (
	"errors"
	"strings"
	"testing"

	"taskwarden/reconciler/fleet"
)

// An error from before a write has a class of its own: it is neither a throttled call nor one that may have been carried out. What
// would fail again keeps its own class.
func TestWhatWasNotSentIsNotCalledThrottled(t *testing.T) {
	for _, c := range []struct {
		err    error
		unsent bool
	}{
		{errors.New("503"), true}, {fleet.ErrThrottled, true}, {fleet.ErrConflict, true},
		{fleet.ErrDenied, false}, {fleet.ErrTerminal, false}, {fleet.ErrNotFound, false},
	} {
		got := notSent(c.err)
		if errors.Is(got, fleet.ErrUnsent) != c.unsent || !errors.Is(got, c.err) || c.unsent != strings.HasPrefix(got.Error(), "nothing was sent: ") {
			t.Errorf("%v: %v", c.err, got)
		}
		if errors.Is(got, fleet.ErrThrottled) != errors.Is(c.err, fleet.ErrThrottled) {
			t.Errorf("%v reads as throttled: %v", c.err, got)
		}
	}
}
