package reconciler

import (
	"cmp"
	"slices"
	"strings"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Findings lists the findings of a target ("" : of all), open and closed, in order.
func (b *Book) Findings(target string) []finding.Finding {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []fleet.Key // sorted in place of the findings, which are large
	n := 0
	for key, m := range b.memories {
		if (target == "" || key.Target == target) && len(m.Findings) > 0 {
			keys, n = append(keys, key), n+len(m.Findings)
		}
	}
	slices.SortFunc(keys, fleet.Key.Compare)
	out := slices.Grow([]finding.Finding(nil), n)
	for _, key := range keys {
		out = append(out, b.memories[key].Findings...)
		slices.SortFunc(out[len(out)-len(b.memories[key].Findings):], finding.Finding.Compare)
	}
	return out
}

// OpenKeys lists the services of a target that have an open finding.
func (b *Book) OpenKeys(target string) []fleet.Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []fleet.Key
	for key, m := range b.memories {
		if key.Target == target && key.Service != "" && slices.ContainsFunc(m.Findings, finding.Finding.Open) {
			out = append(out, key)
		}
	}
	slices.SortFunc(out, fleet.Key.Compare)
	return out
}

// Recorded is one recorded stop with its service.
type Recorded struct {
	Key  fleet.Key
	Stop churn.Stop
}

// Stops lists the recorded stops of what scope names (a service, a cluster or a target by the parts that are set),
// newest first.
func (b *Book) Stops(scope fleet.Key) []Recorded {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Recorded
	for key, m := range b.memories {
		if !within(key, scope) {
			continue
		}
		for _, s := range m.History.Stops {
			out = append(out, Recorded{key, s})
		}
	}
	slices.SortFunc(out, func(x, y Recorded) int {
		return cmp.Or(y.Stop.StoppedAt.Compare(x.Stop.StoppedAt), strings.Compare(x.Stop.TaskARN, y.Stop.TaskARN))
	})
	return out
}

func within(key, scope fleet.Key) bool {
	return (scope.Target == "" || scope.Target == key.Target) && (scope.Cluster == "" || scope.Cluster == key.Cluster) &&
		(scope.Service == "" || scope.Service == key.Service)
}
