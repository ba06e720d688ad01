package config

import (
	"fmt"
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
)

// modeTag is the tag by which a service's owner sets its mode.
const modeTag = "taskwarden:remediation"

// warn notes what is allowed and does not do what it seems to.
func (d *decoder) warn(c Config) {
	d.warnApprovers(c)
	d.warnDefault(c.Remediation)
	for i := range c.Remediation.Policies {
		d.warnPolicy(c, i)
	}
	d.warnAlarms(c)
}

// warning notes one such thing at the field at path.
func (d *decoder) warning(path, message, hint string) {
	if at := d.where(path); len(d.warnings) < maxProblems {
		d.warnings = append(d.warnings, Problem{d.file, at.line, at.column, path, path + ": " + message, hint, true})
	}
}

// writes reports whether a mode rolls anything out.
func (m RemediationMode) writes() bool { return m == RemediationApprove || m == RemediationAuto }

// warnApprovers: in mode approve each plan needs a person with an approver's token.
func (d *decoder) warnApprovers(c Config) {
	r := c.Remediation
	if slices.ContainsFunc(c.Server.Tokens, func(t Token) bool { return t.Role == RoleApprover }) {
		return
	}
	path := "remediation.mode"
	switch {
	case r.Mode == RemediationApprove:
	case r.Mode == RemediationAuto && r.Default == RemediationApprove:
		path = "remediation.default"
	default:
		return
	}
	d.warning(path, "approve, and no token has the role approver: no plan can be approved",
		"add a token with role: approver to server.tokens, or write plan")
}

// warnDefault: in a mode that rolls out, a default below it leaves out each service without a tag.
func (d *decoder) warnDefault(r Remediation) {
	if r.Mode.writes() && !r.Default.writes() {
		d.warning("remediation.default",
			fmt.Sprintf("%s, though remediation.mode is %s: only a service whose tag %s raises it can be approved or changed", r.Default, r.Mode, modeTag),
			fmt.Sprintf("write %s, or tag the services", r.Mode))
	}
}

// warnPolicy: a policy that no rollout can come of.
func (d *decoder) warnPolicy(c Config, i int) {
	p, path := c.Remediation.Policies[i], fmt.Sprintf("remediation.policies[%d]", i)
	if o := p.OnOwner; c.Remediation.Mode.writes() && o.None != OwnerApply && o.Unknown != OwnerApply && o.Owned != OwnerApply {
		d.warning(path+".onOwner", fmt.Sprintf("policy %s applies its change to no service, whoever owns it: no plan of it can be approved", p.Name),
			"write none: apply, unless its exports are all you want")
	}
	scope := fleet.Scope{Clusters: p.Match.Clusters, Services: p.Match.Services}
	for _, t := range c.Targets {
		if _, _, overlaps, sure := fleet.Overlap(t.Scope(), scope); overlaps || !sure {
			return
		}
	}
	if len(c.Targets) > 0 {
		d.warning(path+".match", fmt.Sprintf("no target watches a service that policy %s matches", p.Name),
			"correct its clusters and services, or those of a target")
	}
}

// warnAlarms: alarms that notify nobody, or that would watch nothing.
func (d *decoder) warnAlarms(c Config) {
	a := c.Alarms
	if !c.Metrics.Enabled && a.Mode != AlarmsOff {
		d.warning("alarms.mode",
			fmt.Sprintf("%s, though metrics.enabled is false: alarms would watch metrics that are not sent, so none are planned or kept", a.Mode),
			"write metrics.enabled: true, or alarms.mode: off")
		return
	}
	if a.Mode != AlarmsEnsure && a.Mode != AlarmsSync || len(a.Actions.Alarm) > 0 {
		return
	}
	silent := []string{"of the controller itself"}
	for _, t := range c.Targets {
		if len(t.Actions.Alarm) == 0 {
			silent = append(silent, "of target "+t.Name)
		}
	}
	if len(c.Targets) == 0 {
		silent = append(silent, "of the ambient account")
	}
	d.warning("alarms.mode", fmt.Sprintf("%s without an action: the alarms %s notify nobody", a.Mode, strings.Join(silent, ", ")),
		"add the ARN of an SNS topic to alarms.actions.alarm, or to actions.alarm of each target")
}
