package reconciler

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// sayHindered is how long a service's fix must have been hindered before that is a finding: most errors pass sooner.
const sayHindered = time.Minute

// hinderedFor is how long what failed counts as in the way. What is wanted is tried again sooner; what failed last and is not
// wanted any more, such as a reading for a soak that has ended, stands in no way.
const hinderedFor = 30 * time.Minute

// hindrance is one thing that failed for one service: its visit, or a survey. It is that service's condition, never the target's.
type hindrance struct {
	key  fleet.Key
	what string
}

// hindered is why it failed, since when it has, and when it last did.
type hindered struct {
	err   error
	since time.Time
	last  time.Time
	said  bool // the service was judged since it lasts long enough to be a finding
}

// hinder notes that something failed for a service, or that it works again, and logs what is new.
func (r *remediation) hinder(h hindrance, err error) {
	now := r.now()
	r.state.Lock()
	maps.DeleteFunc(r.hindrances, func(_ hindrance, old hindered) bool { return now.Sub(old.last) >= hinderedFor })
	was, before := r.hindrances[h]
	is := hindered{err: err, since: now, last: now}
	if before {
		is.since, is.said = was.since, was.said
	}
	due := err != nil && !is.said && now.Sub(is.since) >= sayHindered
	is.said = is.said || due
	if err != nil {
		r.hindrances[h] = is
	} else {
		delete(r.hindrances, h)
	}
	r.state.Unlock()
	switch {
	case err != nil && !before:
		r.c.o.Log.Warn("something stands in the way of a fix", zap.Stringer("service", h.key), zap.String("in", h.what), zap.Error(err))
	case err == nil && before:
		r.c.o.Log.Info("no longer in the way of a fix", zap.Stringer("service", h.key), zap.String("in", h.what))
	}
	if due || err == nil && was.said {
		r.c.queue.Add(h.key) // its findings say so
	}
}

// claims says what hinders a service's fix.
func (r *remediation) claims(key fleet.Key, now time.Time) []finding.Claim {
	r.state.Lock()
	defer r.state.Unlock()
	c := finding.Claim{Type: finding.Unobservable, Subject: "RemediationStuck", Severity: finding.Info, Reason: "RemediationStuck",
		Message: "the fix of " + key.String() + " cannot be planned or rolled out now, and is tried again"}
	for h, is := range r.hindrances {
		if h.key != key || now.Sub(is.since) < sayHindered || now.Sub(is.last) >= hinderedFor {
			continue
		}
		c.Evidence = append(c.Evidence, h.what+": "+is.err.Error())
		if c.Since.IsZero() || is.since.Before(c.Since) {
			c.Since = is.since
		}
		if action := fleet.DeniedAction(is.err); action != "" {
			c.Message += ": allow the IAM action " + action
		}
	}
	if len(c.Evidence) == 0 {
		return nil
	}
	slices.SortFunc(c.Evidence, cmp.Compare)
	return []finding.Claim{c}
}
