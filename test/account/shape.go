package account

import (
	"cmp"
	"maps"
	"time"
)

// This file writes the ECS resources as the API shows them.

func (c *cluster) shape(settings bool) map[string]any {
	running, pending := 0, 0
	for _, s := range c.services {
		r, p := s.running()
		running, pending = running+r, pending+p
	}
	out := map[string]any{
		"clusterArn": c.arn, "clusterName": c.name, "status": "ACTIVE", "registeredContainerInstancesCount": 0,
		"runningTasksCount": running, "pendingTasksCount": pending, "activeServicesCount": len(c.services),
		"statistics": []any{}, "tags": []any{}, "settings": []any{},
		"capacityProviders": []string{"FARGATE", "FARGATE_SPOT"}, "defaultCapacityProviderStrategy": []any{},
	}
	if settings {
		out["settings"] = []any{map[string]any{"name": "containerInsights", "value": c.insights}}
	}
	return out
}

// running counts tasks in and before RUNNING.
func (s *service) running() (running, pending int) {
	running = s.count(func(t *task) bool { return t.last == "RUNNING" })
	return running, s.count((*task).pending)
}

func (t *task) pending() bool { return t.last == "PROVISIONING" || t.last == "PENDING" }

func (s *service) shape(tags bool) map[string]any {
	running, pending := s.running()
	out := map[string]any{
		"serviceArn": s.arn, "serviceName": s.Name, "clusterArn": s.cluster.arn, "status": "ACTIVE",
		"desiredCount": s.Desired, "runningCount": running, "pendingCount": pending,
		"taskDefinition": s.primary().def.arn, "schedulingStrategy": "REPLICA",
		"deploymentController":    map[string]any{"type": cmp.Or(s.Controller, "ECS")},
		"deploymentConfiguration": s.deploymentConfiguration(),
		"createdAt":               s.created, "createdBy": cmp.Or(s.CreatedBy, "arn:aws:iam::"+s.account.accountID+":role/deploy"),
		"events": s.eventShapes(), "deployments": s.deploymentShapes(), "loadBalancers": s.loadBalancers(),
		"serviceRegistries": []any{}, "placementConstraints": []any{}, "placementStrategy": []any{},
		"enableECSManagedTags": true, "propagateTags": "SERVICE", "enableExecuteCommand": false, "healthCheckGracePeriodSeconds": 0,
		"availabilityZoneRebalancing": "ENABLED",
		"currentServiceRevisions":     []any{map[string]any{"arn": s.primary().revisionARN(), "requestedTaskCount": s.Desired, "runningTaskCount": running, "pendingTaskCount": pending}},
		"networkConfiguration":        network,
	}
	s.launched(out)
	if s.primary().rollout == "IN_PROGRESS" {
		out["currentServiceDeployment"] = s.primary().arn()
	}
	if tags {
		out["tags"] = tagList(s.Tags, "key", "value")
	}
	return out
}

// network is never changed.
var network = map[string]any{"awsvpcConfiguration": map[string]any{
	"subnets": []string{"subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"}, "securityGroups": []string{"sg-0a1b2c3d4e5f60718"}, "assignPublicIp": "DISABLED"}}

// launched puts in what the service runs on.
func (s *service) launched(out map[string]any) {
	if s.CapacityProvider != "" {
		out["capacityProviderStrategy"] = []any{map[string]any{"capacityProvider": s.CapacityProvider, "weight": 1, "base": 0}}
	} else {
		out["launchType"] = s.Launch
	}
	if s.Launch != "EC2" {
		out["platformVersion"], out["platformFamily"] = "1.4.0", "Linux"
	}
}

func (s *service) deploymentConfiguration() map[string]any {
	strategy := "ROLLING"
	if s.BakeTime != (Span{}) {
		strategy = "BLUE_GREEN"
	}
	breaker := s.CircuitBreaker == "stop" || s.CircuitBreaker == "rollback"
	return map[string]any{
		"minimumHealthyPercent": s.minHealthy, "maximumPercent": s.maximum, "strategy": strategy,
		"deploymentCircuitBreaker": map[string]any{"enable": breaker, "rollback": s.CircuitBreaker == "rollback"},
	}
}

func (s *service) loadBalancers() []any {
	if s.LoadBalancer.TargetGroup == "" {
		return []any{}
	}
	return []any{map[string]any{"targetGroupArn": s.targetGroup(), "containerName": s.LoadBalancer.Container, "containerPort": s.LoadBalancer.Port}}
}

func (s *service) eventShapes() []any {
	out := make([]any, len(s.events))
	for i, e := range s.events {
		out[i] = map[string]any{"id": e.id, "createdAt": e.at, "message": e.message}
	}
	return out
}

func (s *service) deploymentShapes() []any {
	var out []any
	for i, d := range s.deployments {
		status, desired := "PRIMARY", s.Desired
		if i > 0 {
			status, desired = "ACTIVE", s.count(func(t *task) bool { return t.deployment == d && t.wanted() })
		}
		shape := map[string]any{
			"id": d.id, "status": status, "taskDefinition": d.def.arn, "desiredCount": desired,
			"runningCount": s.count(func(t *task) bool { return t.deployment == d && t.last == "RUNNING" }),
			"pendingCount": s.count(func(t *task) bool { return t.deployment == d && t.pending() }),
			"failedTasks":  d.failed, "createdAt": d.created, "updatedAt": d.updated,
			"rolloutState": d.rollout, "rolloutStateReason": d.reason, "networkConfiguration": network,
		}
		s.launched(shape)
		out = append(out, shape)
	}
	return out
}

func (d *deployment) brief() map[string]any {
	out := map[string]any{
		"serviceDeploymentArn": d.arn(), "serviceArn": d.service.arn, "clusterArn": d.service.cluster.arn,
		"createdAt": d.created, "startedAt": d.created, "targetServiceRevisionArn": d.revisionARN(), "status": d.status,
	}
	optional(out, "statusReason", d.statusReason)
	stamp(out, "finishedAt", d.finished)
	return out
}

func (d *deployment) shape() map[string]any {
	s := d.service
	out := d.brief()
	delete(out, "targetServiceRevisionArn")
	out["targetServiceRevision"] = map[string]any{
		"arn": d.revisionARN(), "requestedTaskCount": s.Desired,
		"runningTaskCount": s.count(func(t *task) bool { return t.deployment == d && t.last == "RUNNING" }),
		"pendingTaskCount": s.count(func(t *task) bool { return t.deployment == d && t.pending() }),
	}
	out["sourceServiceRevisions"] = []any{}
	for i, h := range s.history {
		if h == d && i > 0 {
			out["sourceServiceRevisions"] = []any{map[string]any{"arn": s.history[i-1].revisionARN(), "requestedTaskCount": 0, "runningTaskCount": 0, "pendingTaskCount": 0}}
		}
	}
	out["deploymentConfiguration"] = s.deploymentConfiguration()
	optional(out, "lifecycleStage", d.stage)
	return out
}

func (d *deployment) revisionShape() map[string]any {
	var images []any
	for _, c := range d.def.containers {
		images = append(images, map[string]any{"containerName": c.name, "image": c.image, "imageDigest": d.digests[c.image]})
	}
	return map[string]any{
		"serviceRevisionArn": d.revisionARN(), "serviceArn": d.service.arn, "clusterArn": d.service.cluster.arn,
		"taskDefinition": d.def.arn, "createdAt": d.created, "containerImages": images, "networkConfiguration": network,
	}
}

func (d *definition) shape() map[string]any {
	out := maps.Clone(d.doc)
	maps.Copy(out, map[string]any{
		"taskDefinitionArn": d.arn, "revision": d.revision, "status": d.status, "registeredAt": d.registered,
		"registeredBy": d.registeredBy, "compatibilities": []string{"EC2", "FARGATE"},
		"requiresAttributes": []any{map[string]any{"name": "com.amazonaws.ecs.capability.logging-driver.awslogs"}, map[string]any{"name": "ecs.capability.task-eni"}},
	})
	stamp(out, "deregisteredAt", d.deregistered)
	return out
}

// optional puts in a text that AWS leaves out where it is empty.
func optional(out map[string]any, name, value string) {
	if value != "" {
		out[name] = value
	}
}

// stamp puts in a time that AWS leaves out until it has come.
func stamp(out map[string]any, name string, t time.Time) {
	if !t.IsZero() {
		out[name] = t
	}
}
