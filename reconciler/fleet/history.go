package fleet

import "time"

// ServiceEvent is one line of a service's event stream, of which DescribeServices shows the newest hundred at most.
type ServiceEvent struct {
	At      time.Time
	Message string // AWS's own text: "(service web) has started 1 tasks: (task …)."
}

// ServiceDeployment is one entry of a service's deployment history, which ECS keeps for 90 days (Amazon ECS guide, "View
// service history using Amazon ECS service deployments"). Its id is not the one that Service.Deployments and tasks carry.
type ServiceDeployment struct {
	ARN          string
	Status       string // SUCCESSFUL, STOPPED, ROLLBACK_SUCCESSFUL, IN_PROGRESS, …; others are data
	StatusReason string
	Target       string   // service revision it was to bring; an ARN
	Sources      []string // service revisions it replaced; ARNs, only where the deployment was described
	Stage        string   // lifecycle stage of a blue/green, linear or canary deployment; only where it was described
	CreatedAt    time.Time
	StartedAt    time.Time
	FinishedAt   time.Time // zero: not over, or not told
}

// ServiceRevision is what a deployment brought. ECS describes those from 2024-10-25 on.
type ServiceRevision struct {
	ARN            string
	TaskDefinition string // ARN
	CreatedAt      time.Time
	Images         []RevisionImage
}

// RevisionImage is one container's image as ECS resolved it for a revision: a tag that moved shows in the digest alone.
type RevisionImage struct {
	Container string
	Image     string
	Digest    string // "": not resolved
}

// LogStream is when a container's log began and ended. AWS brings LastEvent up to date within about an hour.
type LogStream struct {
	CreatedAt  time.Time
	FirstEvent time.Time // zero: no line yet
	LastEvent  time.Time
	Missing    string // reason for knowing nothing: no such stream, denied (with the action), …
}
