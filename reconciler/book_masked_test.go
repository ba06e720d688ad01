package reconciler

import (
	"testing"
	"time"

	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/rollout"
	"taskwarden/store"
	"taskwarden/store/memory"
)

// A rollout that an earlier release kept with a credential in an old value is shown without it.
func TestAKeptRolloutIsMaskedWhenItIsRead(t *testing.T) {
	s := memory.New(time.Now)
	it, err := encode(kindRollout, "r1", rollout.Rollout{ID: "r1", Plan: rollout.Plan{Changes: []otel.Change{
		{Name: "OTEL_TRACES_SAMPLER_ARG", Old: "endpoint=http://user:hunter2@host:2000", New: "0.01", Existed: true},
		{Name: "OTHER", Old: "user:hunter2", New: "x", Existed: true},
		{Name: "OTEL_TRACES_SAMPLER", Old: "xray", New: "parentbased_traceidratio", Existed: true},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), store.Write{Item: it}); err != nil {
		t.Fatal(err)
	}
	book, err := OpenBook(t.Context(), s, time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	changes := book.remediation.rollouts["r1"].Plan.Changes
	for i, want := range []string{"endpoint=http://***@host:2000", "***", "xray"} {
		if changes[i].Old != want {
			t.Errorf("old value %q, want %q", changes[i].Old, want)
		}
	}
}
