package fleet

import (
	"fmt"
	"path"
	"slices"
)

// Scope says which clusters and services of a target are watched, by shell patterns (path.Match). An empty list of
// wanted names means all; exclusion wins.
type Scope struct {
	Clusters, ExcludeClusters []string
	Services, ExcludeServices []string
	// Others are the scopes of targets of the same account and Region that come first: what they watch is theirs.
	Others []Scope
}

// Validate finds the first pattern that cannot be read.
func (s Scope) Validate() error {
	for _, list := range [][]string{s.Clusters, s.ExcludeClusters, s.Services, s.ExcludeServices} {
		for _, p := range list {
			if _, err := path.Match(p, ""); err != nil {
				return fmt.Errorf("pattern %q: %w", p, err)
			}
		}
	}
	return nil
}

// Cluster reports whether services of the cluster of that name may be watched.
func (s Scope) Cluster(name string) bool { return wanted(name, s.Clusters, s.ExcludeClusters) }

// Service reports whether services of that name are watched in the clusters that are, unless another target has them.
func (s Scope) Service(name string) bool { return wanted(name, s.Services, s.ExcludeServices) }

// Watches reports whether one service is watched.
func (s Scope) Watches(cluster, service string) bool {
	if !s.Cluster(cluster) || !s.Service(service) {
		return false
	}
	return !slices.ContainsFunc(s.Others, func(o Scope) bool { return o.Watches(cluster, service) })
}

func wanted(name string, in, out []string) bool {
	return (len(in) == 0 || matchAny(name, in)) && !matchAny(name, out)
}

func matchAny(name string, patterns []string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); ok && err == nil {
			return true
		}
	}
	return false
}
