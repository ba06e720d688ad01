package churn

import (
	"regexp"
	"strings"

	"taskwarden/reconciler/fleet"
)

var deploymentID = regexp.MustCompile(`ecs-svc/\d+`)

// scalingStop tells apart what ECS words alike: a task replaced by a deployment, taken away by scaling in, or given up by
// the circuit breaker. Source: deployments as DescribeServices lists them; tasks carry their deployment's id as startedBy,
// and the text names the same.
//
//	the task's deployment is …          the primary one …                       cause
//	not the primary                     rolls back, and the task's had failed   circuit_breaker
//	not the primary                     else                                    deployment
//	the primary                         was failed by the circuit breaker       circuit_breaker
//	the primary                         else                                    scale_in
//	unknown                             has another task definition             deployment
//	unknown                             else, no other deployment               scale_in, medium
//	(no service or deployments known)                                           deployment, medium: it may be scale_in
func scalingStop(f facts) (ruling, bool) {
	if !strings.Contains(f.text, "scaling activity initiated") {
		return ruling{}, false
	}
	if f.Service == nil || len(f.Service.Deployments) == 0 {
		return withoutDeployments(f.Service), true
	}
	primary, ok := f.Service.Primary()
	if !ok {
		return ruling{Deployment, Medium, "ECS stopped it on purpose; the service shows no primary deployment"}, true
	}
	switch own := f.deployment(); own {
	case "":
		return f.ofUnknownDeployment(primary), true
	case primary.ID:
		return ownDeployment(primary, f.Service.Desired), true
	default:
		return replaced(f.Service, own, primary), true
	}
}

func withoutDeployments(s *fleet.Service) ruling {
	if s != nil && (s.Status == "DRAINING" || s.Status == "INACTIVE") {
		return ruling{ScaleIn, High, "the service is being deleted"}
	}
	return ruling{Deployment, Medium, "ECS stopped it on purpose; without the service's deployments, deployment and scale-in look alike"}
}

// ofUnknownDeployment: the task does not say which deployment it belonged to; its task definition may.
func (f facts) ofUnknownDeployment(primary fleet.Deployment) ruling {
	own := f.Task.TaskDefinition
	switch {
	case own != "" && primary.TaskDefinition != "" && own != primary.TaskDefinition:
		return ruling{Deployment, Medium, "the primary deployment " + primary.ID + " has another task definition"}
	case len(f.Service.Deployments) > 1:
		return ruling{Deployment, Medium, "a deployment is under way, and the task does not say which one it belonged to"}
	}
	return ruling{ScaleIn, Medium, "the service has one deployment, of the same task definition"}
}

func ownDeployment(primary fleet.Deployment, desired int) ruling {
	switch {
	case broken(primary) && primary.RolloutState != fleet.RolloutInProgress && primary.RolloutState != fleet.RolloutCompleted:
		return ruling{CircuitBreaker, Medium, "its deployment " + primary.ID + " was failed by the circuit breaker"}
	case primary.RolloutState == fleet.RolloutInProgress && desired > 0:
		return ruling{ScaleIn, Medium, "its deployment " + primary.ID + " is the primary one and still under way"}
	}
	return ruling{ScaleIn, High, "its deployment " + primary.ID + " is the primary one, so nothing replaced it"}
}

func replaced(s *fleet.Service, own string, primary fleet.Deployment) ruling {
	d, listed := s.Deployment(own)
	failed := listed && (d.Failed > 0 || d.RolloutState == fleet.RolloutFailed || broken(d)) || listed && d.RolloutState == fleet.RolloutInProgress
	if broken(primary) && failed {
		return ruling{CircuitBreaker, Medium, "the circuit breaker rolls its deployment " + own + " back to " + primary.ID}
	}
	return ruling{Deployment, High, "its deployment " + own + " is replaced by " + primary.ID}
}

func broken(d fleet.Deployment) bool {
	return strings.Contains(strings.ToLower(d.RolloutReason), "circuit breaker")
}

// deployment is the id of the task's own deployment, or "".
func (f facts) deployment() string {
	if strings.HasPrefix(f.Task.StartedBy, "ecs-svc/") {
		return f.Task.StartedBy
	}
	return deploymentID.FindString(f.text)
}

var deployText = re(`\bdeployment\b|\btask ?set\b|\brolled? ?back\b|\bservice (?:was )?(?:updated|deleted)\b|\bdesired count\b|\bscal(?:e|ing) (?:in|down)\b`)

// deploymentText: the scheduler's own words about deployments and counts, other than the usual one.
func deploymentText(f facts) (ruling, bool) {
	if f.code != "serviceschedulerinitiated" || !deployText.MatchString(f.text) {
		return ruling{}, false
	}
	if strings.Contains(f.text, "desired count") || strings.Contains(f.text, "scale") || strings.Contains(f.text, "scaling") {
		return ruling{ScaleIn, Medium, "the scheduler speaks of the service's count"}, true
	}
	return ruling{Deployment, Medium, "the scheduler speaks of a deployment"}, true
}
