package reconciler

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
)

// A look that names a task definition which AWS does not know does not have it asked for each time.
func TestADefinitionThatAWSDoesNotKnow(t *testing.T) {
	now, asked := noon, 0
	d := newDefinitions(&Controller{o: Options{Log: zap.NewNop()}, now: func() time.Time { return now }})
	for range 24 * 60 {
		d.ask("prod", "gone:1", django)
		if len(d.users) > 0 {
			asked++
			d.answered(recording.Definition{Target: "prod", ARN: "gone:1", Err: fmt.Errorf("describe it: %w", fleet.ErrNotFound)})
		}
		now = now.Add(time.Minute)
	}
	if asked < 5 || asked > 12 {
		t.Errorf("asked %d times in a day", asked)
	}
	d.users = map[string]map[fleet.Key]bool{} // no service waits for it: there is no queue of passes here
	d.arrived("gone:1", fleet.Definition{ARN: "gone:1"})
	if _, ok := d.of("gone:1"); !ok || len(d.absent) > 0 {
		t.Errorf("it is there after all: %t, absent %v", ok, d.absent)
	}
}

// A task definition that AWS does not know is asked for again after a minute, then ever more seldom, and at last once a day; what no
// look names any more is forgotten.
func TestAbsences(t *testing.T) {
	now, asked := noon, 0
	a := absences{}
	for range 10 * 24 * 60 {
		if !a.still("gone:1", now) {
			asked++
			a.note("gone:1", now)
		}
		now = now.Add(time.Minute)
	}
	if asked < 15 || asked > 22 {
		t.Errorf("asked %d times in ten days", asked)
	}
	for i := range 100 {
		a.note(fmt.Sprintf("other:%d", i), now)
	}
	now = now.Add(3 * 24 * time.Hour)
	a.note("gone:1", now)
	if len(a) != 1 {
		t.Errorf("%d are kept", len(a))
	}
}
