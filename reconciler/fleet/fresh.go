package fleet

import "time"

// Fresh is a look at one service that was made for one act: whole, or none at all.
type Fresh struct {
	At         time.Time // when the look began
	Gone       bool      // MISSING or no longer ACTIVE: an answer, not an error
	Service    Service
	CreatedBy  string // ARN of the principal that created the service; "": not told
	Tags       map[string]string
	Express    bool              // ECS manages the service's resources (Express Mode)
	PauseHooks []string          // lifecycle stages at which its deployments wait for somebody's answer
	Deployment ServiceDeployment // the newest one; zero where ECS lists none
	Brings     string            // ARN of the task definition that Deployment brings; "": not told
	Images     []RevisionImage   // of the revision that Deployment brings, as ECS resolved them
}
