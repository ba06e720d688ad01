package alarm

import (
	"fmt"
	"slices"
)

// perState is how many actions an alarm has for each state at most (PutMetricAlarm).
const perState = 5

// actionList is one of an alarm's three lists of actions. Each is judged for itself: an action that is ours in one of them
// is a person's in another one, where this product did not put it.
type actionList struct {
	state string
	want  []string
	have  []string
	ours  []string // those of have and want that this product put there
	known bool     // ours is known
}

// listsOf are the three lists. For INSUFFICIENT_DATA nothing is ever wanted.
func listsOf(w Spec, h Have, was Applied) []actionList {
	known := was.Own != nil
	if !known {
		was.Own = &Actions{}
	}
	return []actionList{
		{"ALARM", w.AlarmActions, h.AlarmActions, was.Own.Alarm, known},
		{"OK", w.OKActions, h.OKActions, was.Own.OK, known},
		{"INSUFFICIENT_DATA", nil, h.InsufficientActions, nil, true},
	}
}

// people are the actions that people put there.
func (l actionList) people() []string { return without(l.have, slices.Concat(l.want, l.ours)) }

// repaired is the list as a repair sends it: what is there, less those of ours that are no longer wanted, and then what is
// wanted and missing, as far as there is room.
func (l actionList) repaired() []string {
	stay := without(l.have, without(l.ours, l.want))
	all := append(stay, without(l.want, stay)...)
	return all[:min(len(all), perState)]
}

// changes says how a repair changes the list.
func (l actionList) changes() (out []string) {
	for _, arn := range without(l.repaired(), l.have) {
		out = append(out, l.state+" action "+arn+" is not there")
	}
	for _, arn := range without(l.have, l.repaired()) {
		out = append(out, l.state+" action "+arn+" is no longer wanted")
	}
	return out
}

// crowded are the wanted actions that there is no room for.
func (l actionList) crowded() (out []string) {
	for _, arn := range without(l.want, l.repaired()) {
		out = append(out, fmt.Sprintf("no room for the %s action %s beside %d of people", l.state, arn, perState))
	}
	return out
}

// lostOurs reports whether an action of ours was taken away.
func (l actionList) lostOurs() bool {
	return slices.ContainsFunc(without(l.repaired(), l.have), func(arn string) bool { return !l.known || slices.Contains(l.ours, arn) })
}

// keepEdits is the wanted state with what people own.
func keepEdits(w Spec, h Have, lists []actionList) Spec {
	w.AlarmActions, w.OKActions, w.InsufficientActions = lists[0].repaired(), lists[1].repaired(), lists[2].repaired()
	w.Description, w.ActionsDisabled, w.Label, w.TagsSent = h.Description, h.ActionsDisabled, h.Label, h.TagsSent
	return w
}

// edits names what people changed of what they own.
func edits(w Spec, h Have, lists []actionList) (out []string) {
	for _, l := range lists {
		for _, arn := range l.people() {
			out = append(out, l.state+" action "+arn)
		}
	}
	for _, e := range []struct {
		what string
		made bool
	}{
		{"the description", h.Description != w.Description}, {"disabled actions", h.ActionsDisabled},
		{"the query's label", h.Label != ""}, {"the tags that notifications carry", h.TagsSent != nil},
	} {
		if e.made {
			out = append(out, e.what)
		}
	}
	return out
}

// without are the entries of all that but does not hold.
func without(all, but []string) []string {
	var out []string
	for _, a := range all {
		if !slices.Contains(but, a) {
			out = append(out, a)
		}
	}
	return out
}
