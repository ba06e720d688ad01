package reconciler

import (
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// desired is what the alarms of one target ought to be, and what that rests on.
type desired struct {
	want   []alarm.Spec
	scope  func(name string) bool // which names of ours it is about
	places []alarm.Place
	seen   fleet.Seen // the look at the target
	open   int        // gauge series
	spoken int
}

// desiredAlarms is what is wanted by the view and the findings; have shows how the fleet alarms are split now.
func (c *Controller) desiredAlarms(target string, have []alarm.Have) desired {
	if target == homeAlarms {
		var names []string
		for _, t := range c.o.Targets {
			names = append(names, t.Name)
		}
		return desired{want: alarm.Own(c.o.ID, names, c.o.Resync, c.o.HomeActions), scope: alarm.OwnScope(c.o.ID),
			seen: fleet.Seen{At: c.now(), Complete: true}}
	}
	last, _ := c.view.sweep(target)
	out := desired{scope: alarm.ScopeOf(c.o.ID, target), seen: last.Seen}
	all := c.book.Findings(target)
	out.places = c.placesOf(c.view.servicesOf(target), all)
	d := alarm.Demand{Owner: c.o.ID, Target: target, Layout: c.o.Layout, Places: out.places,
		Open: map[alarm.Kind]map[string]int{}, Split: alarm.SplitNow(have, c.o.ID, target)}
	if t, err := c.target(target); err == nil {
		d.Actions = t.Actions
	}
	for _, f := range all {
		kind, gauge := alarm.KindOf(f.Type)
		if !gauge {
			continue
		}
		out.spoken++
		if f.Open() {
			out.open++
			if d.Open[kind] == nil {
				d.Open[kind] = map[string]int{}
			}
			d.Open[kind][f.Key.Cluster]++
		}
	}
	out.want = alarm.Want(d)
	return out
}

// placesOf are services as alarms know them, in order.
func (c *Controller) placesOf(services map[fleet.Key]fleet.Service, findings []finding.Finding) []alarm.Place {
	by := map[fleet.Key][]finding.Finding{}
	for _, f := range findings {
		by[f.Key] = append(by[f.Key], f)
	}
	var out []alarm.Place
	for key, s := range services {
		out = append(out, c.placeOf(key, s, by[key]))
	}
	slices.SortFunc(out, func(a, b alarm.Place) int {
		return strings.Compare(a.Cluster+"/"+a.Service, b.Cluster+"/"+b.Service)
	})
	return out
}

// placeOf is a service as alarms know it.
func (c *Controller) placeOf(key fleet.Key, s fleet.Service, findings []finding.Finding) alarm.Place {
	p := alarm.Place{Cluster: key.Cluster, Service: key.Service, Seen: map[alarm.Kind][]string{}}
	if d, ok := c.definitions.of(s.TaskDefinition); ok {
		p.LogGroups = d.LogGroups()
	}
	for _, arn := range s.TargetGroups {
		p.TargetGroups = append(p.TargetGroups, fleet.ResourceOf(arn))
	}
	for _, f := range findings {
		kind, gauge := alarm.KindOf(f.Type)
		if !gauge {
			continue
		}
		p.Churns = p.Churns || f.Open()
		if !slices.Contains(p.Seen[kind], f.Subject) {
			p.Seen[kind] = append(p.Seen[kind], f.Subject)
		}
	}
	return p
}

// AlarmSight is what the last look at some alarms says of one service, or of the target. Before the first look there is
// none, and what was found in an earlier life stands.
type AlarmSight struct {
	Claims []finding.Claim
	Seen   fleet.Seen
	Looked bool
	Own    bool // of the alarms on the controller itself
}

// ofController ends the subjects of what is found about the controller's own alarms.
const ofController = " of the controller"

// sightOf is the claims on a service's alarms. Where alarms are off nothing is claimed, and what was open closes.
func (c *Controller) sightOf(o fleet.Observation, findings []finding.Finding) AlarmSight {
	s := c.sight(o.Target)
	s.Claims = nil // of the target
	if a := c.audits.of(o.Target); a.index != nil && c.o.Alarms != Off && !o.Gone {
		s.Claims = a.index.ClaimsAt(c.placeOf(o.Key, o.Service, findings))
	}
	return s
}

// targetSights are the claims on a target's alarms; those on the controller's own are the first target's.
func (c *Controller) targetSights(target string) []AlarmSight {
	out := []AlarmSight{c.sight(target)}
	if target == c.o.Targets[0].Name {
		home := c.sight(homeAlarms)
		home.Own, home.Claims = true, slices.Clone(home.Claims)
		for i := range home.Claims {
			home.Claims[i].Subject += ofController
			home.Claims[i].Reason = "Controller" + home.Claims[i].Reason // one finding a target and reason
		}
		out = append(out, home)
	}
	return out
}

func (c *Controller) sight(target string) AlarmSight {
	if c.o.Alarms == Off {
		return AlarmSight{Seen: fleet.Seen{At: c.now(), Complete: true}, Looked: true}
	}
	a := c.audits.of(target)
	return AlarmSight{Claims: a.claims, Seen: a.seen, Looked: a.index != nil}
}

// mergeAll merges what looks with their own completeness say of one key: of the service or target, and of its alarms.
func mergeAll(key fleet.Key, was []finding.Finding, claims []finding.Claim, seen fleet.Seen, now time.Time, alarms ...AlarmSight) []finding.Finding {
	onAlarms := func(f finding.Finding) bool { return strings.HasPrefix(f.Type, "Alarm") }
	out := finding.Merge(key, slices.DeleteFunc(slices.Clone(was), onAlarms), claims, seen, now)
	for _, s := range alarms {
		theirs := slices.DeleteFunc(slices.Clone(was), func(f finding.Finding) bool {
			return !onAlarms(f) || strings.HasSuffix(f.Subject, ofController) != s.Own
		})
		if s.Looked {
			theirs = finding.Merge(key, theirs, s.Claims, s.Seen, now)
		}
		out = append(out, theirs...)
	}
	slices.SortFunc(out, finding.Finding.Compare)
	return out
}

// price is what a target's watch costs a month; the controller's own account has the heartbeat's.
func (c *Controller) price(target string, d desired, listed int, l *lookups) alarm.Cost {
	u := alarm.Use{Series: d.open, Spoken: d.spoken, Specs: d.want, Alarms: listed, Listed: len(l.active), Audit: c.auditEvery()}
	if target == homeAlarms {
		u.Own = 1 + len(c.o.Targets)
	} else {
		last, _ := c.view.sweep(target)
		u.Calls, u.Resync = last.Calls, c.effective(target)
	}
	return alarm.PriceOf(u)
}

// auditEvery is the time between two audits by the schedule.
func (c *Controller) auditEvery() time.Duration {
	next := c.o.AlarmAudit.Next(c.now())
	return c.o.AlarmAudit.Next(next).Sub(next)
}

// Hearing is who hears of a finding.
type Hearing struct {
	Alarms []string // that tell of it and reach a person
	Why    string   // no person is notified; "": one is, or it is not of a kind that alarms tell
}

// HearingOf says which alarms tell of an open finding.
func (c *Controller) HearingOf(f finding.Finding) Hearing {
	kind, gauge := alarm.KindOf(f.Type)
	if !gauge || !f.Open() {
		return Hearing{}
	}
	a := c.audits.of(f.Key.Target)
	switch {
	case c.o.Alarms == Off:
		return Hearing{Why: "alarms.mode is off: alarms are not looked at"}
	case a.index == nil:
		return Hearing{Why: "not known yet: the alarms were not read"}
	}
	p := c.placeOf(f.Key, c.view.service(f.Key), nil)
	p.Seen = map[alarm.Kind][]string{kind: {f.Subject}}
	var h Hearing
	all := a.index.At(p)[alarm.Failure(kind)]
	for _, t := range all {
		if t.Tells == alarm.Yes {
			h.Alarms = append(h.Alarms, t.Alarm)
		}
	}
	switch {
	case len(h.Alarms) > 0:
	case len(all) > 0:
		h.Why = all[0].Alarm + ": " + all[0].Why
	default:
		h.Why = "no alarm watches for it"
	}
	return h
}

// CoverOf says, for each failure that a service can have, whether an alarm tells of it; nothing before the first look.
func (c *Controller) CoverOf(key fleet.Key) []alarm.Cover {
	a := c.audits.of(key.Target)
	if a.index == nil {
		return nil
	}
	return a.index.Cover(c.placeOf(key, c.view.service(key), c.book.peek(key).Findings))
}
