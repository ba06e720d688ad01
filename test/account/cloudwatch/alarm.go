package cloudwatch

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/test/account/wire"
)

// Types of alarms (API reference, AlarmType). A name is unique over all of them.
const (
	metricAlarm    = "MetricAlarm"
	compositeAlarm = "CompositeAlarm"
	logAlarm       = "LogAlarm"
)

// typeWords name the types in refusals.
var typeWords = map[string]string{metricAlarm: "a metric alarm", compositeAlarm: "a composite alarm", logAlarm: "a log alarm"}

// alarm is a metric alarm as stored, or what an alarm of another type has in common with one.
type alarm struct {
	name, arn    string
	settings     map[string]any // what DescribeAlarms shows of the configuration, by AWS's names
	rule         rule
	on           []dimension // dimensions of the single metric it watches
	namespace    string
	metricName   string
	kind         string
	warmUp       time.Duration       // it is not evaluated for so long after each put
	enabled      bool                // actions
	actions      map[string][]string // ARNs by the state they are for
	tags         map[string]string
	contributors map[string]*contributor

	state, reason, reasonData        string
	evaluationState                  string // "" or PARTIAL_DATA
	configured, updated, transitions time.Time
}

// Alarm is what a test reads of an alarm.
type Alarm struct {
	Name, ARN         string
	Namespace, Metric string            // of a single-metric alarm
	Dimensions        map[string]string // of a single-metric alarm
	Query             string            // of a Metrics Insights alarm
	Description       string
	Period            time.Duration
	EvaluationPeriods int
	DatapointsToAlarm int
	Threshold         float64
	Comparison        string
	TreatMissingData  string
	ActionsEnabled    bool
	AlarmActions      []string
	OKActions         []string
	InsufficientData  []string // actions
	Tags              map[string]string

	State, Reason   string
	EvaluationState string    // "" or PARTIAL_DATA
	Updated         time.Time // StateUpdatedTimestamp
	Transitioned    time.Time // StateTransitionedTimestamp
	Contributors    []map[string]string
}

// Transition is a change of state of an alarm, or of contributors of an alarm that keeps its state (From is To then).
// Actions are not delivered: the ARNs that AWS would have notified are in it.
type Transition struct {
	At           time.Time
	Alarm        string
	From, To     string
	Reason       string
	Actions      []string
	Contributors []ContributorTransition // those that changed, for a multi-series alarm
}

// change is a new state and why.
type change struct {
	at               time.Time
	to, reason, data string
}

// Transitions reads every change of state since the start, the oldest first, those by SetAlarmState included.
func (s *Service) Transitions() []Transition { return slices.Clone(s.transitions) }

// Alarm reads one alarm of any type; ok is false when there is none of that name.
func (s *Service) Alarm(name string) (view Alarm, ok bool) {
	a := s.named(name)
	if a == nil {
		return Alarm{}, false
	}
	return a.view(), true
}

// named is the alarm of that name, whatever its type; nil: there is none.
func (s *Service) named(name string) *alarm { return cmp.Or(s.alarms[name], s.kept[name]) }

// place puts an alarm in the place of the one of its name. Those of which evaluated is false are shown, and stay in the state
// in which they are.
func (s *Service) place(a *alarm, evaluated bool) {
	delete(s.alarms, a.name)
	delete(s.kept, a.name)
	if evaluated {
		s.alarms[a.name] = a
	} else {
		s.kept[a.name] = a
	}
}

// clash is the refusal of a put whose name an alarm of another type has.
func (s *Service) clash(name, kind string) error {
	if old := s.named(name); old != nil && old.kind != kind {
		return invalid("Alarm %s already exists and is %s.", name, typeWords[old.kind])
	}
	return nil
}

// newAlarm is an alarm with what all types have in common: name, actions, description and tags. What an alarm of the name
// keeps over a put is kept: its tags and its state.
func (s *Service) newAlarm(in wire.Input, kind string, now time.Time) (*alarm, error) {
	name := in.String("AlarmName")
	if err := checkAlarmName(name); err != nil {
		return nil, err
	}
	if err := s.clash(name, kind); err != nil {
		return nil, err
	}
	a := &alarm{
		name: name, arn: "arn:aws:cloudwatch:" + s.region + ":" + s.accountID + ":alarm:" + name, kind: kind,
		enabled:  !in.Has("ActionsEnabled") || in.Bool("ActionsEnabled"),
		settings: map[string]any{}, contributors: map[string]*contributor{}, configured: now,
	}
	if err := a.readActions(in); err != nil {
		return nil, err
	}
	old := s.named(name)
	if old == nil {
		a.state, a.reason, a.updated, a.transitions = stateInsufficient, "Unchecked: Initial alarm creation", now, now
		tags, err := readTags(in, nil)
		a.tags = tags
		return a, err
	}
	a.tags, a.state, a.reason, a.reasonData, a.evaluationState = old.tags, old.state, old.reason, old.reasonData, old.evaluationState
	a.updated, a.transitions = old.updated, old.transitions
	return a, nil
}

// Alarms reads all metric alarms that are evaluated, by name.
func (s *Service) Alarms() []Alarm {
	var out []Alarm
	for _, a := range slices.SortedFunc(maps.Values(s.alarms), byName) {
		out = append(out, a.view())
	}
	return out
}

func byName(a, b *alarm) int { return strings.Compare(a.name, b.name) }

func (a *alarm) view() Alarm {
	v := Alarm{
		Name: a.name, ARN: a.arn, Namespace: a.namespace, Metric: a.metricName, Query: a.expression(),
		Period: time.Duration(a.rule.period) * time.Second, EvaluationPeriods: a.rule.n, DatapointsToAlarm: a.rule.m,
		Threshold: a.rule.threshold, Comparison: a.rule.operator, TreatMissingData: a.rule.treat,
		ActionsEnabled: a.enabled, AlarmActions: slices.Clone(a.actions[stateAlarm]),
		OKActions: slices.Clone(a.actions[stateOK]), InsufficientData: slices.Clone(a.actions[stateInsufficient]), Tags: maps.Clone(a.tags),
		State: a.state, Reason: a.reason, EvaluationState: a.evaluationState, Updated: a.updated, Transitioned: a.transitions,
	}
	v.Description, _ = a.settings["AlarmDescription"].(string)
	if a.metricName != "" {
		v.Dimensions = group{labels: a.on}.attributes()
	}
	for _, c := range a.alarming() {
		v.Contributors = append(v.Contributors, maps.Clone(c.attributes))
	}
	return v
}

func (a *alarm) expression() string {
	if a.rule.query == nil {
		return ""
	}
	for _, q := range a.settings["Metrics"].([]any) {
		if m := q.(map[string]any); m["ReturnData"] == true {
			text, _ := m["Expression"].(string)
			return text
		}
	}
	return ""
}

// transit puts an alarm into a state and records it: as a transition, and in the history.
func (s *Service) transit(a *alarm, c change, moves []ContributorTransition) {
	t := Transition{At: c.at, Alarm: a.name, From: a.state, To: c.to, Reason: c.reason, Contributors: moves}
	for i := range moves {
		if a.enabled {
			moves[i].Actions = slices.Clone(a.actions[moves[i].To])
		}
		s.remember(contributorItem(a, c.at, moves[i]))
	}
	if c.to != a.state {
		if a.enabled {
			t.Actions = slices.Clone(a.actions[c.to])
		}
		s.remember(stateItem(a, c))
		a.updated, a.transitions = c.at, c.at
	}
	a.state, a.reason, a.reasonData = c.to, c.reason, c.data
	s.transitions = append(s.transitions, t)
}

// setEvaluationState notes whether an evaluation saw all data.
func (s *Service) setEvaluationState(a *alarm, partial bool, at time.Time) {
	state := ""
	if partial {
		state = "PARTIAL_DATA"
	}
	if state != a.evaluationState {
		a.evaluationState, a.updated = state, at
	}
}

// out is the alarm as the MetricAlarm structure of the API.
func (a *alarm) out() map[string]any {
	m := maps.Clone(a.settings)
	m["AlarmName"], m["AlarmArn"], m["ActionsEnabled"] = a.name, a.arn, a.enabled
	m["AlarmConfigurationUpdatedTimestamp"] = a.configured
	m["StateValue"], m["StateReason"] = a.state, a.reason
	m["StateUpdatedTimestamp"], m["StateTransitionedTimestamp"] = a.updated, a.transitions
	if a.reasonData != "" {
		m["StateReasonData"] = a.reasonData
	}
	if a.evaluationState != "" {
		m["EvaluationState"] = a.evaluationState
	}
	return m
}

// historyItem is one AlarmHistoryItem.
type historyItem struct {
	at                         time.Time
	alarm, kind, summary, data string
	contributor                string
	attributes                 map[string]string
}

func (s *Service) remember(h historyItem) { s.history = append(s.history, h) }

func stateItem(a *alarm, c change) historyItem {
	return historyItem{at: c.at, alarm: a.name, kind: "StateUpdate",
		summary: "Alarm updated from " + a.state + " to " + c.to,
		data:    stateData(a.state, a.reason, c.to, c.reason)}
}

func contributorItem(a *alarm, at time.Time, m ContributorTransition) historyItem {
	return historyItem{at: at, alarm: a.name, kind: "AlarmContributorStateUpdate",
		summary: "Alarm contributor updated from " + m.From + " to " + m.To,
		data:    stateData(m.From, "", m.To, m.Reason), contributor: m.ID, attributes: m.Attributes}
}

func stateData(from, fromReason, to, toReason string) string {
	type state struct {
		Value  string `json:"stateValue"`
		Reason string `json:"stateReason,omitempty"`
	}
	text, _ := json.Marshal(struct {
		Version string `json:"version"`
		Old     state  `json:"oldState"`
		New     state  `json:"newState"`
	}{"1.0", state{from, fromReason}, state{to, toReason}}) // strings only: cannot fail
	return string(text)
}
