package config

import "time"

// Default returns the configuration that the shipped file describes: every
// check on, no write of any kind.
func Default() Config {
	return Config{
		APIVersion: APIVersionV1,
		Kind:       KindControllerConfig,
		Controller: Controller{ID: "taskwarden"},
		Timezone:   "UTC",
		Watch:      Watch{Resync: Duration(5 * time.Minute), APIBudget: 0.25},
		Detect: Detect{
			Window:         Duration(day),
			Threshold:      3,
			RatePerTaskDay: 0.1,
			Storm:          Storm{Stops: 3, Within: Duration(15 * time.Minute)},
			Logs:           Logs{Enabled: true, Lines: 100},
		},
		Metrics:     Metrics{Enabled: true},
		Alarms:      Alarms{Mode: AlarmsPlan, Layout: LayoutFleet},
		Remediation: defaultRemediation(),
		Schedules:   Schedules{AlarmAudit: "@every 15m", Report: "0 9 * * *"},
		Retention:   Retention{Stops: Duration(90 * day), Audit: Duration(365 * day)},
		Store:       Store{Type: StoreBolt, Path: "./data"},
		Server:      Server{Address: "127.0.0.1:8080"},
	}
}

func defaultRemediation() Remediation {
	return Remediation{
		Mode:          RemediationOff,
		Default:       RemediationPlan,
		MaxConcurrent: 1,
		MaxSoaking:    20,
		MaxPerDay:     10,
		Canary:        1,
		MinSoak:       Duration(time.Hour),
		MaxSoak:       Duration(72 * time.Hour),
		PlanTTL:       Duration(day),
		FleetSick:     0.2,
	}
}

// defaulter is an entry of a list that has defaults of its own, set before the
// entry's fields are read.
type defaulter interface{ setDefaults() }

func (t *Target) setDefaults() {
	t.Clusters = []string{"*"}
	t.Services = []string{"*"}
}

func (p *Policy) setDefaults() {
	p.OnOwner = OnOwner{None: OwnerApply, Unknown: OwnerExport, Owned: OwnerExport}
}

// complete fills what defaults to the value of another field.
func (c *Config) complete() {
	if c.Remediation.Default == "" {
		c.Remediation.Default = c.Remediation.Mode
	}
	for i := range c.Remediation.Windows {
		if w := &c.Remediation.Windows[i]; w.Timezone == "" {
			w.Timezone = c.Timezone
		}
	}
}
