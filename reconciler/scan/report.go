package scan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Report is a whole scan: the document that -o json prints (docs/scan.md).
type Report struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	At         time.Time `json:"at"` // when the look began
	History    float64   `json:"historySeconds"`
	Complete   bool      `json:"complete"` // false: something was denied or failed, see gaps and targets
	Targets    []Target  `json:"targets"`
	Causes     []Cause   `json:"causes"`
	Items      []Service `json:"items"`   // churning ones first, those of one cause together
	Unheard    []Unheard `json:"unheard"` // findings that no alarm would tell of
	Cost       Cost      `json:"cost"`
	Gaps       []Hole    `json:"gaps"`
	NotRead    []string  `json:"notRead"` // sources that this version does not look at
	Next       []string  `json:"next"`    // commands
}

// Target is how one target's look went.
type Target struct {
	Target   string  `json:"target"`
	Region   string  `json:"region"`
	Complete bool    `json:"complete"` // every page of clusters, services and tasks was read
	Clusters int     `json:"clusters"`
	Services int     `json:"services"`
	Tasks    int     `json:"tasks"`
	Calls    int     `json:"calls"` // of one look, without the history
	Error    string  `json:"error,omitempty"`
	Action   string  `json:"action,omitempty"` // the IAM action to allow, where that is it
	Alarms   *int    `json:"alarms"`           // how many there are; null: they could not be read
	Coverage []Cover `json:"coverage"`         // by failure; empty: they could not be read
}

// Cause is what services have in common: one culprit, one signature, one image.
type Cause struct {
	Container string   `json:"container"` // "": not known
	Sidecar   bool     `json:"sidecar"`
	Signature string   `json:"signature"`
	Image     string   `json:"image"`
	Line      string   `json:"line"`
	Services  []string `json:"services"` // addresses
	Explains  int      `json:"explains"` // so many
	Of        int      `json:"of"`       // of so many that churn
}

// Hole is a gap with the places it concerns.
type Hole struct {
	Gap
	Services []string `json:"services"` // addresses; empty: the whole target
}

// Compose orders the services, groups them by cause and adds what concerns all of them.
func Compose(r Report, services []Service, resync time.Duration) Report {
	r.APIVersion, r.Kind = "taskwarden/v1", "Scan"
	r.Causes = causes(services)
	r.Items = ordered(services, r.Causes)
	r.Gaps = append(holes(services), r.Gaps...)
	r.Complete = len(r.Gaps) == 0
	for _, t := range r.Targets {
		r.Complete = r.Complete && t.Complete
	}
	r.Cost = CostOf(r, resync)
	r.NotRead = []string{
		"lifecycle-event log groups (a task's whole end, where the console's event capture is on)",
		"Container Insights and Application Signals metrics (restarts inside tasks, telemetry floods)",
	}
	r.Next = next(r)
	if r.Gaps == nil {
		r.Gaps = []Hole{}
	}
	if r.Unheard == nil {
		r.Unheard = []Unheard{}
	}
	for i := range r.Targets {
		if r.Targets[i].Coverage == nil {
			r.Targets[i].Coverage = []Cover{}
		}
	}
	return r
}

// Address is how people name the service: target/cluster/service.
func (s Service) Address() string {
	return fleet.Key{Target: s.Target, Cluster: s.Cluster, Service: s.Service}.String()
}

func causes(services []Service) []Cause {
	by, total := map[cause]*Cause{}, 0
	for _, s := range services {
		if s.Status != Churning {
			continue
		}
		total++
		c := by[s.cause]
		if c == nil {
			c = &Cause{Container: s.cause.culprit, Signature: s.cause.signature, Image: s.cause.image}
			by[s.cause] = c
		}
		c.Services = append(c.Services, s.Address())
		if s.Culprit != nil {
			c.Sidecar, c.Line = s.Culprit.Sidecar, cmp.Or(c.Line, s.Culprit.Line)
		}
	}
	out := []Cause{}
	for _, c := range by {
		slices.Sort(c.Services)
		c.Explains, c.Of = len(c.Services), total
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Cause) int {
		known := func(c Cause) int { return min(len(c.Container), 1) }
		return cmp.Or(known(b)-known(a), b.Explains-a.Explains, cmp.Compare(a.Container, b.Container), cmp.Compare(a.Signature, b.Signature), cmp.Compare(a.Image, b.Image))
	})
	return out
}

// ordered puts churning services first, by cause and rate, then by status and address.
func ordered(services []Service, all []Cause) []Service {
	out := append([]Service{}, services...)
	status := func(s Service) int { return slices.Index([]string{Churning, Stops, Unknown, Quiet}, s.Status) }
	group := func(s Service) int {
		return slices.IndexFunc(all, func(c Cause) bool { return slices.Contains(c.Services, s.Address()) })
	}
	perDay := func(s Service) float64 {
		if s.Rate == nil {
			return 0
		}
		return s.Rate.PerTaskDay
	}
	slices.SortStableFunc(out, func(a, b Service) int {
		return cmp.Or(status(a)-status(b), group(a)-group(b), cmp.Compare(perDay(b), perDay(a)), cmp.Compare(a.Address(), b.Address()))
	})
	return out
}

// holes puts the services' gaps together: one entry an action, or a reason where no action is missing.
func holes(services []Service) []Hole {
	by := map[Gap]*Hole{}
	for _, s := range services {
		for _, g := range s.Gaps {
			key := g
			if g.Action != "" {
				key.Reason = "" // it names the resource
			}
			if by[key] == nil {
				by[key] = &Hole{Gap: g}
			}
			by[key].Services = append(by[key].Services, s.Address())
		}
	}
	keys := slices.SortedFunc(maps.Keys(by), func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Action, b.Action), cmp.Compare(a.Reason, b.Reason))
	})
	var out []Hole
	for _, k := range keys {
		slices.Sort(by[k].Services)
		out = append(out, *by[k])
	}
	return out
}

// next are the commands that lead on from here.
func next(r Report) []string {
	out := []string{}
	if len(r.Items) > 0 && r.Items[0].Status == Churning {
		s := r.Items[0]
		out = append(out,
			fmt.Sprintf("aws ecs describe-task-definition --task-definition %s --include TAGS | taskwarden lint", s.TaskDefinition),
			"taskwarden run   # keeps watching, and plans the alarms (alarms.mode: plan)")
	} else {
		out = append(out, "taskwarden run   # keeps watching: a scan sees the past only as far as stated")
	}
	if !r.Complete {
		out = append(out, "taskwarden scan  # again, once the actions named above are allowed")
	}
	return out
}

// Worst is the gravest severity of all findings that are not closed; "" for none.
func (r Report) Worst() finding.Severity {
	var worst finding.Severity
	for _, s := range r.Items {
		for _, f := range s.Findings {
			if f.Severity.Rank() > worst.Rank() {
				worst = f.Severity
			}
		}
	}
	return worst
}

// Matching lists the services that an address means: [target/]cluster/service, service alone, or an ARN.
func Matching(keys []fleet.Key, address string) []fleet.Key {
	parts := partsOf(address)
	var out []fleet.Key
	for _, k := range keys {
		names := []string{k.Target, k.Cluster, k.Service}
		if len(parts) <= len(names) && slices.Equal(parts, names[len(names)-len(parts):]) {
			out = append(out, k)
		}
	}
	return out
}

// Place is the cluster and the service of an address; the cluster is "" where the address names none.
func Place(address string) (cluster, service string) {
	parts := partsOf(address)
	if len(parts) > 1 {
		cluster = parts[len(parts)-2]
	}
	return cluster, parts[len(parts)-1]
}

func partsOf(address string) []string {
	if strings.HasPrefix(address, "arn:") {
		if _, path, ok := strings.Cut(address, ":service/"); ok {
			address = path
		}
	}
	return strings.Split(address, "/")
}
