package rollout

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

func TestGroups(t *testing.T) {
	of := func(id, service string, change func(*Rollout)) Rollout {
		r := Rollout{ID: id, Outcome: Exported, CreatedAt: start, Plan: Plan{Key: fleet.Key{Target: "prod", Cluster: "main", Service: service}, Policy: "p",
			Owner: Owner{State: Owned, Name: "stack shop"}, Changes: []otel.Change{{Container: "app", Name: "A", Old: "1", New: "2", Existed: true}}}}
		if change != nil {
			change(&r)
		}
		return r
	}
	all := []Rollout{
		of("a", "a", nil), of("b", "b", nil), of("c", "c", nil),
		of("owner", "d", func(r *Rollout) { r.Plan.Owner.Name = "stack other" }),
		of("unknown", "e", func(r *Rollout) { r.Plan.Owner = Owner{State: UnknownOwner} }),
		of("unknown2", "f", func(r *Rollout) { r.Plan.Owner = Owner{State: UnknownOwner} }),
		of("target", "g", func(r *Rollout) { r.Plan.Key.Target = "test" }),
		of("value", "h", func(r *Rollout) {
			r.Plan.Changes = []otel.Change{{Container: "app", Name: "A", Old: "1", New: "3", Existed: true}}
		}),
		of("old", "i", func(r *Rollout) {
			r.Plan.Changes = []otel.Change{{Container: "app", Name: "A", Old: "0", New: "2", Existed: true}}
		}),
		of("done", "j", func(r *Rollout) { r.Outcome = Adopted }),
		of("nothing", "k", func(r *Rollout) { r.Plan.Changes = nil }),
		of("before", "l", nil), of("after", "l", func(r *Rollout) { r.Outcome, r.CreatedAt = Adopted, start.Add(time.Hour) }),
		of("waits", "m", func(r *Rollout) { r.Outcome, r.Phase, r.Plan.Owner = "", Proposed, Owner{Name: "alice"} }),
		of("waits2", "n", func(r *Rollout) { r.Outcome, r.Phase, r.Plan.Owner = "", Proposed, Owner{Name: "bob"} }),
		of("waits for another", "o", func(r *Rollout) { r.Outcome, r.Phase, r.Plan.Policy = "", Proposed, "q" }),
		of("begun", "p", func(r *Rollout) { r.Outcome, r.Phase = "", Rolling }),
		of("twice", "a", func(r *Rollout) { r.Plan.Policy = "q" }),
	}
	groups := Groups(all)
	got := map[string]string{}
	for _, r := range all {
		got[r.ID] = fmt.Sprint(Alike(groups, r))
	}
	for id, want := range map[string]string{
		"a": "[prod/main/b prod/main/c]", "b": "[prod/main/a prod/main/c]", "c": "[prod/main/a prod/main/b]", "twice": "[prod/main/b prod/main/c]",
		"unknown": "[prod/main/f]", "unknown2": "[prod/main/e]",
		"waits": "[prod/main/n]", "waits2": "[prod/main/m]",
	} {
		if got[id] != want {
			t.Errorf("%s: %s, want %s", id, got[id], want)
		}
		delete(got, id)
	}
	for id, alike := range got {
		if alike != "[]" {
			t.Errorf("%s: %s", id, alike)
		}
	}
	for range 20 { // a map's order changes nothing
		if d := cmp.Diff(groups, Groups(all)); d != "" {
			t.Fatal(d)
		}
	}
}
