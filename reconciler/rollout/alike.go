package rollout

import (
	"encoding/json"
	"slices"

	"taskwarden/reconciler/fleet"
)

// Groups puts rollouts together that one person can decide by one look. Exported ones: those that one owner applies by one
// change, of the same target, owner and diff, to the last old value. Those that wait for approval: of the same target, policy and
// diff, which is how one cause that many services share looks. Of each service the newest rollout of a policy counts. It gives
// the services of each group by the ids of its rollouts, in order; a group of one is none.
func Groups(all []Rollout) map[string][]fleet.Key {
	type of struct {
		key    fleet.Key
		policy string
	}
	newest := map[of]Rollout{}
	for _, r := range all {
		k := of{r.Key(), r.Plan.Policy}
		if was, ok := newest[k]; !ok || r.CreatedAt.After(was.CreatedAt) {
			newest[k] = r
		}
	}
	groups := map[string][]Rollout{}
	for _, r := range newest {
		of := []any{r.Plan.Key.Target, r.Plan.Changes}
		switch {
		case len(r.Plan.Changes) == 0:
			continue
		case r.Outcome == Exported:
			of = append(of, Exported, r.Plan.Owner.State, r.Plan.Owner.Name)
		case r.Live() && r.Phase == Proposed:
			of = append(of, Proposed, r.Plan.Policy)
		default:
			continue
		}
		body, _ := json.Marshal(of) // plain values always encode
		groups[string(body)] = append(groups[string(body)], r)
	}
	out := map[string][]fleet.Key{}
	for _, group := range groups {
		var keys []fleet.Key
		for _, r := range group {
			keys = append(keys, r.Key())
		}
		slices.SortFunc(keys, fleet.Key.Compare)
		if keys = slices.Compact(keys); len(keys) < 2 {
			continue
		}
		for _, r := range group {
			out[r.ID] = keys
		}
	}
	return out
}

// Alike are the other services of a rollout's group.
func Alike(groups map[string][]fleet.Key, r Rollout) []fleet.Key {
	return slices.DeleteFunc(slices.Clone(groups[r.ID]), func(k fleet.Key) bool { return k == r.Key() })
}
