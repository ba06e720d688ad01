package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// Paths that are not lists.
const (
	apiPath      = "/api/v1/"
	servicesPath = apiPath + "services"
	servicePath  = servicesPath + "/"
	rolloutsPath = apiPath + "rollouts"
	rolloutPath  = rolloutsPath + "/"
	openapiPath  = apiPath + "openapi.json"
)

// list is one list of the API.
type list struct {
	path   string
	about  string
	item   any // one, for the OpenAPI document
	params []string
	page   func(Source, query) page
}

// page is a list's answer.
type page struct {
	Items []any  `json:"items"`
	Next  string `json:"next,omitempty"`
}

// lists are all lists, in the order of the document.
var lists = []list{
	{servicesPath, "Every service watched, as last judged, by target, cluster and name.", Service{},
		[]string{"limit", "next", "target", "cluster", "service", "address"}, services.page},
	{apiPath + "findings", "What is wrong, by target, cluster, service and type: open and unknown findings, with status=all closed ones too.", Finding{},
		[]string{"limit", "next", "target", "cluster", "service", "address", "status", "type", "severity", "cause"}, findings.page},
	{apiPath + "causes", "The open findings by cause, gravest first: one item a cause, with the services that have it. Narrowed to services, it holds the causes that they have, whole.", Cause{},
		[]string{"limit", "next", "target", "cluster", "service", "address", "type", "severity"}, causes.page},
	{apiPath + "stops", "Recorded stops of tasks, newest first.", Stop{},
		[]string{"limit", "next", "target", "cluster", "service", "address", "planned", "since"}, stops.page},
	{apiPath + "alarms", "The alarms wanted, and those of others on watched services, as the last look at them found them. An address names the alarms of its service, and those of its target that watch every service there.", Alarm{},
		[]string{"limit", "next", "target", "address", "kind"}, alarms.page},
	{rolloutsPath, "Plans and what became of them, newest first.", Rollout{},
		[]string{"limit", "next", "target", "cluster", "service", "address", "policy", "phase", "outcome"}, rollouts.page},
	{apiPath + "audit", "What was planned, said, sent or answered, and by whom, newest first; with refused=true the attempts that were refused. What concerns every service of a target, or all, is listed for each.", AuditEntry{},
		[]string{"limit", "next", "target", "cluster", "service", "address", "action", "refused"}, audited.page},
	{apiPath + "targets", "How well each target is seen, by name.", Target{}, []string{"limit", "next", "target"}, targets.page},
}

// serve answers one list.
func (a *api) serve(l list) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, p := parse(r, l.params)
		src := a.o.Source()
		if p == nil && src == nil {
			p = a.absent()
		}
		if address := q.Get("address"); p == nil && address != "" {
			q.address, p = resolve(src, address)
		}
		if p != nil {
			fail(w, p)
			return
		}
		answer(w, http.StatusOK, l.page(src, q))
	}
}

// collection is how one list is read. key is an item's place in the order and its identity: a page begins after the key
// that the page before ended with, so that what comes or goes between two pages neither repeats nor hides another item.
type collection[S any] struct {
	read func(Source, query) []S
	keep func(query, S) bool
	key  func(S) string
	show func(S) any
}

func (c collection[S]) page(src Source, q query) page {
	type row struct {
		key  string
		item S
	}
	var rows []row
	for _, s := range c.read(src, q) {
		if c.keep(q, s) {
			rows = append(rows, row{c.key(s), s})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.key, b.key) })
	from := 0
	if q.after != "" {
		from, _ = slices.BinarySearchFunc(rows, q.after, func(r row, after string) int {
			if r.key <= after {
				return -1
			}
			return 1
		})
	}
	out := page{Items: []any{}}
	for _, r := range rows[from:min(len(rows), from+q.limit)] {
		out.Items = append(out.Items, c.show(r.item))
	}
	if from+q.limit < len(rows) {
		out.Next = cursor(q.list, rows[from+q.limit-1].key)
	}
	return out
}

// sortKey joins parts so that keys compare as the parts do, one after another. No name in AWS holds a NUL.
func sortKey(parts ...string) string { return strings.Join(parts, "\x00") }

func placeKey(k fleet.Key) string { return sortKey(k.Target, k.Cluster, k.Service) }

var services = collection[reconciler.ServiceReport]{
	read: func(src Source, _ query) []reconciler.ServiceReport { return src.Services() },
	keep: func(q query, s reconciler.ServiceReport) bool { return q.covers(s.Key) },
	key:  func(s reconciler.ServiceReport) string { return placeKey(s.Key) },
	show: func(s reconciler.ServiceReport) any { return serviceOf(s) },
}

// identified is a finding with the id of its cause.
type identified struct {
	finding.Finding
	cause string
	src   Source // whom to ask who hears of it: only for those that are shown
}

// identify gives all findings the ids of their causes, which depend on each other.
func identify(src Source) []identified {
	all := src.Findings()
	out := make([]identified, len(all))
	for i, id := range finding.CauseIDs(all) {
		out[i] = identified{all[i], id, src}
	}
	return out
}

var findings = collection[identified]{
	read: func(src Source, _ query) []identified { return identify(src) },
	keep: func(q query, f identified) bool {
		return q.covers(f.Key) && (f.Open() || q.Get("status") == "all") && q.is("type", f.Type) && q.is("severity", string(f.Severity)) && q.is("cause", f.cause)
	},
	key:  func(f identified) string { return sortKey(placeKey(f.Key), f.Type, f.Subject) },
	show: func(f identified) any { return heardOf(f.src, f.Finding, f.cause) },
}

var causes = collection[finding.Group]{
	read: func(src Source, _ query) []finding.Group { return finding.Groups(src.Findings()) },
	keep: func(q query, g finding.Group) bool {
		return q.is("severity", string(g.Severity)) && slices.ContainsFunc(g.Findings, func(f finding.Finding) bool { return q.covers(f.Key) && q.is("type", f.Type) })
	},
	key: func(g finding.Group) string {
		return sortKey(g.Target, fmt.Sprint(9-g.Severity.Rank()), fmt.Sprintf("%09d", 999_999_999-len(g.Services)), g.ID)
	},
	show: func(g finding.Group) any { return causeOf(g) },
}

var stops = collection[reconciler.Recorded]{
	read: func(src Source, q query) []reconciler.Recorded {
		return src.Stops(q.asked())
	},
	keep: func(q query, r reconciler.Recorded) bool {
		return q.covers(r.Key) && q.is("planned", fmt.Sprint(r.Stop.Verdict.Planned)) && !r.Stop.StoppedAt.Before(q.since)
	},
	key: func(r reconciler.Recorded) string {
		return sortKey(newestFirst(r.Stop.StoppedAt), r.Stop.TaskARN, placeKey(r.Key))
	},
	show: func(r reconciler.Recorded) any { return stopOf(r) },
}

var alarms = collection[reconciler.AlarmReport]{
	read: func(src Source, _ query) []reconciler.AlarmReport { return src.Alarms() },
	keep: func(q query, a reconciler.AlarmReport) bool {
		return q.is("target", a.Target) && q.is("kind", string(a.Kind)) && (q.address == fleet.Key{} || q.address.Target == a.Target && watches(a, q.address))
	},
	key:  func(a reconciler.AlarmReport) string { return sortKey(a.Target, a.Name) },
	show: func(a reconciler.AlarmReport) any { return alarmOf(a) },
}

// watches reports whether an alarm is on the service, or on all of its cluster or target.
func watches(a reconciler.AlarmReport, k fleet.Key) bool {
	return (a.Cluster == "" || a.Cluster == k.Cluster) && (a.Service == "" || a.Service == k.Service)
}

// paused is a target with who paused remediation there.
type paused struct {
	reconciler.TargetReport
	by *Word
}

var targets = collection[paused]{
	read: func(src Source, _ query) []paused {
		var out []paused
		for _, t := range src.Targets() {
			p := paused{TargetReport: t}
			if o, ok := src.Paused(t.Target); ok {
				p.by = wordOf(&o)
			}
			out = append(out, p)
		}
		return out
	},
	keep: func(q query, p paused) bool { return q.is("target", p.Target) },
	key:  func(p paused) string { return p.Target },
	show: func(p paused) any { return targetOf(p.TargetReport, p.by) },
}

// grouped is a rollout with how many others are exported with the same change.
type grouped struct {
	rollout.Rollout
	alike int
}

var rollouts = collection[grouped]{
	read: func(src Source, _ query) []grouped {
		all := src.Rollouts(fleet.Key{})
		groups, out := rollout.Groups(all), make([]grouped, len(all))
		for i, r := range all {
			out[i] = grouped{r, len(rollout.Alike(groups, r))}
		}
		return out
	},
	keep: func(q query, r grouped) bool {
		return q.covers(r.Key()) && q.is("policy", r.Plan.Policy) && q.is("outcome", string(r.Outcome)) &&
			q.is("phase", string(r.Phase)) && (r.Live() || q.Get("phase") == "")
	},
	key: func(r grouped) string { return sortKey(newestFirst(r.CreatedAt), r.ID) },
	show: func(r grouped) any {
		out := rolloutOf(r.Rollout)
		out.SameChange = r.alike
		return out
	},
}

var audited = collection[numbered]{
	read: func(src Source, q query) []numbered {
		if q.Get("refused") == "true" {
			return number(src.Refusals(fleet.Key{}))
		}
		return number(src.Audit(fleet.Key{}))
	},
	keep: func(q query, e numbered) bool {
		return (q.covers(e.Key) || names(e.Key, q.asked())) && q.is("action", e.Action)
	},
	key:  func(e numbered) string { return sortKey(newestFirst(e.At), fmt.Sprintf("%09d", 999_999_999-e.n)) },
	show: func(e numbered) any { return entryOf(e.AuditEntry) },
}

// newestFirst is a time as text that sorts before the text of any earlier one.
func newestFirst(t time.Time) string {
	return fmt.Sprintf("%020d.%09d", 1<<62-t.Unix(), 999_999_999-t.Nanosecond())
}
