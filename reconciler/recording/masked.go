package recording

import (
	"slices"
	"strings"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/mask"
)

// What follows gives copies in which each text that a program or a person wrote is masked: AWS's reasons quote commands,
// URLs and image references. Names, ARNs, ids and statuses stay; the veil takes the accounts out of them.

func maskedTask(t fleet.Task) fleet.Task {
	t.StoppedReason = mask.Text(t.StoppedReason)
	t.StartedBy = mask.Text(t.StartedBy) // RunTask's caller may have given it any text
	t.Containers = slices.Clone(t.Containers)
	for i := range t.Containers {
		t.Containers[i].Reason = mask.Text(t.Containers[i].Reason)
	}
	return t
}

func maskedService(s fleet.Service) fleet.Service {
	s.Deployments = slices.Clone(s.Deployments)
	for i := range s.Deployments {
		s.Deployments[i].RolloutReason = mask.Text(s.Deployments[i].RolloutReason)
	}
	return s
}

// maskedDefinition drops every value that is not kept by the allow-list, also one that should not be there. A value
// that a policy names is kept as it is, so what is kept is masked once more.
func maskedDefinition(d fleet.Definition) fleet.Definition {
	d.Containers = slices.Clone(d.Containers)
	for i, c := range d.Containers {
		c.Env = slices.Clone(c.Env)
		for j, e := range c.Env {
			if !e.Kept {
				e.Value = ""
			}
			e.Value = mask.Text(e.Value)
			c.Env[j] = e
		}
		d.Containers[i] = c
	}
	return d
}

// maskedFindings masks what errors of AWS left in them.
func maskedFindings(all []finding.Finding) []finding.Finding {
	all = slices.Clone(all)
	for i := range all {
		all[i].Message = mask.Text(all[i].Message)
		all[i].Evidence = slices.Clone(all[i].Evidence)
		for j, text := range all[i].Evidence {
			all[i].Evidence[j] = mask.Text(text)
		}
		all[i].Cause = maskedCause(all[i].Cause)
	}
	return all
}

func maskedCause(c *finding.Cause) *finding.Cause {
	if c == nil {
		return nil
	}
	out := *c
	out.Line, out.Tail, out.Unseen = mask.Text(c.Line), slices.Clone(c.Tail), slices.Clone(c.Unseen)
	for _, texts := range [][]string{out.Tail, out.Unseen} {
		for i, text := range texts {
			texts[i] = mask.Text(text)
		}
	}
	return &out
}

func maskedMetrics(m fleet.Metrics) fleet.Metrics {
	m.Restarts.Missing, m.Signals.Missing = mask.Text(m.Restarts.Missing), mask.Text(m.Signals.Missing)
	m.Signals.Remote = slices.Clone(m.Signals.Remote)
	for i, call := range m.Signals.Remote {
		m.Signals.Remote[i].Operation = mask.Text(call.Operation) // it may be a path
	}
	return m
}

func maskedTail(t fleet.Tail) (lines []string, missing string) {
	for _, l := range t.Lines {
		lines = append(lines, mask.Text(l))
	}
	return lines, mask.Text(t.Missing)
}

// maskedAlarm leaves out what people wrote about alarms that are not this product's.
func maskedAlarm(h alarm.Have) alarm.Have {
	if !strings.HasPrefix(h.Name, alarm.NamePrefix) {
		h.Description, h.StateReason, h.Tags = "", "", nil
	}
	h.Description, h.StateReason = mask.Text(h.Description), mask.Text(h.StateReason)
	h.Label = mask.Text(h.Label)
	h.Logs.Text, h.PromQL = mask.Text(h.Logs.Text), mask.Text(h.PromQL)
	return h
}
