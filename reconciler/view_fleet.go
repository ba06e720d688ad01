package reconciler

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// familyOf is the family of a task definition's ARN.
func familyOf(arn string) string {
	family, _, _ := strings.Cut(fleet.NameOf(arn), ":")
	return family
}

// familyARN is a task definition's ARN without its revision: the family with its account and region.
func familyARN(arn string) string {
	if i := strings.LastIndexByte(arn, ':'); i >= 0 {
		return arn[:i]
	}
	return arn
}

// bareKept is how long a family counts as used after a task was seen that no service runs. A schedule's task lives for minutes
// between two looks, and comes back the next day.
const bareKept = 25 * time.Hour

// familyUsers lists who else runs revisions of a task definition's family, in whatever target: other services, and tasks that no
// service runs. The next start or deployment of each may take the newest revision.
func (v *view) familyUsers(key fleet.Key, definition string) []string {
	family := familyARN(definition)
	v.mu.RLock()
	defer v.mu.RUnlock()
	var out []string
	for at, c := range v.clusters {
		for name, s := range c.services {
			other := fleet.Key{Target: at.Target, Cluster: at.Cluster, Service: name}
			if familyARN(s.TaskDefinition) == family && !v.same(key, other) {
				out = append(out, "service "+other.String())
			}
		}
		if last, ok := c.bare[family]; ok {
			out = append(out, fmt.Sprintf("tasks in cluster %s that no service runs, last seen at %s", at.Cluster, last.UTC().Format(time.RFC3339)))
		}
	}
	slices.Sort(out)
	return out
}

// same reports whether two keys name one service, which two targets may both watch. The lock is held.
func (v *view) same(a, b fleet.Key) bool {
	return a == b || a.Service == b.Service && v.arn(a) != "" && v.arn(a) == v.arn(b)
}

func (v *view) arn(k fleet.Key) string {
	c := v.clusters[fleet.Key{Target: k.Target, Cluster: k.Cluster}]
	if c == nil {
		return ""
	}
	return c.services[k.Service].ARN
}

// since is when a target was first seen whole by this process; zero: not yet.
func (v *view) since(target string) time.Time {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.first[target]
}

// fleet is the state of all services of all targets, for the brakes that look at all of them.
func (c *Controller) fleet(now time.Time) rollout.Fleet {
	f := rollout.Fleet{Complete: true, Sick: sick(c.book.Findings(""))}
	for _, t := range c.o.Targets {
		last, whole := c.view.sweep(t.Name)
		n, _ := c.view.count(t.Name)
		f.Services += n
		why := ""
		switch every := c.effective(t.Name); {
		case whole.At.IsZero():
			why = "no complete look yet"
		case !last.Complete:
			why = "the last look was not complete"
		case now.Sub(last.At) > 3*every:
			why = fmt.Sprintf("the last look is %s old", now.Sub(last.At).Round(time.Second))
		case !last.At.After(c.view.since(t.Name)):
			why = "there was only one complete look since the start"
		}
		if why != "" && f.Complete {
			f.Complete, f.Why = false, "target "+t.Name+": "+why
		}
	}
	return f
}

// sick lists the services whose tasks die, each once with the cause that its findings share with others'.
func sick(findings []finding.Finding) []rollout.Sick {
	ids := finding.CauseIDs(findings)
	var out []rollout.Sick
	at := map[fleet.Key]int{}
	for i, f := range findings {
		if !f.Open() || f.Key.Service == "" || f.Type != finding.SilentChurn && f.Type != finding.SidecarCrash {
			continue
		}
		n, there := at[f.Key]
		switch {
		case !there:
			at[f.Key] = len(out)
			out = append(out, rollout.Sick{Key: f.Key, Since: f.FirstSeen, Cause: ids[i]})
		case f.Type == finding.SidecarCrash:
			out[n].Cause = ids[i]
		}
	}
	return out
}
