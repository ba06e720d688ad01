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

// familyUsers lists who else in the service's target runs revisions of a family: other services, and tasks that no service
// runs. The next start or deployment of each may take the newest revision.
func (v *view) familyUsers(key fleet.Key, family string) []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var out []string
	for at, c := range v.clusters {
		if at.Target != key.Target {
			continue
		}
		for name, s := range c.services {
			if other := (fleet.Key{Target: at.Target, Cluster: at.Cluster, Service: name}); other != key && familyOf(s.TaskDefinition) == family {
				out = append(out, "service "+other.String())
			}
		}
		if c.bare[family] {
			out = append(out, "tasks in cluster "+at.Cluster+" that no service runs")
		}
	}
	slices.Sort(out)
	return out
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
