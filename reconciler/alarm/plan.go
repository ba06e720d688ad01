package alarm

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/fleet"
)

// Status of an alarm as lists show it.
type Status string

// Statuses (CONTRACT section 6).
const (
	Present Status = "present"
	Missing Status = "missing"
	Drifted Status = "drifted" // ours, and changed by a person
	Blind   Status = "blind"   // can never fire, or never reach anybody
	Foreign Status = "foreign" // not this controller's: never touched
)

// Row is one alarm, wanted or had, with what is to be done about it. Write is what would be sent; it is empty for a row
// that needs nothing.
type Row struct {
	Name             string
	Kind             Kind
	Cluster, Service string // as in Spec
	Status           Status
	Owned            bool
	State            string    // CloudWatch's; "" while missing
	Reason           string    // why this status, in words, and what of people's a repair keeps
	Taken            bool      // the wanted name is an alarm's that is not ours: it is never overwritten
	Unreached        Blindness // of an alarm that is to be made: why it would reach no person
	Write            Write
}

// Write is one call to make: the whole specification (PutMetricAlarm overwrites everything), the tags to give with a
// creation, the tags to repair on the ARN (a put ignores tags on an alarm that exists), or the name to delete.
type Write struct {
	Put    *Spec
	Was    *Have   // what Put repairs, as it was read; nil: Put makes the alarm
	Own    Actions // those of Put that are ours, not a person's
	Tags   map[string]string
	Delete string
	ARN    string // of the alarm whose tags are to be repaired, or that is to be deleted
}

// Needed reports whether there is something to send.
func (w Write) Needed() bool { return w.Put != nil || w.ARN != "" || w.Delete != "" }

// Applied is what this controller last wrote to an alarm.
type Applied struct {
	Hash string   // Spec.Hash
	Own  *Actions // those of its own among the written ones; nil: not known
}

// Basis is what a plan rests on beside the wishes and the listing.
type Basis struct {
	Owner   string
	Applied map[string]Applied // by name: with it an alarm that lost its tags is still known as ours
	Scope   func(name string) bool
	// Covered says by which alarm of another maker a wish is met; "" for none. Such a wish is not created.
	Covered func(Spec) string
	Blind   func(name string) []Blindness
	Topics  map[string]Topic // what is known of topics, by ARN
	// Seen is the look at the target that the wishes come from; Missed, by name, when a complete one first did not wish an
	// alarm of ours that was there.
	Seen   fleet.Seen
	Missed map[string]time.Time
	Delete bool // alarms that are no longer wanted may be deleted
}

// deleteShare is how much of ours one plan deletes at most, and at least one: a mistake is then seen while it is small.
const deleteShare = 0.1

// Plan compares what is wanted with what a complete listing had, and says for each alarm, wanted or ours, what to do.
// An alarm that is not ours is never written. It returns what is missed now, for the next plan.
func Plan(want []Spec, have []Have, b Basis) (rows []Row, missed map[string]time.Time) {
	byName := make(map[string]Have, len(have))
	for _, h := range have {
		byName[h.Name] = h
	}
	wanted := make(map[string]bool, len(want))
	for _, w := range want {
		wanted[w.Name] = true
		h, ok := byName[w.Name]
		rows = append(rows, b.row(w, h, ok))
	}
	surplus, missed := b.surplus(have, wanted)
	rows = append(rows, surplus...)
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Name, b.Name) })
	return rows, missed
}

func (b Basis) row(w Spec, h Have, ok bool) Row {
	r := Row{Name: w.Name, Kind: w.Kind, Cluster: w.Cluster, Service: w.Service, State: h.State}
	tags := map[string]string{OwnerTag: b.Owner, SpecTag: w.Hash()}
	switch {
	case !ok && b.coveredBy(w) != "":
		r.Status = Present
		r.Reason = "not created: the alarm " + b.coveredBy(w) + ", which this controller did not make, watches the same and can fire"
	case !ok:
		r.Status, r.Owned, r.Reason = Missing, true, "no alarm of this name"
		if r.Unreached = (Have{Spec: w}).unreachable(b.Topics); r.Unreached.Reason != "" {
			r.Reason += "; made as it is wanted, it would reach no person: " + r.Unreached.Evidence
		}
		r.Write = Write{Put: &w, Own: own(w), Tags: tags}
	case h.Foreign:
		r.Status, r.Taken = Foreign, true
		r.Reason = "not made: this name is a " + h.shape() + "'s, and a name is unique over all types of alarms. " + neverTaken
	case !b.ours(h):
		r.Status, r.Taken = Foreign, h.Tags != nil
		r.Reason = fmt.Sprintf("not made: the alarm of this name carries no tag %s=%s. %s", OwnerTag, b.Owner, neverTaken)
	default:
		r.Owned = true
		b.compare(&r, w, h)
		if h.Tags != nil && (h.Tags[OwnerTag] != b.Owner || h.Tags[SpecTag] != w.Hash()) {
			r.Write.ARN, r.Write.Tags = h.ARN, tags
		}
	}
	return r
}

// neverTaken says what follows where a wanted name is an alarm's that is not ours.
const neverTaken = "It is never overwritten: give it another name, and the wanted alarm is made"

// compare says how an alarm of ours differs from what is wanted. What it was when it was last written shows who changed
// it: a person, or a newer wish.
func (b Basis) compare(r *Row, w Spec, h Have) {
	was := b.Applied[h.Name]
	fields, lists := differences(w, h), listsOf(w, h, was)
	all := slices.Clone(fields)
	for _, l := range lists {
		all = append(all, l.changes()...)
	}
	r.Status, r.Reason = Present, "as wanted"
	if len(all) > 0 {
		repaired := keepEdits(w, h, lists)
		r.Write.Put, r.Write.Was, r.Write.Own = &repaired, &h, own(w)
		r.Reason = strings.Join(all, "; ")
		if changedByHand(fields, lists, h, was) {
			r.Status = Drifted
		} else {
			r.Reason = "to be brought up to date: " + r.Reason
		}
	}
	if blind := b.blind(h.Name); len(blind) > 0 && r.Status == Present {
		r.Status, r.Reason = Blind, blindText(blind)
	} else if len(blind) > 0 {
		r.Reason += "; as it is, it reaches no person or cannot fire: " + blindText(blind)
	}
	for _, l := range lists {
		for _, crowded := range l.crowded() {
			r.Reason += "; " + crowded
		}
	}
	if kept := edits(w, h, lists); len(kept) > 0 {
		r.Reason += "; kept, since people own it: " + strings.Join(kept, ", ")
	}
}

// own are the wanted actions.
func own(w Spec) Actions { return Actions{Alarm: w.AlarmActions, OK: w.OKActions} }

// changedByHand reports whether a person changed an alarm since it was written; otherwise the wish changed.
func changedByHand(fields []string, lists []actionList, h Have, was Applied) bool {
	edited := len(h.Settings) > 0 || h.Hash() != cmp.Or(h.Tags[SpecTag], was.Hash) || h.Metric != "" && h.Namespace != Namespace
	if len(fields) > 0 && edited {
		return true
	}
	return slices.ContainsFunc(lists, actionList.lostOurs)
}

func (b Basis) coveredBy(w Spec) string {
	if b.Covered == nil {
		return ""
	}
	return b.Covered(w)
}

func (b Basis) blind(name string) []Blindness {
	if b.Blind == nil {
		return nil
	}
	return b.Blind(name)
}

// surplus lists the alarms of ours that are not wanted any more. One is deleted where the tag, the prefix and the owner
// agree, two complete looks at the target did not want it, and not more than a share goes at once. A look without any
// wish justifies nothing: a target that shows no service at all is more likely misread than empty.
func (b Basis) surplus(have []Have, wanted map[string]bool) (rows []Row, missed map[string]time.Time) {
	missed = map[string]time.Time{}
	ours := 0
	for _, h := range have {
		if !b.madeHere(h) {
			continue
		}
		ours++
		if wanted[h.Name] {
			continue
		}
		since, before := b.Missed[h.Name]
		switch {
		case !b.Seen.Complete || len(wanted) == 0:
			if before {
				missed[h.Name] = since
			}
		case !before:
			missed[h.Name] = b.Seen.At
		default:
			missed[h.Name] = since
		}
		r := Row{Name: h.Name, Kind: kindIn(h.Name, b.Owner), Status: Present, Owned: true, State: h.State, Reason: "no longer wanted: what it watches is gone"}
		if before && b.Seen.Complete && len(wanted) > 0 && b.Seen.At.After(since) && b.Delete {
			r.Write.Delete, r.Write.ARN = h.Name, h.ARN
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Name, b.Name) })
	limitDeletes(rows, max(1, int(deleteShare*float64(ours))))
	return rows, missed
}

// limitDeletes lets not more than most of the rows delete.
func limitDeletes(rows []Row, most int) {
	for i := range rows {
		if rows[i].Write.Delete == "" {
			continue
		}
		if most--; most < 0 {
			rows[i].Write = Write{}
			rows[i].Reason += "; it waits its turn, since only a share is deleted at once"
		}
	}
}

// madeHere reports whether an alarm was made by this controller for what it looks at: by name, scope and tag alike.
func (b Basis) madeHere(h Have) bool {
	return strings.HasPrefix(h.Name, Prefix(b.Owner)) && b.Scope != nil && b.Scope(h.Name) && !h.Foreign && h.Tags[OwnerTag] == b.Owner
}

// kindIn is the kind that a name of ours says.
func kindIn(name, owner string) Kind {
	parts := strings.Split(strings.TrimPrefix(name, Prefix(owner)), "/")
	if len(parts) < 2 {
		return ""
	}
	return Kind(parts[1])
}

// OwnScope says which names are of the controller's alarms on itself: those that Own gives.
func OwnScope(owner string) func(string) bool {
	return func(name string) bool {
		k := kindIn(name, owner)
		return strings.HasPrefix(name, Prefix(owner)) && (k == TargetBlind || k == Heartbeat)
	}
}

// ScopeOf says which names are of a target's own alarms: those that Want gives, and not those on the controller.
func ScopeOf(owner, target string) func(string) bool {
	prefix := Prefix(owner) + url.PathEscape(target) + "/"
	return func(name string) bool {
		k := kindIn(name, owner)
		return strings.HasPrefix(name, prefix) && k != TargetBlind && k != Heartbeat
	}
}

// ours needs the owner's tag, or, where the tags say nothing of any owner, the record of having written it.
func (b Basis) ours(h Have) bool {
	if who, tagged := h.Tags[OwnerTag]; tagged {
		return who == b.Owner
	}
	return b.Applied[h.Name].Hash != ""
}

// differences names the settings that this product owns and that are not as wanted (docs/alarms.md has who owns which).
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
	for _, s := range h.Settings {
		say(s.Name, "none", s.Value)
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
