package account

import (
	"cmp"
	"maps"
	"time"

	"taskwarden/test/account/wire"
)

func registerTaskDefinition(a *Account, in wire.Input) (map[string]any, error) {
	d, err := a.register(in, a.caller(a.signer))
	if err != nil {
		return nil, err
	}
	out := map[string]any{"taskDefinition": d.shape()}
	if len(d.tags) > 0 {
		out["tags"] = d.tags
	}
	return out, nil
}

func deregisterTaskDefinition(a *Account, in wire.Input) (map[string]any, error) {
	d := a.definition(in.String("taskDefinition"))
	if d == nil {
		return nil, wire.Bad("ClientException", "Unable to describe task definition.")
	}
	if d.status == "ACTIVE" {
		d.status, d.deregistered, d.deployable = "INACTIVE", a.now, a.now.Add(a.draw(a.timing.Deregister))
	}
	return map[string]any{"taskDefinition": d.shape()}, nil
}

// deleteTaskDefinitions begins to delete INACTIVE revisions. One that nothing runs is gone at once; AWS takes up to 24 hours (API
// reference, DeleteTaskDefinitions).
func deleteTaskDefinitions(a *Account, in wire.Input) (map[string]any, error) {
	names, err := batch(in, "taskDefinitions", "taskDefinitions", 10)
	if err != nil {
		return nil, err
	}
	found, failures := []any{}, []any{}
	for _, name := range names {
		d := a.definition(name)
		if d == nil || d.status == "ACTIVE" {
			failures = append(failures, map[string]any{"arn": name, "reason": "The specified task definition is still in ACTIVE status. Please deregister the target and try again."})
			continue
		}
		d.status, d.deployable = "DELETE_IN_PROGRESS", time.Time{}
		found = append(found, d.shape())
	}
	return map[string]any{"taskDefinitions": found, "failures": failures}, nil
}

// stopServiceDeployment rolls a deployment back that is under way. What AWS answers for one that is over is not documented.
func stopServiceDeployment(a *Account, in wire.Input) (map[string]any, error) {
	if in.String("stopType") != "ROLLBACK" {
		return nil, wire.Bad("InvalidParameterException", "stopType must be ROLLBACK")
	}
	d := a.deployment(in.String("serviceDeploymentArn"))
	if d == nil {
		return nil, wire.Bad("ServiceDeploymentNotFoundException", "The service deploy ARN that you specified could not be found.")
	}
	good := d.service.lastCompleted()
	if d.rollout != "IN_PROGRESS" || d != d.service.primary() || good == nil {
		return nil, wire.Bad("ConflictException", "The service deployment cannot be stopped in its present state.")
	}
	d.rollout, d.stopped, d.updated = "FAILED", true, a.now
	d.status, d.statusReason = "ROLLBACK_IN_PROGRESS", "Service deployment was stopped by the user: rolling back."
	d.reason = d.statusReason
	d.service.rollBack(d, good, "rolling back to deploymentId "+good.id+".")
	return map[string]any{"serviceDeploymentArn": d.arn()}, nil
}

// updateService changes the desired count, the deployment bounds and the revision. Members that are left out stay as they
// are. A deployment starts where the revision changes or where it is forced.
func updateService(a *Account, in wire.Input) (map[string]any, error) {
	s, err := a.serviceOf(in)
	if err != nil {
		return nil, err
	}
	def := s.primary().def
	if ref := in.String("taskDefinition"); ref != "" {
		if s.Controller == "CODE_DEPLOY" || s.Controller == "EXTERNAL" {
			return nil, wire.Bad("InvalidParameterException", "Unable to update task definition on services with a %s deployment controller. Use AWS CodeDeploy to trigger a new deployment.", s.Controller)
		}
		if def = a.definition(ref); def == nil {
			return nil, wire.Bad("ClientException", "TaskDefinition not found.")
		}
		if def.status != "ACTIVE" && !a.now.Before(def.deployable) {
			return nil, wire.Bad("ClientException", "TaskDefinition is inactive")
		}
	}
	if n := in.Int("desiredCount", s.Desired); n < 0 {
		return nil, wire.Bad("InvalidParameterException", "desiredCount cannot be negative")
	}
	s.configure(in.Map("deploymentConfiguration"))
	s.setDesired(in.Int("desiredCount", s.Desired))
	if def != s.primary().def || in.Bool("forceNewDeployment") {
		s.deploy(def)
	}
	return map[string]any{"service": s.shape(true)}, nil
}

func (s *service) configure(in wire.Input) {
	s.minHealthy = in.Int("minimumHealthyPercent", s.minHealthy)
	s.maximum = in.Int("maximumPercent", s.maximum)
	if breaker := in.Map("deploymentCircuitBreaker"); breaker != nil {
		s.CircuitBreaker = "off"
		if breaker.Bool("enable") {
			s.CircuitBreaker = "stop"
		}
		if breaker.Bool("enable") && breaker.Bool("rollback") {
			s.CircuitBreaker = "rollback"
		}
	}
}

func stopTask(a *Account, in wire.Input) (map[string]any, error) {
	c, err := a.cluster(in)
	if err != nil {
		return nil, err
	}
	t := c.tasks[last(in.String("task"))]
	if t == nil {
		return nil, wire.Bad("InvalidParameterException", "The referenced task was not found.")
	}
	t.stop(operatorStop(in.String("reason")))
	return map[string]any{"task": t.shape(false)}, nil
}

// operatorStop is a stop by StopTask; the reason is free text.
func operatorStop(reason string) stopping {
	return stopping{Code: "UserInitiated", Text: cmp.Or(reason, "Task stopped by user"), Cause: "operator_stop", Planned: true}
}

// tagService sets tags of a service; other resources are not tagged here.
func tagService(a *Account, in wire.Input) (map[string]any, error) {
	for _, c := range a.clusters {
		if s := c.service(in.String("resourceArn")); s != nil && s.arn == in.String("resourceArn") {
			s.Tags = maps.Clone(s.Tags)
			if s.Tags == nil {
				s.Tags = map[string]string{}
			}
			for _, tag := range in.Maps("tags") {
				s.Tags[tag.String("key")] = tag.String("value")
			}
			return map[string]any{}, nil
		}
	}
	return nil, wire.Bad("InvalidParameterException", "The specified resource was not found.")
}
