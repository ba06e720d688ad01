package alarm

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Status of an alarm as lists show it.
type Status string

// Statuses.
const (
	Present Status = "present"
	Missing Status = "missing"
	Drifted Status = "drifted"
	Foreign Status = "foreign" // carries our name and not our tag: somebody else's, never touched
)

// Row is one alarm, wanted or had, with what is to be done about it. Write is what would be sent; it is empty for a row
// that needs nothing.
type Row struct {
	Name   string
	Kind   Kind
	Status Status
	Owned  bool
	State  string // CloudWatch's; "" while missing
	Reason string // why this status, in words
	Write  Write
}

// Write is one call to make: the whole specification (PutMetricAlarm overwrites everything), the tags to give with a
// creation, or the tags to repair on the ARN (a put ignores tags on an alarm that exists).
type Write struct {
	Put  *Spec
	ARN  string // of the alarm whose tags are to be repaired
	Tags map[string]string
}

// Needed tells whether there is something to send.
func (w Write) Needed() bool { return w.Put != nil || w.ARN != "" }

// Plan compares what is wanted with what a complete listing had, and says for each wanted alarm what to do. applied
// holds, by name, the hash of what this controller last wrote: with it an alarm that lost its tags is still known as
// ours. Nothing is ever deleted here, and an alarm that is not ours is never written.
func Plan(want []Spec, have []Have, owner string, applied map[string]string) []Row {
	byName := make(map[string]Have, len(have))
	for _, h := range have {
		byName[h.Name] = h
	}
	rows := make([]Row, 0, len(want))
	for _, w := range want {
		h, ok := byName[w.Name]
		rows = append(rows, row(w, h, ok, owner, applied[w.Name]))
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Name, b.Name) })
	return rows
}

func row(w Spec, h Have, ok bool, owner, applied string) Row {
	r := Row{Name: w.Name, Kind: w.Kind, State: h.State}
	tags := map[string]string{OwnerTag: owner, SpecTag: w.Hash()}
	switch {
	case !ok:
		r.Status, r.Owned, r.Reason = Missing, true, "no alarm of this name"
		r.Write = Write{Put: &w, Tags: tags}
	case h.Foreign:
		r.Status, r.Reason = Foreign, "an alarm of this name has a shape this product never makes"
	case !ours(h, owner, applied):
		r.Status, r.Reason = Foreign, fmt.Sprintf("an alarm of this name carries no tag %s=%s", OwnerTag, owner)
	default:
		r.Owned = true
		drift := differences(w, h)
		r.Status, r.Reason = Present, "as wanted"
		if len(drift) > 0 {
			repaired := keepEdits(w, h)
			r.Status, r.Reason = Drifted, strings.Join(drift, "; ")
			r.Write.Put = &repaired
		}
		if h.Tags != nil && (h.Tags[OwnerTag] != owner || h.Tags[SpecTag] != w.Hash()) {
			r.Write.ARN, r.Write.Tags = h.ARN, tags
		}
	}
	return r
}

// ours needs the owner's tag, or, where the tags say nothing of any owner, the record of having written it.
func ours(h Have, owner, applied string) bool {
	if who, tagged := h.Tags[OwnerTag]; tagged {
		return who == owner
	}
	return applied != ""
}

// differences names the fields that this product owns and that are not as wanted. A person may add actions, disable
// them, or edit the description, and keeps them.
func differences(w Spec, h Have) []string {
	var out []string
	say := func(field string, want, have any) {
		if fmt.Sprint(want) != fmt.Sprint(have) {
			out = append(out, fmt.Sprintf("%s is %v, wanted %v", field, have, want))
		}
	}
	if w.Metric != "" {
		say("namespace", Namespace, h.Namespace)
	}
	say("metric", w.Metric, h.Metric)
	say("dimensions", sorted(w.Dimensions), sorted(h.Dimensions))
	say("statistic", w.Statistic, h.Statistic)
	say("query", w.Query, h.Query)
	say("period", w.Period, h.Period)
	say("evaluation periods", w.EvaluationPeriods, h.EvaluationPeriods)
	say("datapoints to alarm", w.Datapoints, cmp.Or(h.Datapoints, h.EvaluationPeriods)) // CloudWatch's default: N of N
	say("comparison", w.Comparison, h.Comparison)
	say("threshold", w.Threshold, h.Threshold)
	say("missing data", w.Missing, cmp.Or(h.Missing, "missing"))
	for _, a := range lacking(w.AlarmActions, h.AlarmActions) {
		out = append(out, "alarm action "+a+" is not there")
	}
	for _, a := range lacking(w.OKActions, h.OKActions) {
		out = append(out, "OK action "+a+" is not there")
	}
	return out
}

func keepEdits(w Spec, h Have) Spec {
	w.AlarmActions = append(slices.Clone(h.AlarmActions), lacking(w.AlarmActions, h.AlarmActions)...)
	w.OKActions = append(slices.Clone(h.OKActions), lacking(w.OKActions, h.OKActions)...)
	w.ActionsDisabled = h.ActionsDisabled
	w.Description = cmp.Or(h.Description, w.Description)
	return w
}

func lacking(want, have []string) []string {
	var out []string
	for _, a := range want {
		if !slices.Contains(have, a) {
			out = append(out, a)
		}
	}
	return out
}

func sorted(d []Dimension) []Dimension {
	return slices.SortedFunc(slices.Values(d), func(a, b Dimension) int { return cmp.Compare(a.Name, b.Name) })
}

// Hash names the wanted state by the fields this product owns; description and actions are not among them.
func (s Spec) Hash() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %d %d %d %q %g %q", s.Metric, sorted(s.Dimensions), s.Statistic, s.Query,
		s.Period, s.EvaluationPeriods, s.Datapoints, s.Comparison, s.Threshold, s.Missing))
	return hex.EncodeToString(sum[:8])
}
