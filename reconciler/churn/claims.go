package churn

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

// court is one judgement's claims: what was seen, what is remembered, and all stops known, oldest first.
type court struct {
	o     fleet.Observation
	h     History
	p     Policy
	now   time.Time
	stops []Stop
	known map[string]bool // their tasks' ARNs
	short time.Time       // since when tasks have been missing; zero: none is
}

const (
	minClear     = 60 * time.Second // DESIGN's floor of every clearing
	maxPause     = 15 * time.Minute // a replacement that takes longer is not waited for when a finding clears
	defaultClear = time.Hour        // where no lifetime is known
	maxShown     = 5                // stops or tasks in a claim's evidence
	staysShort   = 5 * time.Minute  // tasks missing for so long are no momentary gap: a replacement comes up in less
	gapLifetimes = 3                // missing tasks are the deaths' doing while one came within so many median lifetimes,
	minGap       = 15 * time.Minute // or this, if that is longer
)

// counted tells the stops that churn is made of. A circuit breaker's are ECS's own news, and so is what never came up while
// its deployment was not through.
func counted(s Stop) bool {
	return !s.Verdict.Planned && s.Verdict.Cause != CircuitBreaker && !s.Told
}

func sidecarDeath(s Stop) bool {
	return !s.Verdict.Planned && s.Verdict.Sidecar && s.Verdict.Culprit != nil
}

// keep is the stops that are wanted; a new list only where some are not.
func keep(stops []Stop, want func(Stop) bool) []Stop {
	i := slices.IndexFunc(stops, func(s Stop) bool { return !want(s) })
	if i < 0 {
		return slices.Clip(stops)
	}
	out := slices.Clip(stops[:i])
	for _, s := range stops[i:] {
		if !want(s) {
			continue
		}
		if len(out) == cap(out) {
			out = slices.Grow(out, len(stops)-len(out))
		}
		out = append(out, s)
	}
	return out
}

// run is the newest deaths that belong together: no gap between them is so long that a finding would have cleared in it.
type run struct {
	stops []Stop // oldest first, at least one
	survival
	limit time.Duration // how long no death must come before the finding clears
}

func (r run) last() Stop { return r.stops[len(r.stops)-1] }

// runOf finds the run: all deaths of the last window, since together they open a finding, and before them each that came
// less than the clearing time before the next. It depends on nothing that happened after the last death.
func (c court) runOf(deaths []Stop) run {
	last := deaths[len(deaths)-1].StoppedAt
	i := slices.IndexFunc(deaths, func(s Stop) bool { return last.Sub(s.StoppedAt) <= c.p.Window })
	for {
		r := run{stops: deaths[i:], survival: survivalOf(c.lives(deaths[i:]))}
		r.limit = c.clearTime(r)
		first := i
		for i > 0 && deaths[i].StoppedAt.Sub(deaths[i-1].StoppedAt) < r.limit {
			i--
		}
		if i == first {
			return r
		}
	}
}

// clearTime is how long no death must come before the finding clears: twice the 95th percentile of the lifetimes. Where
// tasks die within minutes, what takes time is their replacement: then it is twice what that takes.
func (c court) clearTime(r run) time.Duration {
	if c.p.ClearAfter > 0 {
		return c.p.ClearAfter
	}
	if r.deaths == 0 {
		return defaultClear
	}
	var pauses []time.Duration
	for i := 1; i < len(r.stops); i++ {
		pauses = append(pauses, r.stops[i].StoppedAt.Sub(r.stops[i-1].StoppedAt))
	}
	slices.Sort(pauses)
	pause := time.Duration(0)
	if n := len(pauses); n > 0 {
		pause = min(2*pauses[n*95/100], maxPause)
	}
	return max(2*r.quantile(0.95), pause, minClear)
}

// clock says how the deaths stand. fresh: the last one is younger than the clearing time, so the finding may open; kept: it
// is, or a deployment or a hole in what was seen has restarted the clock, so an open one stays. clears is when that ends.
func (c court) clock(r run) (fresh, kept bool, clears time.Time) {
	last := r.last().StoppedAt
	start := last
	for _, d := range c.o.Service.Deployments {
		start = latest(start, d.CreatedAt)
	}
	if c.h.Watched.After(start) && !c.olderThan(start) {
		start = c.h.Watched
	}
	return c.o.At.Sub(last) < r.limit, c.o.At.Sub(start) < r.limit, start.Add(r.limit)
}

// olderThan tells whether all tasks wanted have run since before a time: then none was replaced since, whoever watched.
func (c court) olderThan(at time.Time) bool {
	n := 0
	for _, t := range c.o.Tasks {
		if t.LastStatus != fleet.StatusRunning || !t.Ran() {
			continue
		}
		if t.StartedAt.After(at) {
			return false
		}
		n++
	}
	return n > 0 && n >= c.o.Service.Desired
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// since is the part of the stops, which are in order, from a time on.
func (c court) since(stops []Stop, from time.Time) []Stop {
	i, _ := slices.BinarySearchFunc(stops, from, func(s Stop, from time.Time) int { return s.StoppedAt.Compare(from) })
	return stops[i:]
}

// tasks is how many tasks were exposed, as far as one look can tell.
func (c court) tasks() int { return max(c.o.Service.Desired, c.o.Service.Running, 1) }

// silentChurn claims that the service's tasks die too often. Opening takes detect.threshold unplanned stops in the window, a
// rate whose lower bound is above detect.ratePerTaskDay, and a last death younger than the clearing time.
func (c court) silentChurn() []finding.Claim {
	deaths := keep(c.stops, counted)
	if len(deaths) == 0 {
		return nil
	}
	r := c.runOf(deaths)
	fresh, kept, clears := c.clock(r)
	if !fresh && !kept {
		return nil
	}
	often := c.rate(deaths)
	claim := finding.Claim{
		Type: finding.SilentChurn, Severity: c.severity(r), Reason: reasonUnplanned, Message: c.churnMessage(r, often), Evidence: newest(r.stops),
		Since: r.stops[0].StoppedAt, Count: len(r.stops), Keeps: !fresh || often.n < max(c.p.Threshold, 1) || often.low <= c.p.RatePerTaskDay,
		Detail: c.detail(r, clears),
	}
	claim.Rate = often.finding()
	if completes(r.stops) {
		claim.Reason, claim.Message = reasonLoop, c.loopMessage(r, often)
	}
	return []finding.Claim{claim}
}

// Reasons of SilentChurn.
const (
	reasonUnplanned = "UnplannedStops"
	reasonLoop      = "CompletedLoop"
)

// completed is the share of a run's ends that must be its application's own with exit 0 for a CompletedLoop: a host that
// fails now and then does not make a crash of it.
const completed = 0.9

// completes tells whether the process ends with 0 nearly each time: a job that runs as a service.
func completes(stops []Stop) bool {
	n := 0
	for _, s := range stops {
		v := s.Verdict
		if v.Cause == EssentialContainerExited && !v.Sidecar && v.Culprit != nil && v.Culprit.ExitCode != nil && *v.Culprit.ExitCode == 0 {
			n++
		}
	}
	return float64(n) >= completed*float64(len(stops))
}

// severity is critical in a storm, while running stays under desired for the deaths, and from the first gap of a one-task
// service on.
func (c court) severity(r run) finding.Severity {
	storm := c.p.StormStops > 0 && len(c.since(r.stops, c.now.Add(-c.p.StormWithin))) >= c.p.StormStops
	lately := c.now.Sub(r.last().StoppedAt) <= max(gapLifetimes*r.quantile(0.5), minGap)
	stays := !c.short.IsZero() && c.o.At.Sub(c.short) >= staysShort
	if storm || stays && lately || c.gap(r) {
		return finding.Critical
	}
	return finding.Warning
}

// gap tells whether a service of one task was down for its death: nothing runs now, or what runs was started after it. That
// its replacement came soon does not undo it.
func (c court) gap(r run) bool {
	if c.o.Service.Desired != 1 || c.o.Service.Deploying() {
		return false
	}
	if c.o.Service.Running == 0 {
		return counted(c.stops[len(c.stops)-1])
	}
	for _, t := range c.o.Tasks {
		if !t.Stopped() && t.Ran() && !t.StartedAt.After(r.last().StoppedAt) {
			return false
		}
	}
	return slices.ContainsFunc(c.o.Tasks, func(t fleet.Task) bool { return !t.Stopped() && t.Ran() })
}

// shortSince is since when the service has had fewer tasks than it wants while no deployment went on; zero: it has not. A
// partial look leaves it as it was.
func shortSince(o fleet.Observation, was time.Time) time.Time {
	switch {
	case !o.Complete:
		return was
	case o.Gone, o.Service.Running >= o.Service.Desired, o.Service.Deploying():
		return time.Time{}
	case was.IsZero():
		return o.At
	}
	return was
}

func (c court) churnMessage(r run, often rate) string {
	what := "unplanned stops"
	if len(r.stops) == 1 {
		what = "unplanned stop"
	}
	m := fmt.Sprintf("%d %s of a service of %d task(s) since %s, %d in the last %s: %s",
		len(r.stops), what, c.tasks(), r.stops[0].StoppedAt.UTC().Format(time.RFC3339), often.n, human(c.p.Window), often)
	if life := r.span(); life != "" {
		m += "; tasks die " + life
	}
	return m + "; " + strings.Join(blames(r.stops), ", ")
}

// loopMessage speaks of a process that does its work and ends: nothing crashed.
func (c court) loopMessage(r run, often rate) string {
	m := "the process ends by itself with exit 0, and ECS starts it again: "
	if culprit := r.last().Verdict.Culprit; culprit != nil {
		m = "container " + Mask(culprit.Container) + " ends by itself with exit 0, and ECS starts it again: "
	}
	m += fmt.Sprintf("%d times since %s, %s", len(r.stops), r.stops[0].StoppedAt.UTC().Format(time.RFC3339), often)
	if life := r.span(); life != "" {
		m += "; it ends " + life
	}
	return m + "; a job belongs in a scheduled task (EventBridge Scheduler with RunTask), a service's process must not end"
}

// blames counts who was to blame and for what, most common first.
func blames(run []Stop) []string {
	counts := map[guilt]int{}
	for _, s := range run {
		counts[guiltOf(s)]++
	}
	all := slices.SortedFunc(maps.Keys(counts), func(a, b guilt) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a.String(), b.String()))
	})
	var out []string
	for _, g := range all {
		if len(out) == maxShown {
			return append(out, "…")
		}
		out = append(out, fmt.Sprintf("%d× %s", counts[g], g))
	}
	return out
}

// guilt is who was to blame for a stop, and for what.
type guilt struct {
	cause     Cause
	container string
	exit      int
	coded     bool // AWS gave the exit code
	signature string
}

func guiltOf(s Stop) guilt {
	g := guilt{cause: s.Verdict.Cause}
	if c := s.Verdict.Culprit; c != nil {
		g.container = c.Container
		if c.ExitCode != nil {
			g.exit, g.coded = *c.ExitCode, true
		}
	}
	if sig, ok := fatalSignature(s.Verdict.Signatures); ok {
		g.signature = sig.Name
	}
	return g
}

func (g guilt) String() string {
	out := string(g.cause)
	if g.container != "" {
		out += " by " + Mask(g.container)
	}
	if g.coded {
		out += fmt.Sprintf(" (exit %d)", g.exit)
	}
	if g.signature != "" {
		out += ", " + g.signature
	}
	return out
}

// newest shows up to five stops, newest first.
func newest(run []Stop) []string {
	var out []string
	for _, s := range slices.Backward(run) {
		if len(out) == maxShown {
			break
		}
		line := fmt.Sprintf("task %s stopped %s: %s", fleet.NameOf(s.TaskARN), s.StoppedAt.UTC().Format(time.RFC3339), guiltOf(s))
		if sig, ok := fatalSignature(s.Verdict.Signatures); ok {
			line += ": " + sig.Line
		}
		out = append(out, line)
	}
	return out
}
