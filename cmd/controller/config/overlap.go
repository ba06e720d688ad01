package config

import (
	"fmt"
	"strings"

	"taskwarden/reconciler/fleet"
)

// Scope is the services that the target watches.
func (t Target) Scope() fleet.Scope {
	return fleet.Scope{Clusters: t.Clusters, ExcludeClusters: t.ExcludeClusters, Services: t.Services, ExcludeServices: t.ExcludeServices}
}

// Account is the id of the account of the target's role; "" where it has none
// and the ambient account is meant.
func (t Target) Account() string {
	if part := strings.SplitN(t.RoleARN, ":", 6); len(part) == 6 {
		return part[4]
	}
	return ""
}

// validateOverlaps notes targets that would watch the same services: each of
// their stops would be counted twice. Whether the ambient account is that of a
// role the text does not tell; the controller looks when it starts.
func (d *decoder) validateOverlaps(targets []Target) {
	for j, b := range targets {
		for i, a := range targets[:j] {
			if a.Account() != b.Account() || a.Region != b.Region || a.Region == "" {
				continue
			}
			path, first := fmt.Sprintf("targets[%d]", j), d.where(fmt.Sprintf("targets[%d]", i))
			cluster, service, overlaps, sure := fleet.Overlap(a.Scope(), b.Scope())
			switch {
			case overlaps:
				d.wrong(path, fmt.Sprintf("target %q and target %q (line %d) watch the same services, for example service %q of cluster %q: "+
					"each of their stops would be counted twice", b.Name, a.Name, first.line, service, cluster),
					"leave each service to one target, by clusters, services, excludeClusters or excludeServices")
			case !sure:
				d.warning(path, fmt.Sprintf("target %q and target %q (line %d) have too many patterns to tell whether they watch the same services",
					b.Name, a.Name, first.line), "write fewer patterns")
			}
		}
	}
}
