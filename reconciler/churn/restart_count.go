package churn

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/fleet"
)

// RecentRestarts are remembered of a service.
const RecentRestarts = 200

// Restarts is what is remembered of the restarts of a service's containers under their restart policies.
type Restarts struct {
	Until  time.Time          // data of before it are counted; zero: none ever were
	Means  Meaning            // what the value of RestartCount is, as far as the service's own data have shown it
	Values map[string]float64 // the last value by task id and container, where it was not 0
	Recent []Restart          // the newest ones, oldest first
}

// Restart is one restart of one container, in the minute of its datum.
type Restart struct {
	At        time.Time
	Container string
	Task      string        // id
	After     time.Duration // since its last restart or its task's start; 0: unknown
}

// Meaning says what a value of RestartCount is. AWS's pages do not: the EC2 agent sends the difference between two of its
// reports (amazon-ecs-agent, agent/stats/queue.go, getRestartStatsSet), Fargate's agent and what CloudWatch makes of it are
// not public.
type Meaning string

// Meanings. Until the data have shown it a rise is counted, which is right for a total, and for differences unless two minutes
// that follow one another each have a restart.
const (
	Unshown Meaning = ""
	Total   Meaning = "total" // of the task so far: a rise is a restart
	Each    Meaning = "each"  // of its minute alone
)

// countRestarts counts what was read and not counted before: the same reading brings nothing a second time.
func (c court) countRestarts() (Restarts, []Restart) {
	was, is := c.h.Restarts, c.o.Metrics.Restarts
	if !is.Complete || !is.Absent.IsZero() || !is.At.After(was.Until) || is.Insights != "" && is.Insights != fleet.InsightsEnhanced {
		return was, nil
	}
	next := Restarts{Until: is.At, Means: was.Means, Values: c.lasting(was.Values), Recent: was.Recent}
	var unread []fleet.RestartSeries
	for _, s := range is.Series {
		s.Points = slices.DeleteFunc(slices.Clone(s.Points), func(p fleet.Point) bool { return p.At.Before(was.Until) || !p.At.Before(is.At) })
		unread = append(unread, s)
	}
	slices.SortFunc(unread, func(x, y fleet.RestartSeries) int { return cmp.Compare(seriesName(x), seriesName(y)) })
	next.Means = c.meaning(unread, was)
	var found []Restart
	for _, s := range unread {
		value, known := was.Values[seriesName(s)]
		whole := c.sinceStart(s, was)
		if !known && !whole && len(s.Points) > 0 {
			value, s.Points = s.Points[0].Value, s.Points[1:] // what was there before anybody looked
		}
		at, last := next.Means.count(s.Points, value, latest(was.Until, is.From), c.restartAfter(s))
		found = append(found, c.restartsOf(s, at, whole)...)
		if delete(next.Values, seriesName(s)); last != 0 {
			next.Values[seriesName(s)] = last
		}
	}
	slices.SortStableFunc(found, func(x, y Restart) int { return x.At.Compare(y.At) })
	next.Recent = slices.Concat(was.Recent, found)
	next.Recent = next.Recent[max(0, len(next.Recent)-RecentRestarts):]
	return next, found
}

func seriesName(s fleet.RestartSeries) string { return s.Task + "/" + s.Container }

// lasting are the values of tasks that AWS still shows, or may have.
func (c court) lasting(values map[string]float64) map[string]float64 {
	out := map[string]float64{}
	for name, v := range values {
		task, _, _ := strings.Cut(name, "/")
		if _, shown := c.task(task); shown || !c.o.Complete {
			out[name] = v
		}
	}
	return out
}

func (c court) task(id string) (fleet.Task, bool) {
	for _, t := range c.o.Tasks {
		if t.ID() == id {
			return t, true
		}
	}
	return fleet.Task{}, false
}

// sinceStart tells whether all data of the series since its task's start were read, now or before.
func (c court) sinceStart(s fleet.RestartSeries, was Restarts) bool {
	from := c.o.Metrics.Restarts.From
	t, ok := c.task(s.Task)
	return !was.Until.IsZero() && !from.After(was.Until) || ok && !t.StartedAt.Before(from)
}

// meaning is what the data show. A container restarts at most once every restartAttemptPeriod, so values that add up to more
// than fit into their time are no single restarts but a total, said again each minute. Otherwise a value that falls within
// the life of one task is no total.
func (c court) meaning(series []fleet.RestartSeries, was Restarts) Meaning {
	means := was.Means
	for _, s := range series {
		value := was.Values[seriesName(s)]
		for _, p := range s.Points {
			if p.Value < value {
				means = Each
			}
			value = p.Value
		}
	}
	for _, s := range series {
		if tooMany(s.Points, c.restartAfter(s)) {
			return Total
		}
	}
	return means
}

// tooMany finds a stretch of minutes whose sum is above 2 + its length ÷ period: with one restart at each end of the stretch,
// one more for the minutes' being rounded down.
func tooMany(points []fleet.Point, period time.Duration) bool {
	sum, least := 0.0, 0.0 // of the sum before a stretch begins, less what had room until then
	for i, p := range points {
		room := p.At.Sub(points[0].At).Seconds() / period.Seconds()
		if before := sum - room; i == 0 || before < least {
			least = before
		}
		if sum += p.Value; sum-room-least > 2 {
			return true
		}
	}
	return false
}

// count gives the minute of each restart in the points and the last value. More than the policy allows since the point before
// is no number of restarts: nobody saw how it came about.
func (m Meaning) count(points []fleet.Point, value float64, since time.Time, period time.Duration) (at []time.Time, last float64) {
	for _, p := range points {
		n := p.Value
		if m != Each {
			n -= value
		}
		if n <= 2+p.At.Sub(since).Seconds()/period.Seconds() {
			for range int(max(n, 0)) {
				at = append(at, p.At)
			}
		}
		value, since = p.Value, p.At
	}
	return at, value
}

// restartsOf makes the restarts of one series. How long the container had lived is known from the restart before, and for the
// first one from the task's start, where all since then was read.
func (c court) restartsOf(s fleet.RestartSeries, at []time.Time, whole bool) []Restart {
	began := time.Time{}
	if t, ok := c.task(s.Task); ok && whole && !t.StartedAt.Before(c.h.Since) {
		began = t.StartedAt
	}
	for _, r := range c.h.Restarts.Recent {
		if r.Task == s.Task && r.Container == s.Container {
			began = r.At
		}
	}
	var out []Restart
	for _, when := range at {
		r := Restart{At: when, Container: s.Container, Task: s.Task}
		if !began.IsZero() && when.After(began) {
			r.After = when.Sub(began)
		}
		out, began = append(out, r), when
	}
	return out
}

func (c court) restartAfter(s fleet.RestartSeries) time.Duration {
	t, _ := c.task(s.Task)
	def, _ := c.o.Definitions[t.TaskDefinition].Container(s.Container)
	return def.RestartAfter()
}
