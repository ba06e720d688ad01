package finding

import (
	"cmp"
	"slices"
	"time"

	"taskwarden/reconciler/fleet"
)

const (
	// settle is how long complete looks must lack a claim before its finding closes (CONTRACT section 3). It is counted
	// from the first look that lacks it, so that it takes two: one answer of AWS that is whole and wrong closes nothing.
	settle = 60 * time.Second
	// patience is how long a finding stays as it is while its evidence cannot be read: a process that just started has not
	// read it yet.
	patience = 30 * time.Minute
	// keepClosed is how long a closed finding stays listed under ?status=all.
	keepClosed = 7 * 24 * time.Hour
)

// Merge gives the findings of one key after one look:
//
//	claim          was       complete look    becomes
//	opens          -/closed  any              True, first seen at the claim's Since; a closed one only on newer evidence
//	opens, keeps   open      any              True
//	keeps, blind   -/closed  any              unchanged
//	blind          open      any              unchanged; blind for >= patience: Unknown
//	none           open      no               Unknown: nothing may be concluded
//	none           open      yes, first       unchanged, Missed at the look
//	none           open      yes, < settle    unchanged
//	none           open      yes, >= settle   False, closed at now
//
// Findings come back ordered; neither argument is changed.
func Merge(key fleet.Key, was []Finding, claims []Claim, seen fleet.Seen, now time.Time) []Finding {
	claimed := make(map[[2]string]Claim, len(claims))
	for _, c := range claims {
		claimed[[2]string{c.Type, c.Subject}] = c
	}
	var out []Finding
	for _, f := range was {
		id := [2]string{f.Type, f.Subject}
		c, ok := claimed[id]
		switch {
		case ok && c.Blind && f.Open():
			out = append(out, f.unread(seen))
			delete(claimed, id)
		case ok && (f.Open() || c.reopens(f)):
			out = append(out, f.refresh(c, seen, now))
			delete(claimed, id)
		case f.Open():
			out = append(out, f.without(seen, now))
		case ok || f.remembered(now):
			out = append(out, f)
			delete(claimed, id) // nothing new, or too weak
		}
	}
	for _, c := range claims {
		if _, fresh := claimed[[2]string{c.Type, c.Subject}]; fresh && !c.Keeps {
			out = append(out, c.opened(key, seen, now))
			delete(claimed, [2]string{c.Type, c.Subject})
		}
	}
	slices.SortFunc(out, Finding.Compare)
	return out
}

func (c Claim) opened(key fleet.Key, seen fleet.Seen, now time.Time) Finding {
	return Finding{Key: key, Type: c.Type, Subject: c.Subject, Status: False}.refresh(c, seen, now)
}

// remembered tells whether a closed finding is kept yet.
func (f Finding) remembered(now time.Time) bool { return now.Sub(f.ClosedAt) < keepClosed }

func (c Claim) reopens(f Finding) bool { return !c.Keeps && c.news(f) }

// news tells whether the claim rests on something that the closed finding did not know: what was over by the evidence
// does not begin again by the same evidence.
func (c Claim) news(f Finding) bool { return c.Last.IsZero() || c.Last.After(f.Last) }

func (f Finding) refresh(c Claim, seen fleet.Seen, now time.Time) Finding {
	if !f.Open() {
		f.FirstSeen = c.Since
		if c.Since.IsZero() {
			f.FirstSeen = now
		}
		f.ClosedAt = time.Time{}
	}
	f.Status, f.LastSeen, f.Missed, f.Blind = True, seen.At, time.Time{}, time.Time{}
	f.Severity, f.Reason, f.Message, f.Evidence = c.Severity, c.Reason, c.Message, c.Evidence
	f.Count, f.Detail = cmp.Or(c.Count, 1), c.Detail
	return f
}

func (f Finding) unread(seen fleet.Seen) Finding {
	switch {
	case f.Blind.IsZero():
		f.Blind = seen.At
	case seen.At.Sub(f.Blind) >= patience:
		f.Status = Unknown
	}
	return f
}

func (f Finding) without(seen fleet.Seen, now time.Time) Finding {
	switch {
	case !seen.Complete:
		f.Status = Unknown
	case f.Missed.IsZero():
		f.Missed = seen.At
	case seen.At.Sub(f.Missed) >= settle:
		f.Status, f.ClosedAt = False, now
	}
	return f
}

// Transition is a change of one finding's status, the thing worth saying once.
type Transition struct {
	At       time.Time
	Key      fleet.Key
	Type     string
	Subject  string
	From, To Status // From is "" for one never seen before
	Severity Severity
	Reason   string
	Message  string
}

// Transitions lists the status changes between two states of one key's findings.
func Transitions(was, is []Finding, now time.Time) []Transition {
	before := make(map[[2]string]Status, len(was))
	for _, f := range was {
		before[[2]string{f.Type, f.Subject}] = f.Status
	}
	var out []Transition
	for _, f := range is {
		from := before[[2]string{f.Type, f.Subject}]
		if from != f.Status {
			out = append(out, Transition{now, f.Key, f.Type, f.Subject, from, f.Status, f.Severity, f.Reason, f.Message})
		}
	}
	return out
}
