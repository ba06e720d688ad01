package account

import (
	"fmt"
	"slices"
	"strings"

	"taskwarden/test/account/wire"
)

// last is what follows the last slash of an ARN, or the whole of a bare name.
func last(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// name is family:revision.
func (d *definition) name() string { return fmt.Sprintf("%s:%d", d.family, d.revision) }

// cluster finds the cluster that an input names, by its name or ARN; none named is "default".
func (a *Account) cluster(in wire.Input) (*cluster, error) {
	name := in.String("cluster")
	if name == "" {
		name = "default"
	}
	for _, c := range a.clusters {
		if c.name == name || c.arn == name {
			return c, nil
		}
	}
	return nil, wire.Bad("ClusterNotFoundException", "Cluster not found.")
}

// service finds a service by its name or ARN; nil: there is none.
func (c *cluster) service(nameOrARN string) *service {
	for _, s := range c.services {
		if s.Name == nameOrARN || s.arn == nameOrARN {
			return s
		}
	}
	return nil
}

// definition finds a revision by ARN, by family:revision, or the newest ACTIVE one of a bare family; nil: there is none.
func (a *Account) definition(ref string) *definition {
	ref = strings.TrimPrefix(ref, a.arn("ecs", "task-definition/"))
	family, revision, exact := strings.Cut(ref, ":")
	for _, d := range slices.Backward(a.families[family]) {
		if d.status == "DELETE_IN_PROGRESS" && !a.runs(d) {
			continue
		}
		if exact && fmt.Sprint(d.revision) == revision || !exact && d.status == "ACTIVE" {
			return d
		}
	}
	return nil
}

// runs reports whether a service or one of its tasks still uses the revision.
func (a *Account) runs(d *definition) bool {
	for _, c := range a.clusters {
		for _, s := range c.services {
			if slices.ContainsFunc(s.deployments, func(e *deployment) bool { return e.def == d }) || s.count(func(t *task) bool { return t.deployment.def == d }) > 0 {
				return true
			}
		}
	}
	return false
}
