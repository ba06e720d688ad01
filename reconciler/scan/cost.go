package scan

import (
	"fmt"
	"math"
	"slices"
	"time"

	"taskwarden/reconciler/finding"
)

// Cost is what keeping watch with a controller would add to the bill, a month.
type Cost struct {
	MonthlyUSD float64  `json:"monthlyUSD"`
	Items      []Price  `json:"items"`
	Assumes    []string `json:"assumes"`
}

// Price is one line of it.
type Price struct {
	What string  `json:"what"`
	USD  float64 `json:"usd"`
}

// List prices in us-east-1 before free tiers (CloudWatch price list of 2025-10-28; first tier).
const (
	metricUSD    = 0.30 // a custom metric and month, by the hours with data
	alarmUSD     = 0.10 // a metric that a standard-resolution alarm analyses, and month
	putUSD       = 0.01 / 1000
	hoursAMonth  = 730
	fleetAlarms  = 3 // silent-churn, sidecar-crash, sidecar-down: priced by the series they see
	ownMetrics   = 1 // heartbeat; and one sweep age a target
	ownAlarms    = 1 // on the heartbeat; and one on each target's sweep age
	cloudtrail   = 100_000
	minuteSends  = 60 * hoursAMonth
	trailUSD     = 2.00 // for so many further copies of management events
	defaultSweep = 5 * time.Minute
)

// CostOf estimates the month from what the scan found: findings that are open now stay open all month, and nothing else
// happens. resync is how often a controller would look.
func CostOf(r Report, resync time.Duration) Cost {
	gauges, calls := 0, 0
	for _, s := range r.Items {
		gauges += len(slices.DeleteFunc(slices.Clone(s.Findings), func(f Finding) bool {
			return f.Type != finding.SilentChurn && f.Type != finding.SidecarCrash && f.Type != finding.SidecarDown
		}))
	}
	for _, t := range r.Targets {
		calls += t.Calls
	}
	if resync <= 0 {
		resync = defaultSweep
	}
	targets := len(r.Targets)
	looks := hoursAMonth * time.Hour / resync
	own := ownMetrics + targets
	c := Cost{Items: []Price{
		{fmt.Sprintf("%d gauges of open findings", gauges), float64(gauges) * metricUSD},
		{fmt.Sprintf("heartbeat and %d sweep ages", targets), float64(own) * metricUSD},
		{fmt.Sprintf("%d fleet alarms a target, by the series they see, and %d on the controller itself", fleetAlarms, ownAlarms+targets), float64(gauges+ownAlarms+targets) * alarmUSD},
		{"PutMetricData once a minute and target", float64(targets+1) * minuteSends * putUSD},
	}, Assumes: []string{
		"list prices of us-east-1 (October 2025), before free tiers; counters, which are sent only in minutes with stops, are left out",
		"the findings open now stay open all month; a service without findings puts nothing",
		fmt.Sprintf("a look every %s takes %d ECS calls, which are free; where a further CloudTrail copy bills reads, add about $%.2f ($2 per 100,000, unverified)",
			Span(resync), calls, float64(calls)*float64(looks)/cloudtrail*trailUSD),
	}}
	for i := range c.Items {
		c.MonthlyUSD += c.Items[i].USD
		c.Items[i].USD = cents(c.Items[i].USD)
	}
	c.MonthlyUSD = cents(c.MonthlyUSD)
	return c
}

func cents(usd float64) float64 { return math.Round(usd*100) / 100 }
