package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler/fleet"
)

// overlap is what of a target's scope is left to targets before it.
type overlap struct {
	others []fleet.Scope
	why    string // "": nothing is, as far as is known
}

// findOverlaps finds the targets that would watch services of another one and that the configuration alone does not show: a role's
// account may be the ambient one. The first target has such services. ambient is asked at most once, and only where it matters.
func findOverlaps(ctx context.Context, targets []config.Target, ambient func(context.Context) (string, error)) []overlap {
	out := make([]overlap, len(targets))
	var id string
	var unknown error
	for j, b := range targets {
		var why []string
		for i := range targets[:j] {
			a := targets[i]
			if !maybeTwice(a, b) {
				continue
			}
			if id == "" && unknown == nil {
				within, cancel := context.WithTimeout(ctx, 20*time.Second)
				id, unknown = ambient(within)
				cancel()
			}
			switch {
			case unknown != nil:
				why = append(why, fmt.Sprintf("target %s may watch the same services, which would be counted twice: "+
					"whether their accounts are one is not known: %v", a.Name, unknown))
			case a.Account() == id || b.Account() == id:
				out[j].others = append(out[j].others, a.Scope())
				why = append(why, fmt.Sprintf("target %s is of the same account %s and Region and comes first: the services of both are its alone; "+
					"leave each service to one target, by clusters, services, excludeClusters or excludeServices", a.Name, id))
			}
		}
		out[j].why = strings.Join(why, "; ")
	}
	return out
}

// maybeTwice reports whether two targets watch the same services if the account of the one's role is the ambient one.
func maybeTwice(a, b config.Target) bool {
	if a.Region != b.Region || (a.Account() == "") == (b.Account() == "") {
		return false
	}
	_, _, overlaps, sure := fleet.Overlap(a.Scope(), b.Scope())
	return overlaps || !sure
}
