package test

import (
	"fmt"
	"testing"
	"time"
)

// Two targets of one account, the one by the ambient credentials and the other by a role, as no configuration shows: each service
// belongs to the first, each stop is counted once, and the second target says so.
func TestTargetsOfOneAccountDoNotCountTwice(t *testing.T) {
	t.Parallel()
	a, url := serve(t, incident(t, short))
	p := launch(t, url, a.Region(), t.TempDir(), quick+fmt.Sprintf(`targets:
  - {name: prod, region: %[1]s, clusters: [prod]}
  - {name: everything, region: %[1]s, roleArn: "arn:aws:iam::111122223333:role/watch"}
`, a.Region()))
	eventually(t, "stops are recorded", 60*time.Second, func() bool { return len(p.items("/api/v1/stops?limit=1000")) >= 3 })
	eventually(t, "both targets are seen", 30*time.Second, func() bool {
		ready := 0
		for _, s := range p.items("/api/v1/targets") {
			if s["ready"] == true {
				ready++
			}
		}
		return ready == 2
	})
	tasks := map[any]bool{}
	for _, s := range p.items("/api/v1/stops?limit=1000") {
		if s["target"] != "prod" || tasks[s["taskArn"]] {
			t.Errorf("target %v recorded %v, known: %t", s["target"], s["taskArn"], tasks[s["taskArn"]])
		}
		tasks[s["taskArn"]] = true
	}
	if n := len(p.items("/api/v1/services?target=everything")); n != 0 {
		t.Errorf("target everything watches %d services of the cluster prod", n)
	}
	said := false
	for _, f := range p.items("/api/v1/findings?target=everything&type=Unobservable") {
		said = said || f["reason"] == "TargetsOverlap" && containsAll(fmt.Sprint(f["evidence"]), []string{"target prod is of the same account 111122223333"})
	}
	if !said {
		t.Errorf("target everything does not say why: %v", p.items("/api/v1/findings?target=everything"))
	}
	p.terminate()
}
