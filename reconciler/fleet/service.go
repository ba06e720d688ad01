package fleet

import "time"

// Service is one ECS service as DescribeServices answered it, without its events.
type Service struct {
	ARN                string
	Name               string
	ClusterARN         string
	Status             string // ACTIVE, DRAINING, INACTIVE
	SchedulingStrategy string
	LaunchType         string
	Controller         string // deployment controller type: ECS, CODE_DEPLOY, EXTERNAL; "" where none was named
	TaskDefinition     string
	Desired            int
	Running            int
	Pending            int
	CreatedAt          time.Time
	Deployments        []Deployment // under CODE_DEPLOY and EXTERNAL, where ECS lists none: the task sets
}

// Deployment is one entry of a service's deployments, or one of its task sets (TaskSet in the ECS API reference), which are
// to the other deployment controllers what deployments are to ECS: their tasks carry the id, and one is primary.
type Deployment struct {
	ID             string // ecs-svc/<digits>; tasks carry it as startedBy
	Status         string // PRIMARY (what ECS wants), ACTIVE (being replaced), INACTIVE; task sets also DRAINING
	TaskDefinition string
	RolloutState   string // IN_PROGRESS, COMPLETED, FAILED; "" where the controller is not ECS
	RolloutReason  string
	Desired        int
	Running        int
	Pending        int
	Failed         int // tasks that failed to start, reset once one runs
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Rollout states of a deployment.
const (
	RolloutInProgress = "IN_PROGRESS"
	RolloutCompleted  = "COMPLETED"
	RolloutFailed     = "FAILED"
)

// Primary is the deployment ECS is steering to, or false where the service has none.
func (s Service) Primary() (Deployment, bool) {
	for _, d := range s.Deployments {
		if d.Status == "PRIMARY" {
			return d, true
		}
	}
	return Deployment{}, false
}

// Deployment is the one with the id, or false where it is no longer listed.
func (s Service) Deployment(id string) (Deployment, bool) {
	for _, d := range s.Deployments {
		if d.ID == id {
			return d, true
		}
	}
	return Deployment{}, false
}

// Deploying tells whether a deployment is under way: more than one is listed, or the primary one has not completed.
func (s Service) Deploying() bool {
	p, ok := s.Primary()
	return len(s.Deployments) > 1 || ok && p.RolloutState == RolloutInProgress
}
