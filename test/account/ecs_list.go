package account

import (
	"maps"
	"slices"

	"taskwarden/test/account/wire"
)

func listClusters(a *Account, in wire.Input) (map[string]any, error) {
	p, err := page(in, 100)
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, c := range a.clusters {
		arns = append(arns, c.arn)
	}
	return p.cut("clusterArns", arns), nil
}

// listServices has the smallest default page of all: 10 (API reference).
func listServices(a *Account, in wire.Input) (map[string]any, error) {
	c, err := a.cluster(in)
	if err != nil {
		return nil, err
	}
	p, err := page(in, 10)
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, s := range c.services {
		if launch := in.String("launchType"); launch == "" || launch == s.Launch {
			arns = append(arns, s.arn)
		}
	}
	return p.cut("serviceArns", arns), nil
}

// listTasks filters by the desired status, RUNNING unless asked otherwise, so that tasks on their way to RUNNING show and
// tasks on their way to STOPPED do not; a filter on PENDING finds nothing (API reference).
func listTasks(a *Account, in wire.Input) (map[string]any, error) {
	c, err := a.cluster(in)
	if err != nil {
		return nil, err
	}
	p, err := page(in, 100)
	if err != nil {
		return nil, err
	}
	status := in.String("desiredStatus")
	if status == "" {
		status = "RUNNING"
	}
	if !slices.Contains([]string{"RUNNING", "PENDING", "STOPPED"}, status) {
		return nil, wire.Bad("InvalidParameterException", "Invalid desiredStatus: %s", status)
	}
	var only *service
	if name := in.String("serviceName"); name != "" {
		if only = c.service(name); only == nil {
			return nil, wire.Bad("ServiceNotFoundException", "Service not found.")
		}
	}
	var arns []string
	for _, t := range c.tasks {
		if t.desired == status && (only == nil || t.service == only) && t.matches(in) {
			arns = append(arns, t.arn)
		}
	}
	return p.cut("taskArns", arns), nil
}

func (t *task) matches(in wire.Input) bool {
	is := func(filter, value string) bool { want := in.String(filter); return want == "" || want == value }
	return is("family", t.def.family) && is("startedBy", t.startedBy) && is("launchType", t.service.Launch)
}

func listTaskDefinitions(a *Account, in wire.Input) (map[string]any, error) {
	status := in.String("status")
	if status == "" {
		status = "ACTIVE"
	}
	var found []*definition
	for _, family := range slices.Sorted(maps.Keys(a.families)) {
		if want := in.String("familyPrefix"); want != "" && want != family {
			continue
		}
		for _, d := range a.families[family] {
			if d.status == status {
				found = append(found, d)
			}
		}
	}
	if in.String("sort") == "DESC" {
		slices.Reverse(found)
	}
	return pageDefinitions(in, found)
}

// pageDefinitions pages in revision order, which is not the order of the ARNs' text.
func pageDefinitions(in wire.Input, found []*definition) (map[string]any, error) {
	p, err := page(in, 100)
	if err != nil {
		return nil, err
	}
	from := 1 + slices.IndexFunc(found, func(d *definition) bool { return d.arn == p.after })
	found = found[from:]
	arns := []string{}
	for _, d := range found[:min(p.most, len(found))] {
		arns = append(arns, d.arn)
	}
	out := map[string]any{"taskDefinitionArns": arns}
	if len(found) > p.most {
		out["nextToken"] = token(arns[p.most-1])
	}
	return out, nil
}
