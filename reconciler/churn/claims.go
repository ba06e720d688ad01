package churn

import (
	"cmp"
	"fmt"
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
}

const (
	minClear     = 60 * time.Second // DESIGN's floor of every clearing
	defaultClear = time.Hour        // where no lifetime is known
	maxShown     = 5                // stops or tasks in a claim's evidence
	gapStops     = 2                // unplanned stops that make a missing task critical …
	gapLifetimes = 3                // … within so many median lifetimes,
	minGap       = 15 * time.Minute // or this, if that is shorter
)

// counted tells the stops that churn is made of. A circuit breaker's are ECS's own news.
func counted(s Stop) bool { return !s.Verdict.Planned && s.Verdict.Cause != CircuitBreaker }

func sidecarDeath(s Stop) bool {
	return !s.Verdict.Planned && s.Verdict.Sidecar && s.Verdict.Culprit != nil
}

func keep(stops []Stop, want func(Stop) bool) []Stop {
	return slices.DeleteFunc(slices.Clone(stops), func(s Stop) bool { return !want(s) })
}

// clearTime is how long no death must come before a finding of these deaths clears.
func (c court) clearTime(deaths []Stop) time.Duration {
	if c.p.ClearAfter > 0 {
		return c.p.ClearAfter
	}
	known := lifetimes(deaths)
	if len(known) == 0 {
		return defaultClear
	}
	return max(2*quantile(known, 0.95), minClear)
}

// clock says how these deaths stand. fresh: the last one is younger than the clearing time, so the finding may open; kept:
// the last one, or a deployment since, is, so an open one stays.
func (c court) clock(deaths []Stop) (fresh, kept bool) {
	if len(deaths) == 0 {
		return false, false
	}
	last := deaths[len(deaths)-1].StoppedAt
	limit := c.clearTime(deaths)
	start := last
	for _, d := range c.o.Service.Deployments {
		start = latest(start, d.CreatedAt)
	}
	return c.o.At.Sub(last) < limit, c.o.At.Sub(start) < limit
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// episode is the newest run of deaths without a gap in which the finding would have cleared.
func (c court) episode(deaths []Stop) []Stop {
	limit := c.clearTime(deaths)
	for i := len(deaths) - 1; i > 0; i-- {
		if deaths[i].StoppedAt.Sub(deaths[i-1].StoppedAt) >= limit {
			return deaths[i:]
		}
	}
	return deaths
}

func (c court) since(stops []Stop, from time.Time) []Stop {
	return keep(stops, func(s Stop) bool { return !s.StoppedAt.Before(from) })
}

// tasks is how many tasks were exposed, as far as one look can tell.
func (c court) tasks() int { return max(c.o.Service.Desired, c.o.Service.Running, 1) }

// silentChurn claims that the service's tasks die too often.
//
// Opening takes detect.threshold unplanned stops in the window, a rate whose lower bound is above detect.ratePerTaskDay,
// and a last death younger than the clearing time. The exposure goes back to the window's beginning, or to when stops
// would have been seen, or to the oldest stop counted, so that stops read from history are not taken over no time.
func (c court) silentChurn() []finding.Claim {
	deaths := keep(c.stops, counted)
	fresh, kept := c.clock(deaths)
	if !fresh && !kept {
		return nil
	}
	start := c.now.Add(-c.p.Window)
	inWindow := c.since(deaths, start)
	if c.h.Since.After(start) {
		start = c.h.Since
	}
	if len(inWindow) > 0 && inWindow[0].StoppedAt.Before(start) {
		start = inWindow[0].StoppedAt
	}
	r := rateOf(len(inWindow), c.tasks(), c.now.Sub(start))
	opens := fresh && len(inWindow) >= max(c.p.Threshold, 1) && r.low > c.p.RatePerTaskDay
	run := c.episode(deaths)
	return []finding.Claim{{
		Type: finding.SilentChurn, Severity: c.severity(run), Reason: churnReason(run), Message: c.churnMessage(run, r),
		Evidence: newest(run), Since: run[0].StoppedAt, Count: len(run), Keeps: !opens,
	}}
}

// churnReason is CompletedLoop where the process ends with 0 each time: a job that runs as a service.
func churnReason(run []Stop) string {
	for _, s := range run {
		code := s.Verdict.Culprit
		if s.Verdict.Cause != EssentialContainerExited || code == nil || code.ExitCode == nil || *code.ExitCode != 0 {
			return "UnplannedStops"
		}
	}
	return "CompletedLoop"
}

// severity is critical in a storm, while tasks are missing that died lately, and while a one-task service is down for it.
func (c court) severity(run []Stop) finding.Severity {
	s := c.o.Service
	storm := c.p.StormStops > 0 && len(c.since(run, c.now.Add(-c.p.StormWithin))) >= c.p.StormStops
	lately := max(gapLifetimes*quantile(lifetimes(run), 0.5), minGap)
	missing := s.Running < s.Desired && len(c.since(run, c.now.Add(-lately))) >= gapStops
	last := c.stops[len(c.stops)-1]
	down := s.Desired == 1 && s.Running == 0 && counted(last)
	if storm || missing || down {
		return finding.Critical
	}
	return finding.Warning
}

func (c court) churnMessage(run []Stop, r rate) string {
	what := "unplanned stops"
	if len(run) == 1 {
		what = "unplanned stop"
	}
	m := fmt.Sprintf("%d %s of a service of %d task(s) since %s, %d in the last %s: %s",
		len(run), what, c.tasks(), run[0].StoppedAt.UTC().Format(time.RFC3339), r.n, human(c.p.Window), r)
	if life := span(lifetimes(run)); life != "" {
		m += "; tasks die " + life
	}
	return m + "; " + strings.Join(blames(run), ", ")
}

// blames counts who was to blame and for what, most common first.
func blames(run []Stop) []string {
	counts := map[string]int{}
	for _, s := range run {
		counts[blame(s)]++
	}
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d× %s", counts[name], name)
	}
	if len(names) > maxShown {
		names = append(names[:maxShown], "…")
	}
	return names
}

func blame(s Stop) string {
	out := string(s.Verdict.Cause)
	if c := s.Verdict.Culprit; c != nil {
		out += " by " + Mask(c.Container)
		if c.ExitCode != nil {
			out += fmt.Sprintf(" (exit %d)", *c.ExitCode)
		}
	}
	if sig, ok := fatalSignature(s.Verdict.Signatures); ok {
		out += ", " + sig.Name
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
		line := fmt.Sprintf("task %s stopped %s: %s", fleet.NameOf(s.TaskARN), s.StoppedAt.UTC().Format(time.RFC3339), blame(s))
		if sig, ok := fatalSignature(s.Verdict.Signatures); ok {
			line += ": " + sig.Line
		}
		out = append(out, line)
	}
	return out
}
