package scan

import (
	"time"

	"taskwarden/reconciler/alarm"
)

// Cost is what keeping watch with a controller would add to the bill, a month. Where AWS's billing is unclear both bounds
// are given.
type Cost struct {
	MonthlyUSD float64  `json:"monthlyUSD"` // the high bound
	LowUSD     float64  `json:"lowUSD"`
	Items      []Price  `json:"items"`
	Assumes    []string `json:"assumes"`
}

// Price is one line of it.
type Price struct {
	What   string  `json:"what"`
	USD    float64 `json:"usd"` // the high bound
	LowUSD float64 `json:"lowUSD"`
	Extra  bool    `json:"extra,omitempty"` // only in accounts set up so, and not in the sum
}

const (
	defaultSweep = 5 * time.Minute
	defaultAudit = 15 * time.Minute
	// owner names the alarms that are priced; any name costs the same.
	owner = "taskwarden"
)

// CostOf estimates the month from what the scan found: findings that are open now stay open all month, and nothing else
// happens. resync is how often a controller would look.
func CostOf(r Report, resync time.Duration) Cost {
	if resync <= 0 {
		resync = defaultSweep
	}
	var names []string
	var sum alarm.Cost
	for _, t := range r.Targets {
		names = append(names, t.Target)
		u := alarm.Use{Specs: alarm.Fleet(owner, t.Target, alarm.Actions{}), Calls: t.Calls, Resync: resync, Audit: defaultAudit}
		if t.Alarms != nil {
			u.Alarms = *t.Alarms
		}
		for _, s := range r.Items {
			for _, f := range s.Findings {
				if _, gauge := alarm.KindOf(f.Type); gauge && s.Target == t.Target {
					u.Series++
				}
			}
		}
		sum = sum.Plus(alarm.PriceOf(u))
	}
	sum = sum.Plus(alarm.PriceOf(alarm.Use{Specs: alarm.Own(owner, names, resync, alarm.Actions{}), Own: 1 + len(names), Resync: resync, Audit: defaultAudit}))
	c := Cost{MonthlyUSD: sum.High, LowUSD: sum.Low, Items: []Price{}, Assumes: sum.Assumes}
	for _, p := range sum.Items {
		c.Items = append(c.Items, Price{p.What, p.High, p.Low, p.Extra})
	}
	return c
}
