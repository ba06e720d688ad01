package fleet

import (
	"fmt"
	"path"
)

// Scope says which clusters and services of a target are watched, by shell patterns (path.Match). An empty list of
// wanted names means all; exclusion wins.
type Scope struct {
	Clusters, ExcludeClusters []string
	Services, ExcludeServices []string
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

// Cluster tells whether the cluster of that name is watched.
func (s Scope) Cluster(name string) bool { return wanted(name, s.Clusters, s.ExcludeClusters) }

// Service tells whether the service of that name is watched, in a cluster that is.
func (s Scope) Service(name string) bool { return wanted(name, s.Services, s.ExcludeServices) }

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
