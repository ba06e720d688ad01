package scan

import (
	"cmp"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

// Source names where facts come from.
type Source string

// Sources, cheapest first.
const (
	RunningTasks  Source = "running-tasks"
	StoppedTasks  Source = "stopped-tasks"
	ServiceEvents Source = "service-events"
	Deployments   Source = "service-deployments"
	Replaced      Source = "deployment-sources" // what one deployment replaced
	Revisions     Source = "service-revisions"
	Definitions   Source = "task-definitions"
	LogLines      Source = "log-lines"
	LogStreams    Source = "log-streams"
	Alarms        Source = "alarms"
)

// Want is one thing to be read. Of the fields after Source only those are set that its reading takes.
type Want struct {
	Source Source
	ARN    string       // a task definition, service revision or service deployment
	Ref    fleet.LogRef // a log stream
	From   time.Time    // lines and deployments since then; not part of what makes a want the same
}

// same is the want without the time, as Asked keeps it.
func (w Want) same() Want { w.From = time.Time{}; return w }

// Compare orders wants by source, ARN and log stream.
func (w Want) Compare(o Want) int {
	return cmp.Or(cmp.Compare(w.Source, o.Source), cmp.Compare(w.ARN, o.ARN), w.Ref.Compare(o.Ref))
}

// Gap is something that could not be read.
type Gap struct {
	Source Source `json:"source"`
	Action string `json:"action,omitempty"` // the IAM action to allow; "": it failed otherwise
	Reason string `json:"reason"`
}

// Facts is all that was read of one service so far. The tasks and the service are those of one look.
type Facts struct {
	fleet.Observation
	Events      []fleet.ServiceEvent // as DescribeServices gave them
	Deployments []fleet.ServiceDeployment
	Revisions   map[string]fleet.ServiceRevision // by ARN
	Streams     map[fleet.LogRef]fleet.LogStream
	Asked       map[Want]bool // what was asked for, also in vain
	Gaps        []Gap
}

// NewFacts is what one look told, with room for more.
func NewFacts(o fleet.Observation, events []fleet.ServiceEvent) Facts {
	if o.Definitions == nil {
		o.Definitions = map[string]fleet.Definition{}
	}
	if o.Logs == nil {
		o.Logs = map[fleet.LogRef]fleet.Tail{}
	}
	return Facts{Observation: o, Events: events, Revisions: map[string]fleet.ServiceRevision{},
		Streams: map[fleet.LogRef]fleet.LogStream{}, Asked: map[Want]bool{}}
}

// Answered notes that a want was read, or that it cannot be: gap says why.
func (f *Facts) Answered(w Want, gap *Gap) {
	f.Asked[w.same()] = true
	if gap == nil {
		return
	}
	for _, g := range f.Gaps {
		if g == *gap || g.Source == gap.Source && g.Action != "" && g.Action == gap.Action {
			return
		}
	}
	f.Gaps = append(f.Gaps, *gap)
}

// denied tells whether the source is known to be closed, so that it is not asked again.
func (f *Facts) denied(s Source) bool {
	for _, g := range f.Gaps {
		if g.Source == s && g.Action != "" {
			return true
		}
	}
	return false
}

// Policy is the configured part of a scan.
type Policy struct {
	Churn   churn.Policy
	Lint    otel.Options
	History time.Duration // how far back to look at most
}

// Describe adds to the deployments listed what they replaced.
func (f *Facts) Describe(described []fleet.ServiceDeployment) {
	for _, d := range described {
		for i := range f.Deployments {
			if f.Deployments[i].ARN == d.ARN {
				f.Deployments[i].Sources = d.Sources
			}
		}
	}
}
