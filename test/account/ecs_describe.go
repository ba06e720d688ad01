package account

import "taskwarden/test/account/wire"

func describeClusters(a *Account, in wire.Input) (map[string]any, error) {
	names := in.Strings("clusters")
	if len(names) > 100 {
		return nil, wire.Bad("InvalidParameterException", "Clusters cannot have more than 100 elements")
	}
	if len(names) == 0 {
		names = []string{"default"}
	}
	found, failures := []any{}, []any{}
	for _, name := range names {
		c, err := a.cluster(wire.Input{"cluster": name})
		if err != nil {
			failures = append(failures, missing(name))
			continue
		}
		found = append(found, c.shape(including(in, "SETTINGS")))
	}
	return map[string]any{"clusters": found, "failures": failures}, nil
}

func describeServices(a *Account, in wire.Input) (map[string]any, error) {
	c, err := a.cluster(in)
	if err != nil {
		return nil, err
	}
	names, err := batch(in, "services", "Services", 10)
	if err != nil {
		return nil, err
	}
	found, failures := []any{}, []any{}
	for _, name := range names {
		if s := c.service(name); s != nil {
			found = append(found, s.shape(including(in, "TAGS")))
		} else {
			failures = append(failures, missing(a.arn("ecs", "service/"+c.name+"/"+last(name))))
		}
	}
	return map[string]any{"services": found, "failures": failures}, nil
}

func describeTasks(a *Account, in wire.Input) (map[string]any, error) {
	c, err := a.cluster(in)
	if err != nil {
		return nil, err
	}
	names, err := batch(in, "tasks", "Tasks", 100)
	if err != nil {
		return nil, err
	}
	found, failures := []any{}, []any{}
	for _, name := range names {
		t := c.tasks[last(name)]
		if t == nil || t.arn != name && t.id != name {
			failures = append(failures, missing(a.arn("ecs", "task/"+c.name+"/"+last(name))))
			continue
		}
		found = append(found, t.shape(including(in, "TAGS")))
	}
	return map[string]any{"tasks": found, "failures": failures}, nil
}

func describeTaskDefinition(a *Account, in wire.Input) (map[string]any, error) {
	d := a.definition(in.String("taskDefinition"))
	if d == nil {
		return nil, wire.Bad("ClientException", "Unable to describe task definition.")
	}
	out := map[string]any{"taskDefinition": d.shape()}
	if including(in, "TAGS") {
		out["tags"] = list(d.tags)
	}
	return out, nil
}

func listTags(a *Account, in wire.Input) (map[string]any, error) {
	arn := in.String("resourceArn")
	for _, c := range a.clusters {
		if s := c.service(arn); s != nil && s.arn == arn {
			return map[string]any{"tags": tagList(s.Tags, "key", "value")}, nil
		}
	}
	if d := a.definition(arn); d != nil && d.arn == arn {
		return map[string]any{"tags": list(d.tags)}, nil
	}
	return nil, wire.Bad("InvalidParameterException", "The specified resource %s was not found.", arn)
}

// list makes an empty list of nil, as AWS answers.
func list(l []any) []any {
	if l == nil {
		return []any{}
	}
	return l
}
