package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

const (
	// balancerSpace and perTarget are the metric of an Application Load Balancer that counts the requests of a target group, a
	// target ("CloudWatch metrics for your Application Load Balancer"). Its statistic is Sum.
	balancerSpace = "AWS/ApplicationELB"
	perTarget     = "RequestCountPerTarget"
	// trafficKept is how long a reading serves: its points are hours.
	trafficKept = 15 * time.Minute
	// trafficIn bounds a reading: a visit waits for it, and other services' visits wait for the visit.
	trafficIn = 20 * time.Second
	// nothingKept is how long it serves that no metric counts requests: after a start the service's metrics are yet to be found.
	nothingKept = time.Minute
)

var errSlowTraffic = errors.New("no whole answer within " + trafficIn.String())

// trafficRead is what was last read of a service's requests.
type trafficRead struct {
	from, at time.Time
	traffic  *rollout.Traffic
}

// traffic is how many requests reached a service in each hour since from, by the load balancer, or else by Application Signals
// without InternalOperation, which is no request of a user. It is nil where neither counts any.
func (r *remediation) traffic(ctx context.Context, t Target, o fleet.Observation, from time.Time) (*rollout.Traffic, error) {
	now := r.now()
	from = from.Truncate(time.Hour)
	r.state.Lock()
	last := r.requests[o.Key]
	r.state.Unlock()
	keep := trafficKept
	if last.traffic == nil {
		keep = nothingKept
	}
	if last.from.Equal(from) && now.Sub(last.at) < keep {
		return last.traffic, nil
	}
	within, cancel := context.WithTimeoutCause(ctx, trafficIn, errSlowTraffic)
	defer cancel()
	read, err := readTraffic(within, t, o, from, now)
	if err != nil {
		return nil, fmt.Errorf("read the requests of %s: %w", o.Key, cmp.Or(context.Cause(within), err))
	}
	r.keepTraffic(o.Key, trafficRead{from, now, read})
	return read, nil
}

// keepTraffic keeps a reading, also one that no metric answered, and forgets those that serve no more.
func (r *remediation) keepTraffic(key fleet.Key, read trafficRead) {
	r.state.Lock()
	defer r.state.Unlock()
	maps.DeleteFunc(r.requests, func(_ fleet.Key, old trafficRead) bool { return read.at.Sub(old.at) >= trafficKept })
	r.requests[key] = read
}

// requestsUnread is what a service's lifetimes lack while its requests cannot be read.
const requestsUnread = "requests"

// undenied is an error that may pass. Where AWS denies the metric, time goes by the hours of the week.
func undenied(err error) error {
	if errors.Is(err, fleet.ErrDenied) {
		return nil
	}
	return err
}

// since is what happened around a rollout that is being judged: the service's requests, and what other services lost.
func (v *visit) since(ctx context.Context, r rollout.Rollout) (*rollout.Traffic, []rollout.Loss) {
	judged := r.Live() && (r.Phase == rollout.Rolling || r.Phase == rollout.Soaking) || r.JudgedOn(v.r.now())
	if !judged {
		return nil, nil
	}
	from := v.r.now().Add(-rollout.BaselineDays)
	if r.Plan.Before.Traffic != nil {
		from = r.Plan.Before.Traffic.From
	} else if r.Phase != rollout.Rolling {
		return nil, v.r.losses() // its lifetimes are compared by the hours of the week
	}
	traffic, err := v.r.traffic(ctx, v.t, v.observation, from)
	v.r.hinder(hindrance{v.key, requestsUnread}, undenied(err))
	return traffic, v.r.losses()
}

// lossesRead are the losses of all services as they were summed up last.
type lossesRead struct {
	at  time.Time
	all []rollout.Loss
}

// losses are the moments in which services lost half of their tasks, of all services that are known.
func (r *remediation) losses() []rollout.Loss {
	now := r.now()
	r.state.Lock()
	last := r.outages
	r.state.Unlock()
	if !last.at.IsZero() && now.Sub(last.at) < factsKept {
		return last.all
	}
	last = lossesRead{at: now}
	for _, m := range r.c.book.all() {
		if len(m.History.Stops) > 0 {
			last.all = append(last.all, rollout.Losses(m.Key, r.c.view.service(m.Key).Desired, m.History.Stops)...)
		}
	}
	r.state.Lock()
	r.outages = last
	r.state.Unlock()
	return last.all
}

func readTraffic(ctx context.Context, t Target, o fleet.Observation, from, to time.Time) (*rollout.Traffic, error) {
	var balanced []fleet.Query
	var groups []string
	for _, arn := range o.Service.TargetGroups {
		group := fleet.ResourceOf(arn)
		groups = append(groups, group)
		balanced = append(balanced, fleet.Query{Metric: metricOf(balancerSpace, perTarget, "TargetGroup", group), Statistic: "Sum", Period: time.Hour})
	}
	if read, err := hourly(ctx, t, balanced, from, to, 0); err != nil || read != nil {
		return named(read, perTarget+" of "+strings.Join(groups, ", ")), err
	}
	is := o.Metrics.Signals
	if is.Service == "" || is.Environment == "" || !is.Absent.IsZero() {
		return nil, nil
	}
	read, err := hourly(ctx, t, []fleet.Query{
		{Metric: signalMetric(is), Statistic: requests, Period: time.Hour},
		{Metric: signalMetric(is, "Operation", churn.InternalOperation), Statistic: requests, Period: time.Hour},
	}, from, to, 1)
	return named(read, "Application Signals of "+is.Service), err
}

func named(t *rollout.Traffic, source string) *rollout.Traffic {
	if t != nil {
		t.Source = source
	}
	return t
}

// hourly adds the series up, hour by hour, the last less of them taken off; nil where nothing was counted.
func hourly(ctx context.Context, t Target, queries []fleet.Query, from, to time.Time, less int) (*rollout.Traffic, error) {
	if len(queries) == 0 {
		return nil, nil
	}
	series, err := t.Observer.Series(ctx, queries, from, to)
	if err != nil {
		return nil, err
	}
	out := &rollout.Traffic{From: from, To: to, Hours: make([]float64, int((to.Sub(from)+time.Hour-1)/time.Hour))}
	counted := false
	for i, points := range series {
		sign := 1.0
		if i >= len(series)-less {
			sign = -1
		}
		for _, p := range points {
			if h := int(p.At.Sub(from) / time.Hour); h >= 0 && h < len(out.Hours) {
				out.Hours[h] += sign * p.Value
				counted = counted || p.Value > 0
			}
		}
	}
	for h, n := range out.Hours {
		out.Hours[h] = max(n, 0)
	}
	if !counted {
		return nil, nil
	}
	return out, nil
}
