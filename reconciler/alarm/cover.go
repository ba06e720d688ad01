package alarm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"taskwarden/reconciler/finding"
)

// shownEvidence is how many alarms or services one finding names.
const shownEvidence = 20

// Cover is whether any alarm tells of one failure of a service.
type Cover struct {
	Failure Failure
	Tells   Tells
	Alarm   string // the one that tells, or that comes nearest; "" for none
	Why     string
	Missing bool // no alarm sees it; one that cannot be judged is no proof of that, and one that sees it and is blind is told elsewhere
}

// Cover judges each failure that the service can have, in the order of Failures.
func (x *Index) Cover(p Place) []Cover {
	at := x.At(p)
	var out []Cover
	for _, f := range Failures() {
		all, can := at[f]
		if !can {
			continue
		}
		c := Cover{Failure: f, Tells: No, Why: "no alarm watches for it; " + f.Remedy(), Missing: true}
		if len(all) > 0 {
			sees := slices.ContainsFunc(all, func(t Told) bool { return t.sees })
			c = Cover{f, all[0].Tells, all[0].Alarm, all[0].Why, !sees && (all[0].Tells == No || all[0].doubted)}
		}
		out = append(out, c)
	}
	return out
}

// Summary is how many services of a target have an alarm for one failure.
type Summary struct {
	Failure  Failure
	Services int // that can fail so
	Covered  int // with an alarm that tells
	Missing  int // without any that sees it
	Unsure   int // with one that cannot be judged; the rest have one that is blind
}

// Summaries counts, for each failure, the places that an alarm tells of.
func (x *Index) Summaries(places []Place) []Summary {
	by := map[Failure]*Summary{}
	for _, f := range Failures() {
		by[f] = &Summary{Failure: f}
	}
	for _, p := range places {
		for _, c := range x.Cover(p) {
			s := by[c.Failure]
			s.Services++
			switch {
			case c.Tells == Yes:
				s.Covered++
			case c.Missing:
				s.Missing++
			case c.Tells == Unclear:
				s.Unsure++
			}
		}
	}
	var out []Summary
	for _, f := range Failures() {
		if by[f].Services > 0 {
			out = append(out, *by[f])
		}
	}
	return out
}

// MissingClaims is a claim for each failure that some service of the target has no alarm for: rolled up, since it is of
// little news. Where churn was seen, ClaimsAt says it of the service.
func MissingClaims(all []Summary) []finding.Claim {
	var out []finding.Claim
	for _, s := range all {
		if s.Missing == 0 {
			continue
		}
		m := fmt.Sprintf("%d of %d services have no alarm that tells of %s: %s", s.Missing, s.Services, s.Failure, s.Failure.Remedy())
		if s.Unsure > 0 {
			m += fmt.Sprintf("; of %d more it cannot be told", s.Unsure)
		}
		out = append(out, finding.Claim{Type: finding.AlarmMissing, Subject: string(s.Failure), Severity: finding.Info,
			Reason: s.Failure.reason(), Message: m, Count: s.Missing})
	}
	return out
}

// ClaimsAt is what is missing at a service that loses tasks: the failures that it was seen to have and that no alarm tells of.
func (x *Index) ClaimsAt(p Place) []finding.Claim {
	if !p.Churns {
		return nil
	}
	var out []finding.Claim
	for _, c := range x.Cover(p) {
		if _, seen := p.Seen[Kind(c.Failure)]; !seen || !c.Missing {
			continue
		}
		out = append(out, finding.Claim{Type: finding.AlarmMissing, Subject: string(c.Failure), Severity: finding.Warning, Reason: c.Failure.reason(),
			Message: fmt.Sprintf("%s was seen here, and no alarm tells of it: %s", c.Failure, c.Failure.Remedy()), Evidence: evidence(c)})
	}
	return out
}

func evidence(c Cover) []string {
	if c.Alarm == "" {
		return nil
	}
	return []string{c.Alarm + ": " + c.Why}
}

// BlindClaims is a claim for each reason for which alarms on the target's services, or ours, can never fire, or reach no
// person; own picks ours, and planned are the rows of those that are wanted. It is a warning where one of them is on a
// service that loses tasks.
func (x *Index) BlindClaims(places []Place, own func(name string) bool, planned []Row) []finding.Claim {
	by := blindClaims{}
	w := watchedOf(places)
	for _, name := range slices.Sorted(maps.Keys(x.names)) {
		h := x.names[name]
		c, concerned := w.concern(*h)
		if !own(name) && (!concerned || c.possibly > 0 || strings.HasPrefix(name, NamePrefix)) {
			continue
		}
		for _, b := range x.Blind(name) {
			by.add(name, b, c.churns)
		}
	}
	for _, r := range planned {
		if r.Unreached.Reason != "" {
			c, _ := w.concern(Have{Spec: *r.Write.Put, Namespace: Namespace})
			by.add(r.Name+", which is to be made", r.Unreached, c.churns)
		}
	}
	return by.list()
}

// blindClaims are claims by reason.
type blindClaims map[string]*finding.Claim

func (by blindClaims) add(name string, b Blindness, churns bool) {
	f := by[b.Reason]
	if f == nil {
		f = &finding.Claim{Type: finding.AlarmBlind, Subject: b.Reason, Severity: finding.Info, Reason: b.Reason}
		by[b.Reason] = f
	}
	if churns {
		f.Severity = finding.Warning
	}
	f.Count++
	if len(f.Evidence) < shownEvidence {
		f.Evidence = append(f.Evidence, name+": "+b.Evidence)
	}
}

func (by blindClaims) list() []finding.Claim {
	var out []finding.Claim
	for _, reason := range slices.Sorted(maps.Keys(by)) {
		f := *by[reason]
		f.Message = fmt.Sprintf("%s %s: %s", alarmsOf(f.Count), blindWords[reason], f.Evidence[0])
		out = append(out, f)
	}
	return out
}

// blindWords continue "2 alarms …".
var blindWords = map[string]string{
	WrongNamespace: "can never have data (namespace)", WrongDimensions: "can never have data (dimensions)", NoDataEver: "had no data in two weeks",
	NoActions: "would reach no person (no actions)", ActionsDisabled: "would reach no person (actions disabled)", DeadActions: "would reach no person (dead topic)",
	InvertedOperator: "fire while all is well (inverted operator)", MissingHides: "are silent when the service dies (missing data)",
	NotEvaluated: "cannot be evaluated by CloudWatch (their own settings)",
}

// DriftClaims is one claim for all alarms of ours that a person changed.
func DriftClaims(rows []Row) []finding.Claim {
	f := finding.Claim{Type: finding.AlarmDrifted, Severity: finding.Info, Reason: "ChangedByHand"}
	for _, r := range rows {
		if r.Status != Drifted {
			continue
		}
		f.Count++
		if len(f.Evidence) < shownEvidence {
			f.Evidence = append(f.Evidence, r.Name+": "+r.Reason)
		}
	}
	if f.Count == 0 {
		return nil
	}
	f.Message = fmt.Sprintf("a person changed %s of this controller's: %s", alarmsOf(f.Count), f.Evidence[0])
	return []finding.Claim{f}
}

// TakenClaims is one claim for all wanted alarms that are not made because an alarm that is not ours has the name.
func TakenClaims(rows []Row, places []Place) []finding.Claim {
	f := finding.Claim{Type: finding.AlarmMissing, Subject: NameTaken, Severity: finding.Info, Reason: NameTaken}
	for _, r := range rows {
		if !r.Taken {
			continue
		}
		f.Count++
		if len(f.Evidence) < shownEvidence {
			f.Evidence = append(f.Evidence, r.Name+": "+r.Reason)
		}
	}
	if f.Count == 0 {
		return nil
	}
	if watchedOf(places).churns {
		f.Severity = finding.Warning
	}
	f.Message = fmt.Sprintf("%s cannot be made, since the name is taken: %s", alarmsOf(f.Count), f.Evidence[0])
	return []finding.Claim{f}
}

// alarmsOf counts alarms in words.
func alarmsOf(n int) string {
	if n == 1 {
		return "1 alarm"
	}
	return fmt.Sprintf("%d alarms", n)
}

// NameTaken is the reason of AlarmMissing where a wanted alarm's name is not ours.
const NameTaken = "NameTaken"

// watched finds out whether an alarm has to do with the services of a target.
type watched struct {
	places   []Place
	services map[[2]string]Place
	clusters map[string]bool
	groups   map[string]Place
	churns   bool // any of them
}

func watchedOf(places []Place) watched {
	w := watched{places, map[[2]string]Place{}, map[string]bool{}, map[string]Place{}, false}
	for _, p := range places {
		w.services[[2]string{p.Cluster, p.Service}] = p
		w.clusters[p.Cluster] = true
		w.churns = w.churns || p.Churns
		for _, g := range p.TargetGroups {
			w.groups[g] = p
		}
	}
	return w
}

// concern is how an alarm has to do with them.
type concern struct {
	kind             Kind // the failure that its metric is a signal of
	cluster, service string
	churns           bool
	possibly         int // it cannot be told whether it has to do with so many of them; 0: it has
}

// concern reports whether the alarm is on one of the services, on their cluster, or on all of a metric of theirs.
func (w watched) concern(h Have) (concern, bool) {
	if len(w.services) == 0 {
		return concern{}, false
	}
	if h.opaque() {
		return opaqueOf(&h).concern(w.places)
	}
	s, plain := h.series()
	if !plain {
		q, ok := ParseQuery(h.Query)
		_, ours := metrics[q.Namespace][q.Metric]
		return concern{kind: kindOf(q.Namespace, q.Metric), churns: w.churns}, ok && ours
	}
	kind, cluster := kindOf(s.Namespace, s.Metric), s.value("ClusterName")
	if p, ok := w.services[[2]string{cluster, s.value("ServiceName")}]; ok {
		return concern{kind: kind, cluster: p.Cluster, service: p.Service, churns: p.Churns}, true
	}
	if p, ok := w.groups[s.value("TargetGroup")]; ok {
		return concern{kind: kind, cluster: p.Cluster, service: p.Service, churns: p.Churns}, true
	}
	_, known := metrics[s.Namespace]
	whole := len(s.Dimensions) == 0 && (s.Namespace == ecsSpace || s.Namespace == insightsSpace)
	return concern{kind: kind, cluster: cluster}, known && (whole || s.value("ServiceName") == "" && w.clusters[cluster])
}

func kindOf(namespace, metric string) Kind {
	for _, s := range signals {
		if s.namespace == namespace && s.metric == metric {
			return Kind(s.failure)
		}
	}
	return ""
}

// notOurs is why a row is foreign.
const notOurs = "not made by this controller"

// ForeignRows lists the alarms that are not ours and concern the target's services, or may: foreign, or blind.
func (x *Index) ForeignRows(places []Place, owner string) []Row {
	w := watchedOf(places)
	var out []Row
	for name, h := range x.names {
		c, concerned := w.concern(*h)
		if !concerned || strings.HasPrefix(name, Prefix(owner)) {
			continue
		}
		r := Row{Name: name, Kind: c.kind, Cluster: c.cluster, Service: c.service, Status: Foreign, State: h.State, Reason: notOurs}
		if h.opaque() {
			r.Reason = "a " + h.shape() + ", " + notOurs
		}
		if c.possibly > 0 {
			r.Reason += fmt.Sprintf("; it cannot be told whether it watches any of %d services here", c.possibly)
		}
		if blind := x.Blind(name); len(blind) > 0 {
			r.Status, r.Reason = Blind, blindText(blind)
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Row) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func blindText(all []Blindness) string {
	var out []string
	for _, b := range all {
		out = append(out, b.Evidence)
	}
	return strings.Join(out, "; ")
}

// CoveredBy gives the alarm of another maker that makes a wish needless; "" for none. It watches the same metric with the
// same dimensions in the same sense, can fire, and reaches a person. For a fleet alarm that holds of each service that it
// would serve. Another controller's alarms count for nothing: they come and go with it.
func (x *Index) CoveredBy(w Spec, places []Place) string {
	if w.Metric == HeartbeatName || w.Metric == SweepAge {
		return x.equivalent(w)
	}
	for _, s := range signals {
		if string(s.failure) != string(w.Kind) || s.namespace != Namespace || s.metric != gaugeOf(w.Kind) {
			continue
		}
		name := ""
		for _, p := range places {
			if w.Cluster != "" && p.Cluster != w.Cluster || w.Service != "" && p.Service != w.Service {
				continue
			}
			if len(w.Dimensions) == len(byContainer) { // of one container
				p.Seen = map[Kind][]string{w.Kind: {Series{Dimensions: w.Dimensions}.value("ContainerName")}}
			} else {
				p.Seen = nil // of any container, those to come included
			}
			if name = x.foreign(s, p); name == "" {
				return ""
			}
		}
		return name
	}
	return ""
}

func gaugeOf(k Kind) string {
	for _, g := range gaugeAlarms {
		if g.kind == k {
			return g.gauge
		}
	}
	return ""
}

// foreign is a person's alarm that tells by the signal at the place.
func (x *Index) foreign(s signal, p Place) string {
	for _, t := range x.signal(s, p) {
		if t.Tells == Yes && !strings.HasPrefix(t.Alarm, NamePrefix) {
			return t.Alarm
		}
	}
	return ""
}

// equivalent is a person's alarm on the controller itself that watches what the wish does, and treats missing data alike.
func (x *Index) equivalent(w Spec) string {
	want := Series{Namespace, w.Metric, w.Dimensions}
	good, bad := 1.0, 0.0 // of a heartbeat
	if w.Metric == SweepAge {
		good, bad = 0, many
	}
	for _, c := range x.single[want.key()] {
		h := c.have
		fires, _ := h.breaches(bad)
		always, _ := h.breaches(good)
		if !c.vague && c.series.String() == want.String() && fires && !always && h.Missing == w.Missing &&
			!strings.HasPrefix(h.Name, NamePrefix) && len(x.Blind(h.Name)) == 0 {
			return h.Name
		}
	}
	return ""
}

// Asked is what has to be looked up to judge the alarms on a target's services and ours: metrics whose data are listed,
// by namespace and name, and topics.
type Asked struct {
	Metrics map[[2]string][]Series
	Topics  []string
}

// Topics are the SNS topics that alarms notify.
func Topics(all []Have) (out []string) {
	for _, h := range all {
		for _, arn := range h.AlarmActions {
			if strings.Contains(arn, ":sns:") && !slices.Contains(out, arn) {
				out = append(out, arn)
			}
		}
	}
	return out
}

// Ask lists it, with the topics of wanted alarms. Of metrics that are sent only when something happens nothing is asked:
// that they have no data proves nothing.
func Ask(all []Have, want []Spec, places []Place, own func(name string) bool) Asked {
	w, out := watchedOf(places), Asked{Metrics: map[[2]string][]Series{}}
	for _, s := range want {
		out.Topics = append(out.Topics, without(Topics([]Have{{Spec: s}}), out.Topics)...)
	}
	for _, h := range all {
		_, concerned := w.concern(h)
		s, plain := h.series()
		twin := plain && s.Namespace == Namespace && (s.Metric == HeartbeatName || s.Metric == SweepAge) // may stand for one of ours
		if !concerned && !own(h.Name) && h.Rule == "" && !twin {
			continue
		}
		out.Topics = append(out.Topics, without(Topics([]Have{h}), out.Topics)...)
		if !plain || s.Namespace == Namespace || metrics[s.Namespace][s.Metric].sparse {
			continue
		}
		key := [2]string{s.Namespace, s.Metric}
		out.Metrics[key] = append(out.Metrics[key], s)
	}
	return out
}

// KindOf is the alarm kind that watches a finding's gauge; false for findings without one.
func KindOf(findingType string) (Kind, bool) {
	for _, g := range gaugeAlarms {
		if g.gauge == findingType {
			return g.kind, true
		}
	}
	return "", false
}
