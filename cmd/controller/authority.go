package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"taskwarden/cmd/controller/config"
)

// authority is what a configuration lets the controller write, by subject: modes, limits, targets, policies. It holds no secret.
type authority map[string]string

// ranks are the values of subjects that are ordered, each allowing more than the one before.
var ranks = map[string][]string{
	"alarms.mode":         config.AlarmMode("").Values(),
	"metrics.enabled":     {"false", "true"},
	"remediation.mode":    config.RemediationMode("").Values(),
	"remediation.default": config.RemediationMode("").Values(),
	"onOwner":             {string(config.OwnerRefuse), string(config.OwnerExport), string(config.OwnerApply)},
}

// Beginnings of subjects that there may be many of.
const (
	targetSubject = "targets."
	policySubject = "remediation.policies."
	freezeSubject = "remediation.freezes."
	ownerSubject  = ".onOwner."
)

func authorityOf(cfg config.Config) authority {
	r := cfg.Remediation
	a := authority{
		"alarms.mode": string(cfg.Alarms.Mode), "metrics.enabled": strconv.FormatBool(cfg.Metrics.Enabled),
		"remediation.mode": string(r.Mode), "remediation.default": string(r.Default),
		"remediation.maxConcurrent": strconv.Itoa(r.MaxConcurrent), "remediation.maxSoaking": strconv.Itoa(r.MaxSoaking),
		"remediation.maxPerDay": strconv.Itoa(r.MaxPerDay), "remediation.canary": strconv.Itoa(r.Canary),
		"remediation.fleetSick": strconv.FormatFloat(float64(r.FleetSick), 'g', -1, 64),
		"remediation.windows":   windowsText(r.Windows),
	}
	for _, f := range r.Freezes {
		a[freezeSubject+fmt.Sprintf("%s to %s", f.From, f.To)] = "no rollout starts"
	}
	for _, p := range r.Policies {
		a[policySubject+p.Name] = policyText(p)
		own := policySubject + p.Name + ownerSubject
		a[own+"none"], a[own+"unknown"], a[own+"owned"] = string(p.OnOwner.None), string(p.OnOwner.Unknown), string(p.OnOwner.Owned)
	}
	if len(cfg.Targets) == 0 {
		a[targetSubject+"default"] = "the ambient account and region"
	}
	for _, t := range cfg.Targets {
		a[targetSubject+t.Name] = fmt.Sprintf("%s in %s, clusters %s but %s, services %s but %s",
			cmp.Or(t.RoleARN, "the ambient account"), t.Region, t.Clusters, t.ExcludeClusters, t.Services, t.ExcludeServices)
	}
	return a
}

// windowsText is "" where rollouts may start at any time.
func windowsText(windows []config.Window) string {
	var out []string
	for _, w := range windows {
		out = append(out, fmt.Sprintf("%q %s for %s", w.Cron, w.Timezone, w.Duration))
	}
	return strings.Join(out, ", ")
}

// policyText names a policy's reach. The values that it looks for and sets may be secrets, so they stand as a hash.
func policyText(p config.Policy) string {
	values, _ := json.Marshal([]any{p.Match.Env, p.Set}) // maps of texts
	sum := sha256.Sum256(values)
	return fmt.Sprintf("sets %s of clusters %s, services %s, when %v (values sha256 %s)",
		slices.Sorted(maps.Keys(p.Set)), p.Match.Clusters, p.Match.Services, p.When.All, hex.EncodeToString(sum[:4]))
}

// authorityChange is one subject that two configurations allow differently; "" where one of them does not have it.
type authorityChange struct {
	subject, was, is string
	raises           bool
}

func (c authorityChange) String() string {
	return c.subject + ": " + cmp.Or(c.was, "none") + " → " + cmp.Or(c.is, "none")
}

// changes lists what differs, in the order of the subjects.
func (a authority) changes(next authority) []authorityChange {
	var out []authorityChange
	for _, subject := range slices.Sorted(maps.Keys(next)) {
		if was, is := a[subject], next[subject]; was != is {
			out = append(out, authorityChange{subject, was, is, raises(subject, was, is)})
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(a)) {
		if _, stays := next[subject]; !stays {
			out = append(out, authorityChange{subject, a[subject], "", raises(subject, a[subject], "")})
		}
	}
	return out
}

// raises reports whether a change allows more. What cannot be compared does.
func raises(subject, was, is string) bool {
	switch {
	case strings.HasPrefix(subject, freezeSubject):
		return is == "" // a freeze less
	case subject == "remediation.windows":
		return was != "" // from some windows to others, or to any time
	case is == "":
		return false // a target or a policy less
	case strings.HasPrefix(subject, policySubject) && strings.Contains(subject, ownerSubject):
		return rankOf("onOwner", is) > rankOf("onOwner", was)
	case strings.HasPrefix(subject, policySubject), strings.HasPrefix(subject, targetSubject):
		return true
	case ranks[subject] != nil:
		return rankOf(subject, is) > rankOf(subject, was)
	}
	before, errBefore := strconv.ParseFloat(was, 64)
	after, errAfter := strconv.ParseFloat(is, 64)
	return errBefore != nil || errAfter != nil || after > before
}

func rankOf(subject, value string) int { return slices.Index(ranks[subject], value) }

// lowered is next without what it allows more than was does: the part that may be in force before the rest is audited.
func lowered(was, next config.Config) config.Config {
	out := next
	out.Alarms.Mode = lower("alarms.mode", was.Alarms.Mode, next.Alarms.Mode)
	out.Metrics.Enabled = was.Metrics.Enabled && next.Metrics.Enabled
	out.Remediation = loweredRemediation(was.Remediation, next.Remediation)
	out.Targets = nil
	for _, t := range was.Targets {
		if slices.ContainsFunc(next.Targets, func(n config.Target) bool { return n.Name == t.Name }) {
			out.Targets = append(out.Targets, t)
		}
	}
	if len(out.Targets) == 0 {
		out.Targets = was.Targets // none would mean the ambient account
	}
	return out
}

func loweredRemediation(was, next config.Remediation) config.Remediation {
	out := was
	out.Mode = lower("remediation.mode", was.Mode, next.Mode)
	out.Default = lower("remediation.default", was.Default, next.Default)
	out.MaxConcurrent, out.MaxSoaking = min(was.MaxConcurrent, next.MaxConcurrent), min(was.MaxSoaking, next.MaxSoaking)
	out.MaxPerDay, out.Canary = min(was.MaxPerDay, next.MaxPerDay), min(was.Canary, next.Canary)
	out.FleetSick = min(was.FleetSick, next.FleetSick)
	if len(was.Windows) == 0 {
		out.Windows = next.Windows
	}
	out.Freezes = slices.Concat(was.Freezes, next.Freezes)
	out.Policies = nil
	for _, p := range was.Policies {
		i := slices.IndexFunc(next.Policies, func(n config.Policy) bool { return n.Name == p.Name })
		if i < 0 {
			continue
		}
		p.OnOwner.None = lower("onOwner", p.OnOwner.None, next.Policies[i].OnOwner.None)
		p.OnOwner.Unknown = lower("onOwner", p.OnOwner.Unknown, next.Policies[i].OnOwner.Unknown)
		p.OnOwner.Owned = lower("onOwner", p.OnOwner.Owned, next.Policies[i].OnOwner.Owned)
		out.Policies = append(out.Policies, p)
	}
	return out
}

// lower is the one of two values that allows less.
func lower[T ~string](subject string, a, b T) T {
	if rankOf(subject, string(a)) < rankOf(subject, string(b)) {
		return a
	}
	return b
}
