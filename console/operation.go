package console

import (
	"context"
	"strings"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// operation is one thing that people may do: a POST.
type operation struct {
	path  string   // under apiPath, with one {name} for the subject, or none
	about string   // for the OpenAPI document
	takes []string // fields of the body, of said
	shows string   // schema of the answer
	do    func(context.Context, Source, order) (any, error)
}

// order is what a person asked for.
type order struct {
	subject string    // id of a rollout
	key     fleet.Key // the service of an address
	said    said
	who     rollout.Order
}

// said is the body of an operation; each takes some of it.
type said struct {
	Hash   string `json:"hash"`
	Target string `json:"target"`
	Reason string `json:"reason"`
	Ticket string `json:"ticket"`
}

// sayings tells what each field is for.
var sayings = map[string]string{
	"hash":   "The planHash of the plan as it was read. Needed.",
	"target": "Name of the configured target; left out: every target.",
	"reason": "Why, for the audit log.",
	"ticket": "Where it is discussed, for the audit log.",
}

// Done is the answer to an operation that is about no rollout.
type Done struct {
	Place
	Action  string `json:"action" jsonschema_description:"What was done: reset, pause or resume."`
	By      string `json:"by" jsonschema_description:"Name of the token."`
	Message string `json:"message" jsonschema_description:"What holds from now on."`
}

// operations are all operations, in the order of the document.
var operations = []operation{
	{"rollouts/{id}:approve", "Say yes to exactly the plan with that hash.", []string{"hash", "reason", "ticket"}, "RolloutDetail",
		func(ctx context.Context, src Source, o order) (any, error) {
			return shown(src.Approve(ctx, o.subject, o.said.Hash, o.who))
		}},
	{"rollouts/{id}:reject", "Say no to a plan, before anything was written.", []string{"reason", "ticket"}, "RolloutDetail",
		func(ctx context.Context, src Source, o order) (any, error) {
			return shown(src.Reject(ctx, o.subject, o.who))
		}},
	{"rollouts/{id}:rollback", "Have a rollout taken back, also one that has ended while its revision runs; works while paused and under a tag or mode off.", []string{"reason", "ticket"}, "RolloutDetail",
		func(ctx context.Context, src Source, o order) (any, error) {
			return shown(src.RollBack(ctx, o.subject, o.who))
		}},
	{"services/{address}:reset", "Let a service be tried again after its last try was rolled back or failed, or its plan rejected.",
		[]string{"reason", "ticket"}, "Done",
		func(ctx context.Context, src Source, o order) (any, error) {
			return Done{placeOf(o.key), "reset", o.who.By, "the service may be tried again"}, src.Reset(ctx, o.key, o.who)
		}},
	{"remediation:pause", "Stop every automatic write to a target, or to all, until resume, across restarts. A person's rollback goes on.",
		[]string{"target", "reason", "ticket"}, "Done",
		func(ctx context.Context, src Source, o order) (any, error) {
			return Done{Place{Target: o.said.Target}, "pause", o.who.By, "remediation of " + reach(o.said.Target) + " writes nothing until resume"},
				src.Pause(ctx, o.said.Target, o.who)
		}},
	{"remediation:resume", "End the pause of a target, or that of all; pauses of single targets hold on.", []string{"target", "reason", "ticket"}, "Done",
		func(ctx context.Context, src Source, o order) (any, error) {
			return Done{Place{Target: o.said.Target}, "resume", o.who.By, "the pause of " + reach(o.said.Target) + " is over"},
				src.Resume(ctx, o.said.Target, o.who)
		}},
}

func shown(r rollout.Rollout, err error) (any, error) { return planOf(r), err }

func reach(target string) string {
	if target == "" {
		return "every target"
	}
	return "target " + target
}

func (o operation) action() string { return o.path[strings.LastIndex(o.path, ":")+1:] }

// operationAt finds the operation of a path, and what stands there for its subject.
func operationAt(path string) (operation, string, bool) {
	for _, o := range operations {
		before, after, wild := strings.Cut(apiPath+o.path, "{")
		if !wild {
			if path == before {
				return o, "", true
			}
			continue
		}
		rest, begins := strings.CutPrefix(path, before)
		subject, ends := strings.CutSuffix(rest, after[strings.Index(after, "}")+1:])
		if begins && ends && subject != "" {
			return o, subject, true
		}
	}
	return operation{}, "", false
}
