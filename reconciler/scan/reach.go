package scan

import (
	"fmt"
	"slices"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

// reaches says of each source what it told, in the order of their price.
func reaches(f Facts, r record, s Service, p Policy, now time.Time) []Reach {
	out := []Reach{runningReach(f, s), stoppedReach(f, r, now), eventReach(f, r)}
	if f.Asked[Want{Source: Deployments}] {
		out = append(out, deploymentReach(f))
	}
	if n, born := streamsRead(f); n > 0 {
		out = append(out, Reach{LogStreams, stamp(born), fmt.Sprintf("first and last line of %d tasks that are gone", n)})
	}
	if n := tailsRead(f); n > 0 {
		told := fmt.Sprintf("last lines of %d containers", n)
		if c := s.Culprit; c != nil && c.Signature != "" {
			told += fmt.Sprintf("; %d of %d deaths examined end in %s of %s", c.Shown, c.Examined, c.Signature, c.Container)
		}
		out = append(out, Reach{LogLines, nil, told})
	}
	if why := unlogged(f, r, p); why != "" && tailsRead(f) == 0 {
		out = append(out, Reach{LogLines, nil, why})
	}
	for _, g := range f.Gaps {
		if !slices.ContainsFunc(out, func(r Reach) bool { return r.Source == g.Source && r.Since != nil }) {
			out = slices.DeleteFunc(out, func(r Reach) bool { return r.Source == g.Source })
			out = append(out, Reach{g.Source, nil, g.Reason})
		}
	}
	return out
}

func runningReach(f Facts, s Service) Reach {
	n := 0
	for _, t := range f.Tasks {
		if !t.Stopped() && t.Ran() {
			n++
		}
	}
	told := fmt.Sprintf("%d of %d wanted run", n, f.Service.Desired)
	if s.Proof.DeploymentEnded != nil {
		told += fmt.Sprintf("; %d started long after the last deployment's end", s.Proof.Younger)
	}
	return Reach{RunningTasks, s.Proof.Youngest, told}
}

func stoppedReach(f Facts, r record, now time.Time) Reach {
	if !f.Complete {
		return Reach{StoppedTasks, nil, "the list of tasks is not whole"}
	}
	n, unplanned := 0, 0
	for _, t := range f.Tasks {
		if t.Stopped() {
			n++
		}
	}
	for _, d := range r.deaths {
		if d.source == StoppedTasks {
			unplanned++
		}
	}
	return Reach{StoppedTasks, stamp(now.Add(-stoppedShown)), fmt.Sprintf("%d still shown, %d of them unplanned", n, unplanned)}
}

// fullEvents is how many events DescribeServices shows at most.
const fullEvents = 100

func eventReach(f Facts, r record) Reach {
	if r.events == 0 {
		return Reach{ServiceEvents, nil, "there are none"}
	}
	told := fmt.Sprintf("%d events, %d starts", r.events, len(r.starts))
	if r.events >= fullEvents {
		told += "; older events are not shown"
	}
	if !f.Complete {
		told += "; who of them is dead cannot be told without a whole list of tasks"
	}
	return Reach{ServiceEvents, stamp(r.from), told}
}

func deploymentReach(f Facts) Reach {
	if len(f.Deployments) == 0 {
		return Reach{Deployments, nil, "none in the 90 days that ECS keeps"}
	}
	oldest := f.Deployments[len(f.Deployments)-1].CreatedAt
	return Reach{Deployments, stamp(oldest), fmt.Sprintf("%d in the 90 days that ECS keeps", len(f.Deployments))}
}

func streamsRead(f Facts) (n int, oldest time.Time) {
	for _, s := range f.Streams {
		born := birthOf(s)
		if s.Missing != "" || born.IsZero() {
			continue
		}
		if n++; oldest.IsZero() || born.Before(oldest) {
			oldest = born
		}
	}
	return n, oldest
}

func tailsRead(f Facts) (n int) {
	for _, t := range f.Logs {
		if len(t.Lines) > 0 {
			n++
		}
	}
	return n
}

// Span writes a length of time with its two largest units: "6h12m", "2d3h".
func Span(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	for _, u := range []struct {
		size, next  int64
		name, minor string
	}{{86400, 3600, "d", "h"}, {3600, 60, "h", "m"}, {60, 1, "m", "s"}} {
		if s < u.size {
			continue
		}
		out := fmt.Sprintf("%d%s", s/u.size, u.name)
		if minor := s % u.size / u.next; minor > 0 {
			out += fmt.Sprintf("%d%s", minor, u.minor)
		}
		return out
	}
	return fmt.Sprintf("%ds", s)
}

// unlogged says why no log of the dead can be read, where that is known without asking.
func unlogged(f Facts, r record, p Policy) string {
	if len(r.deaths) == 0 {
		return ""
	}
	if !p.Churn.Logs {
		return "switched off: detect.logs.enabled is false"
	}
	why := ""
	for _, d := range r.deaths {
		for _, c := range f.Definitions[d.definition].Containers {
			if _, not := fleet.LogOf(fleet.Task{ARN: d.task}, c); not == "" {
				return ""
			} else if why == "" {
				why = churn.Mask(not)
			}
		}
	}
	return why
}
