package config

// capability is something that a value would switch on and this version lacks.
type capability struct {
	path   string
	wanted func(Config) bool
	what   string // the value, for the message
	use    string // the remedy
}

// missing lists what this version lacks; the version that brings a capability
// deletes its row.
var missing = []capability{
	{"watch.events.queueUrl", func(c Config) bool { return c.Watch.Events.QueueURL != "" }, "a queue of events", "leave events out; every watch.resync polls"},
	{"alarms.mode", func(c Config) bool { return c.Alarms.Mode == AlarmsSync }, "sync", `use "ensure"`},
	{"alarms.layout", func(c Config) bool { return c.Alarms.Layout == LayoutService }, "service", `use "fleet"`},
	{"alarms.muteDuringRollout", func(c Config) bool { return c.Alarms.MuteDuringRollout }, "true", "use false"},
	{"remediation.mode", remediates, "a mode other than off", `use "off"`},
	{"store.type", func(c Config) bool { return c.Store.Type == StoreDynamoDB }, "dynamodb", `use "bolt"`},
}

// remediates is false for values that are no mode at all, which are noted already.
func remediates(c Config) bool {
	switch c.Remediation.Mode {
	case RemediationPlan, RemediationApprove, RemediationAuto:
		return true
	}
	return false
}

func (d *decoder) refuseMissing(c Config) {
	for _, m := range missing {
		if m.wanted(c) {
			d.problem(d.where(m.path), m.path, m.path+": "+m.what+" is not available in this version", m.use)
		}
	}
}
