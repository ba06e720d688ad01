package rollout

import (
	"fmt"
	"slices"
	"strings"
)

// Reason is why a fix is not rolled out, or why a rollout ended as it did: a stable code.
type Reason string

// Reasons.
const (
	ReasonController   Reason = "deployment_controller"
	ReasonExpress      Reason = "express_mode"
	ReasonStrategy     Reason = "deployment_hook"
	ReasonOwned        Reason = "owned"
	ReasonOwnerUnknown Reason = "owner_unknown"
	ReasonSecrets      Reason = "name_in_secrets"
	ReasonEnvFile      Reason = "name_in_env_file"
	ReasonDuplicate    Reason = "name_duplicate"
	ReasonPair         Reason = "sampler_pair"
	ReasonUnseen       Reason = "definition_unread"
	ReasonField        Reason = "unknown_field"
	ReasonTags         Reason = "too_many_tags"
	ReasonLarge        Reason = "too_large"
	ReasonDrift        Reason = "image_drift"
	ReasonShared       Reason = "family_shared"
	ReasonInactive     Reason = "base_inactive"
	ReasonDeleted      Reason = "service_deleted"
	ReasonDeploying    Reason = "deployment_in_progress"
	ReasonWindow       Reason = "window"
	ReasonPaused       Reason = "paused"
	ReasonMode         Reason = "mode"
	ReasonTag          Reason = "tag"
	ReasonSick         Reason = "fleet_sick"
	ReasonStale        Reason = "stale_view"
	ReasonHeld         Reason = "held"
	ReasonCanary       Reason = "canary_failed"
	// The rest only waits: the rollout keeps its place and its deadline.
	ReasonSlots   Reason = "slots"
	ReasonPerDay  Reason = "max_per_day"
	ReasonWave    Reason = "canary"
	ReasonHistory Reason = "little_history"
	// These wait for AWS: what cannot be asked or sent now is tried again.
	ReasonUnanswered Reason = "unanswered"
	ReasonTurnedAway Reason = "turned_away"
)

// remedies says what would change each refusal. docs/remediation.md shows the table; a test keeps it whole.
var remedies = map[Reason]string{
	ReasonController:   "deploy the change with the service's own controller (CodeDeploy, or CreateTaskSet); export prints it",
	ReasonExpress:      "change the service through ECS Express Mode; export prints the variables",
	ReasonStrategy:     "take the pause hook out of the service's deployment configuration, or deploy the exported change and answer the hook yourself",
	ReasonOwned:        "apply the exported change with the tool that owns the service, or set the policy's onOwner.owned",
	ReasonOwnerUnknown: "allow the actions that tell the owner (cloudformation:DescribeStackResources), or set the policy's onOwner.unknown",
	ReasonSecrets:      "change the secret or parameter that the variable comes from, or take it out of the container's secrets",
	ReasonEnvFile:      "change the environment file that the variable may come from, or set the variable inline once",
	ReasonDuplicate:    "remove one of the two entries of the variable from the task definition",
	ReasonPair:         "let the policy set OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG together",
	ReasonUnseen:       "allow ecs:DescribeTaskDefinition; the plan is made once the running revision is read",
	ReasonField:        "register the change yourself: ECS answers a field that a registration would lose; a newer taskwarden may know it",
	ReasonTags:         "remove a tag from the task definition, or register the change yourself: ECS allows 50, and a rollout adds one",
	ReasonLarge:        "make the task definition smaller, for example by moving variables into an environment file: ECS allows 64 KiB",
	ReasonDrift:        "pin the image by digest, or deploy the current image first: a new deployment would start another one",
	ReasonShared:       "give the other users of the bare family a full revision: they would take the new one with their next start",
	ReasonInactive:     "deploy a revision that is ACTIVE (register the running one's content again and update the service to it); the plan is then made anew",
	ReasonDeleted:      "nothing: a plan is made again if the service is created again",
	ReasonDeploying:    "nothing: it is looked at again when the deployment is over",
	ReasonWindow:       "nothing: it is looked at again when the next window opens (remediation.windows, freezes)",
	ReasonPaused:       "taskwarden resume",
	ReasonMode:         "raise remediation.mode, remediation.default, or the service's tag " + Tag,
	ReasonTag:          "change the service's tag " + Tag,
	ReasonSick:         "find what ails the fleet; it is looked at again when fewer services fall sick (remediation.fleetSick)",
	ReasonStale:        "nothing, if the view is whole soon; otherwise see the findings Unobservable of the target",
	ReasonHeld:         "look at why the last try ended as it did, then: taskwarden reset SERVICE",
	ReasonCanary:       "look at why the policy's first wave failed, then: taskwarden reset SERVICE",
	ReasonSlots:        "nothing: it starts when a rollout ends (remediation.maxConcurrent, maxSoaking)",
	ReasonPerDay:       "nothing: it starts when the oldest start is a day ago (remediation.maxPerDay)",
	ReasonHistory:      "nothing: it starts when the lifetimes of more tasks are known; taskwarden approve starts it at once, without a proof",
	ReasonWave:         "nothing: it starts when the policy's first wave has succeeded (remediation.canary)",
	ReasonUnanswered:   "nothing, if it is answered soon: it is asked again; otherwise make the named endpoint or registry reachable, or pin the image by digest",
	ReasonTurnedAway:   "nothing: it is tried again until the phase's deadline; if that passes, the plan is made again after planTTL, or after taskwarden reset SERVICE",
}

// Refusal is one reason with what it was seen by. Every one carries its remedy.
type Refusal struct {
	Reason   Reason   `json:"reason"`
	Message  string   `json:"message"`
	Evidence []string `json:"evidence,omitempty"`
	Remedy   string   `json:"remedy"`
}

func refuse(reason Reason, evidence []string, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Message: fmt.Sprintf(format, args...), Evidence: evidence, Remedy: remedies[reason]}
}

// Error says why and what would change it.
func (r *Refusal) Error() string {
	out := string(r.Reason) + ": " + r.Message
	if len(r.Evidence) > 0 {
		out += " (" + strings.Join(r.Evidence, "; ") + ")"
	}
	return out + "; remedy: " + r.Remedy
}

// ofLimits reports whether ECS would turn away what a rollout registers. Whoever applies an export adds no tag.
func (r *Refusal) ofLimits() bool { return r.Reason == ReasonTags || r.Reason == ReasonLarge }

// Waits reports whether the refusal only makes a rollout wait: for its turn, or for AWS.
func (r *Refusal) Waits() bool {
	return slices.Contains([]Reason{ReasonSlots, ReasonPerDay, ReasonWave, ReasonHistory, ReasonUnanswered, ReasonTurnedAway}, r.Reason)
}
