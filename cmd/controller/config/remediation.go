package config

// Alarms is which alarms are kept in place and how.
type Alarms struct {
	// off: alarms are ignored. plan: what is missing is shown. ensure: it is created, and what is ours is repaired. sync: what is ours and no longer wanted is deleted too. Default plan.
	Mode AlarmMode `yaml:"mode"`
	// fleet: one multi-series alarm per kind and target. service: one per service. Default fleet.
	Layout AlarmLayout `yaml:"layout"`
	// What the alarms notify. targets[].actions override it.
	Actions Actions `yaml:"actions"`
	// Whether alarms are muted while this controller rolls out. Default false.
	MuteDuringRollout bool `yaml:"muteDuringRollout"`
}

// Actions is what an alarm notifies, at most 5 for each state (PutMetricAlarm).
type Actions struct {
	// ARNs, as of an SNS topic, on the way into ALARM.
	Alarm []string `yaml:"alarm,omitempty" format:"arn" maxItems:"5"`
	// ARNs on the way back to OK.
	OK []string `yaml:"ok,omitempty" format:"arn" maxItems:"5"`
}

// AlarmMode is what may be done to alarms.
type AlarmMode string

// The alarm modes, each allowing more than the one before.
const (
	AlarmsOff    AlarmMode = "off"
	AlarmsPlan   AlarmMode = "plan"
	AlarmsEnsure AlarmMode = "ensure"
	AlarmsSync   AlarmMode = "sync"
)

// Values lists the alarm modes.
func (AlarmMode) Values() []string {
	return []string{string(AlarmsOff), string(AlarmsPlan), string(AlarmsEnsure), string(AlarmsSync)}
}

// AlarmLayout is how services share alarms.
type AlarmLayout string

// The layouts.
const (
	LayoutFleet   AlarmLayout = "fleet"
	LayoutService AlarmLayout = "service"
)

// Values lists the layouts.
func (AlarmLayout) Values() []string { return []string{string(LayoutFleet), string(LayoutService)} }

// Remediation is which environment fixes are rolled out, when, and how carefully.
type Remediation struct {
	// The ceiling for every service. off: nothing. plan: fixes are shown. approve: a person approves each. auto: they are rolled out. Default off.
	Mode RemediationMode `yaml:"mode"`
	// Mode of services that no tag or policy raises, never above the ceiling. Left out: the ceiling.
	Default RemediationMode `yaml:"default"`
	// When rollouts may start. Left out: any time.
	Windows []Window `yaml:"windows,omitempty" nonempty:"true"`
	// When none may start, whatever the windows say.
	Freezes []Freeze `yaml:"freezes"`
	// Rollouts that register, roll or roll back at the same time, with the soak of a canary, at least 1. Default 1.
	MaxConcurrent int `yaml:"maxConcurrent" min:"1"`
	// Rollouts that soak at the same time, at least 1. Default 20.
	MaxSoaking int `yaml:"maxSoaking" min:"1"`
	// Rollouts in any 24 hours, at least 1. Default 10.
	MaxPerDay int `yaml:"maxPerDay" min:"1"`
	// Services in the first wave of a policy, at least 1. Default 1.
	Canary int `yaml:"canary" min:"1"`
	// How long a fix is watched before it counts, at least 1s, within minSoak and maxSoak. Default auto: until the lifetimes decide.
	Soak Auto `yaml:"soak" min:"1s"`
	// The shortest soak, at least 1s. Default 1h.
	MinSoak Duration `yaml:"minSoak" min:"1s"`
	// The longest soak, at least minSoak. Default 72h.
	MaxSoak Duration `yaml:"maxSoak" min:"1s"`
	// How long a proposed plan waits for approval, at least 1s. Default 24h.
	PlanTTL Duration `yaml:"planTTL" min:"1s"`
	// Share of sick services in the fleet from which nothing is rolled out, above 0 and at most 1. Default 0.2.
	FleetSick Share `yaml:"fleetSick"`
	// The fixes.
	Policies []Policy `yaml:"policies"`
}

// RemediationMode is how far a fix may go by itself.
type RemediationMode string

// The remediation modes, each allowing more than the one before.
const (
	RemediationOff     RemediationMode = "off"
	RemediationPlan    RemediationMode = "plan"
	RemediationApprove RemediationMode = "approve"
	RemediationAuto    RemediationMode = "auto"
)

// Values lists the remediation modes.
func (RemediationMode) Values() []string {
	return []string{string(RemediationOff), string(RemediationPlan), string(RemediationApprove), string(RemediationAuto)}
}

// Window is a recurring time in which rollouts may start.
type Window struct {
	// When it opens, in cron syntax.
	Cron string `yaml:"cron" format:"cron" required:"true"`
	// How long it stays open, at least 1s.
	Duration Duration `yaml:"duration" min:"1s" required:"true"`
	// IANA time zone of cron. Left out: the configuration's.
	Timezone string `yaml:"timezone" format:"timezone"`
}

// Freeze is a time in which no rollout starts.
type Freeze struct {
	// Its first day, or the time in RFC 3339 from which it holds.
	From Moment `yaml:"from" required:"true"`
	// Its last day, or the time in RFC 3339 until which it holds.
	To Moment `yaml:"to" required:"true"`
	// Why, shown where a rollout is refused.
	Reason string `yaml:"reason,omitempty"`
}

// Policy is one fix: where it applies and which environment variables it sets.
type Policy struct {
	// Name of the policy, unique.
	Name string `yaml:"name" format:"name" required:"true"`
	// The services and containers it applies to.
	Match PolicyMatch `yaml:"match"`
	// The findings it waits for. Left out: the match alone.
	When When `yaml:"when"`
	// Environment variables and their new values, as texts. OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG only together.
	Set map[string]string `yaml:"set" keys:"envName" required:"true" nonempty:"true" secret:"true"`
	// What to do with services that another tool owns.
	OnOwner OnOwner `yaml:"onOwner"`
}

// PolicyMatch selects services and, by their environment, containers.
type PolicyMatch struct {
	// Glob patterns of cluster names. Left out: all.
	Clusters []string `yaml:"clusters" format:"glob"`
	// Glob patterns of service names. Left out: all.
	Services []string `yaml:"services" format:"glob"`
	// Variables that a container must have, each with one of the values.
	Env map[string][]string `yaml:"env" keys:"envName" secret:"true"`
}

// When is the findings that must be open.
type When struct {
	// Types of findings, all of which must be open.
	All []FindingType `yaml:"all,omitempty"`
}

// OnOwner is what to do by what is known of a service's owner.
type OnOwner struct {
	// No other tool owns the service. Default apply.
	None OwnerAction `yaml:"none"`
	// The owner cannot be read. Default export.
	Unknown OwnerAction `yaml:"unknown"`
	// Another tool owns it. Default export.
	Owned OwnerAction `yaml:"owned"`
}

// OwnerAction is what to do with a fix.
type OwnerAction string

// The owner actions.
const (
	OwnerApply  OwnerAction = "apply"
	OwnerExport OwnerAction = "export"
	OwnerRefuse OwnerAction = "refuse"
)

// Values lists the owner actions.
func (OwnerAction) Values() []string {
	return []string{string(OwnerApply), string(OwnerExport), string(OwnerRefuse)}
}
