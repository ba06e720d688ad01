package alarm

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Cost is what keeping watch adds to the bill of a month, in USD. Where AWS's billing is unclear the bounds differ.
type Cost struct {
	Low, High float64
	Items     []Price
	Assumes   []string
}

// Price is one line of a cost.
type Price struct {
	What      string
	Low, High float64
	Extra     bool // billed only in accounts set up so, and not in the sum
}

// Use is what is put and called for a target; the controller's own metrics and alarms are among Specs and Own.
type Use struct {
	Series int           // gauge series that speak now
	Spoken int           // of those seen in the last weeks, Series included
	Own    int           // metrics of the controller on itself
	Specs  []Spec        // the alarms there are, or would be
	Calls  int           // ECS calls of one look
	Resync time.Duration // between looks, the effective one
	Alarms int           // listed in the account: read whole with each audit
	Listed int           // metrics whose activity is looked up each hour
	Audit  time.Duration // between audits
}

// List prices in us-east-1 before free tiers (CloudWatch price list of 2025-10-28, first tier; CloudTrail's from its
// pricing page, unverified).
const (
	metricUSD = 0.30 // a custom metric and month, by the hours with data
	alarmUSD  = 0.10 // a metric that a standard-resolution alarm analyses, and month
	callUSD   = 0.01 / 1000
	trailUSD  = 2.00 / 100_000 // a management event in a second copy
	month     = 730 * time.Hour
	// shortest is the least interval, so that one of zero gives no infinite bill.
	shortest = time.Second
)

// PriceOf is the month if all goes on as it is: what is open stays open.
//
// What a multi-series alarm "analyses" is not said anywhere: the series that its query finds (the low bound), or every
// metric of the name that there is (the high one). Whether DescribeAlarms is billed as an API request is not clear either.
func PriceOf(u Use) Cost {
	plain, queries := 0, 0
	for _, s := range u.Specs {
		if s.Query == "" {
			plain++
		} else {
			queries++
		}
	}
	found, all := 0, 0 // series behind the queries; every fleet alarm of a kind sees other ones
	if queries > 0 {
		found, all = u.Series, max(u.Spoken, u.Series)
	}
	audits := per(u.Audit)
	pages := float64(max(1, (u.Alarms+99)/100))
	c := Cost{Items: []Price{
		{What: fmt.Sprintf("%d gauges that speak", u.Series), Low: usd(u.Series, metricUSD), High: usd(u.Series, metricUSD)},
		{What: "counters of stops, in the hours that have some", High: usd(u.Series, metricUSD)},
		{What: fmt.Sprintf("%d metrics of the controller on itself", u.Own), Low: usd(u.Own, metricUSD), High: usd(u.Own, metricUSD)},
		{What: fmt.Sprintf("%d alarms on one metric each", plain), Low: usd(plain, alarmUSD), High: usd(plain, alarmUSD)},
		{What: fmt.Sprintf("%d alarms on queries, by the series they analyse", queries), Low: usd(found, alarmUSD), High: usd(all, alarmUSD)},
		{What: "PutMetricData once a minute", Low: per(time.Minute) * callUSD, High: per(time.Minute) * callUSD},
		{What: "ListMetrics each hour", Low: per(time.Hour) * float64(u.Listed) * callUSD, High: per(time.Hour) * float64(u.Listed) * callUSD},
		{What: "DescribeAlarms with each audit", High: audits * pages * callUSD},
		{What: "a second CloudTrail copy of the reads, where there is one", High: per(u.Resync) * float64(u.Calls) * trailUSD, Extra: true},
	}, Assumes: []string{
		"list prices of us-east-1 (October 2025), before free tiers",
		"the findings open now stay open all month; a service without findings puts nothing",
		"where AWS does not say: the low bound bills a multi-series alarm for the series it finds, and DescribeAlarms not at all; the high one bills it for all series seen lately, and DescribeAlarms as a request",
	}}
	if u.Calls > 0 {
		every := strings.TrimSuffix(max(u.Resync, shortest).Round(time.Second).String(), "0s")
		c.Assumes = append(c.Assumes, fmt.Sprintf("a look every %s takes %d ECS calls, which are free", every, u.Calls))
	}
	c.Items = slices.DeleteFunc(c.Items, func(p Price) bool { return p.High == 0 })
	c.sum()
	return c
}

// Plus is two costs together, lines that say the same as one.
func (c Cost) Plus(o Cost) Cost {
	out := Cost{Items: slices.Clone(c.Items), Assumes: slices.Clone(c.Assumes)}
	for _, p := range o.Items {
		i := slices.IndexFunc(out.Items, func(q Price) bool { return q.What == p.What })
		if i < 0 {
			out.Items = append(out.Items, p)
			continue
		}
		out.Items[i].Low, out.Items[i].High = out.Items[i].Low+p.Low, out.Items[i].High+p.High
	}
	for _, a := range o.Assumes {
		if !slices.Contains(out.Assumes, a) {
			out.Assumes = append(out.Assumes, a)
		}
	}
	out.sum()
	return out
}

func (c *Cost) sum() {
	c.Low, c.High = 0, 0
	for i, p := range c.Items {
		if !p.Extra {
			c.Low, c.High = c.Low+p.Low, c.High+p.High
		}
		c.Items[i].Low, c.Items[i].High = cents(p.Low), cents(p.High)
	}
	c.Low, c.High = cents(c.Low), cents(c.High)
}

// Extra is what further CloudTrail copies may add.
func (c Cost) Extra() float64 {
	sum := 0.0
	for _, p := range c.Items {
		if p.Extra {
			sum += p.High
		}
	}
	return cents(sum)
}

// per is how often something that happens at an interval does so in a month.
func per(interval time.Duration) float64 { return float64(month) / float64(max(interval, shortest)) }

func usd(n int, each float64) float64 { return float64(n) * each }

func cents(v float64) float64 { return math.Round(v*100) / 100 }
