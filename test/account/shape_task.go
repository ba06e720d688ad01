package account

import "time"

func (t *task) shape(tags bool) map[string]any {
	s := t.service
	overrides := []any{}
	containers := []any{}
	for _, c := range t.containers {
		overrides = append(overrides, map[string]any{"name": c.spec.name})
		containers = append(containers, c.shape())
	}
	out := map[string]any{
		"taskArn": t.arn, "clusterArn": s.cluster.arn, "taskDefinitionArn": t.def.arn, "group": "service:" + s.Name,
		"startedBy": t.startedBy, "lastStatus": t.last, "desiredStatus": t.desired, "version": t.version,
		"containers": containers, "healthStatus": t.health(), "availabilityZone": t.zone, "createdAt": t.created,
		"connectivity": "CONNECTED", "connectivityAt": t.created.Add(4 * time.Second),
		"overrides":  map[string]any{"containerOverrides": overrides, "inferenceAcceleratorOverrides": []any{}},
		"attributes": []any{map[string]any{"name": "ecs.cpu-architecture", "value": "x86_64"}}, "attachments": t.attachments(),
		"enableExecuteCommand": false, "tags": []any{},
	}
	for _, size := range []string{"cpu", "memory"} {
		if v, ok := t.def.doc[size].(string); ok {
			out[size] = v
		}
	}
	t.placed(out)
	t.times(out)
	optional(out, "stopCode", t.why.Code)
	optional(out, "stoppedReason", t.why.Text)
	if tags {
		out["tags"] = tagList(s.Tags, "key", "value")
	}
	return out
}

// placed puts in what the task runs on.
func (t *task) placed(out map[string]any) {
	s := t.service
	if s.Launch == "EC2" {
		out["launchType"] = "EC2"
		out["containerInstanceArn"] = s.account.arn("ecs", "container-instance/"+s.cluster.name+"/"+t.host())
		return
	}
	out["launchType"], out["platformVersion"], out["platformFamily"] = "FARGATE", "1.4.0", "Linux"
	out["ephemeralStorage"] = map[string]any{"sizeInGiB": 20}
	optional(out, "capacityProviderName", s.CapacityProvider)
}

// host is the id of the EC2 container instance; a few tasks share one.
func (t *task) host() string { return "c0ffee00000000000000000000000" + t.zone[len(t.zone)-1:] + "01" }

func (t *task) times(out map[string]any) {
	stamp(out, "pullStartedAt", t.pullStarted)
	stamp(out, "pullStoppedAt", t.pullStopped)
	stamp(out, "startedAt", t.started)
	stamp(out, "stoppingAt", t.stopping)
	if !t.started.IsZero() {
		stamp(out, "executionStoppedAt", t.executionStopped)
	}
	stamp(out, "stoppedAt", t.stopped)
}

// health is the task's health by its essential containers that have a health check.
func (t *task) health() string {
	health := "UNKNOWN"
	for _, c := range t.containers {
		if !c.spec.essential || !c.spec.healthCheck {
			continue
		}
		if c.unhealthy {
			return "UNHEALTHY"
		}
		if c.last == "RUNNING" {
			health = "HEALTHY"
		}
	}
	return health
}

func (t *task) attachments() []any {
	status := "ATTACHED"
	switch t.last {
	case "PROVISIONING":
		status = "PRECREATED"
	case "STOPPED":
		status = "DELETED"
	}
	return []any{map[string]any{"id": t.eni[4:12] + "-5a2d-4a68-9b1e-" + t.id[:12], "type": "ElasticNetworkInterface", "status": status,
		"details": []any{
			map[string]any{"name": "subnetId", "value": "subnet-0a1b2c3d4e5f60718"},
			map[string]any{"name": "networkInterfaceId", "value": t.eni},
			map[string]any{"name": "privateIPv4Address", "value": t.ip},
		}}}
}

func (c *container) shape() map[string]any {
	out := map[string]any{
		"containerArn": c.arn, "taskArn": c.task.arn, "name": c.spec.name, "image": c.spec.image, "lastStatus": c.last,
		"networkBindings": []any{}, "healthStatus": c.health(), "cpu": "0",
		"networkInterfaces": []any{map[string]any{"attachmentId": c.task.eni[4:12] + "-5a2d-4a68-9b1e-" + c.task.id[:12], "privateIpv4Address": c.task.ip}},
	}
	if !c.task.started.IsZero() {
		out["runtimeId"], out["imageDigest"] = c.runtimeID, c.digest
	}
	if c.exit != nil {
		out["exitCode"] = *c.exit
	}
	optional(out, "reason", c.reason)
	return out
}

func (c *container) health() string {
	switch {
	case !c.spec.healthCheck:
		return "UNKNOWN"
	case c.unhealthy:
		return "UNHEALTHY"
	case c.last == "RUNNING":
		return "HEALTHY"
	}
	return "UNKNOWN"
}
