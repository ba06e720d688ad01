package reconciler

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/fleet"
	"taskwarden/store"
	"taskwarden/store/memory"
)

// A kept definition comes back whole, however it was kept, and takes less room than its JSON.
func TestDefinitionsAreKept(t *testing.T) {
	s := memory.New(time.Now)
	b, err := OpenBook(t.Context(), s, time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	want := fleet.Definition{ARN: "arn:aws:ecs:us-east-1:111122223333:task-definition/shop:7", Family: "shop", Revision: 7}
	for _, name := range []string{"app", "nginx", "cwagent"} {
		want.Containers = append(want.Containers, fleet.ContainerDefinition{Name: name, Image: name + ":1", LogDriver: "awslogs",
			LogOptions: map[string]string{"awslogs-group": "/ecs/shop", "awslogs-region": "us-east-1"}, Env: []fleet.EnvVar{{Name: "LOG_LEVEL"}}})
	}
	plain, err := encode(kindDefinition, "earlier/"+want.ARN, want)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), store.Write{Item: plain}); err != nil {
		t.Fatal(err)
	}
	if err := b.KeepDefinition(t.Context(), "now", want); err != nil {
		t.Fatal(err)
	}
	for _, allow := range []string{"earlier", "now"} {
		got, ok, err := b.Definition(t.Context(), allow, want.ARN)
		if diff := cmp.Diff(want, got); !ok || err != nil || diff != "" {
			t.Errorf("kept %s: %v, %v %s", allow, ok, err, diff)
		}
	}
	it, err := s.Get(t.Context(), kindDefinition, "now/"+want.ARN)
	if err != nil || len(it.Body)*2 > len(plain.Body) {
		t.Errorf("%d bytes kept, plain %d: %v", len(it.Body), len(plain.Body), err)
	}
	if _, ok, err := b.Definition(t.Context(), "now", "other"); ok || err != nil {
		t.Errorf("one nobody kept: %v, %v", ok, err)
	}
}
