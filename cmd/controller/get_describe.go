package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"taskwarden/console"
	"taskwarden/reconciler/fleet"
)

var deploymentColumns = []column[console.Deployment]{
	{"ID", false, func(d console.Deployment) string { return d.ID }},
	{"STATUS", false, func(d console.Deployment) string { return d.Status }},
	{"ROLLOUT", false, func(d console.Deployment) string { return d.RolloutState }},
	{"TASK DEFINITION", false, func(d console.Deployment) string { return fleet.NameOf(d.TaskDefinition) }},
	{"RUNNING", false, func(d console.Deployment) string { return fmt.Sprintf("%d/%d", d.Running, d.Desired) }},
	{"FAILED", false, func(d console.Deployment) string { return strconv.Itoa(d.Failed) }},
	{"AGE", false, func(d console.Deployment) string { return age(d.CreatedAt) }},
}

var taskColumns = []column[console.Task]{
	{"TASK", false, func(t console.Task) string { return fleet.NameOf(t.TaskARN) }},
	{"STATUS", false, func(t console.Task) string { return t.LastStatus }},
	{"HEALTH", false, func(t console.Task) string { return t.Health }},
	{"AGE", false, func(t console.Task) string { return age(t.StartedAt) }},
	{"CONTAINERS", false, func(t console.Task) string { return containersWord(t.Containers) }},
}

var coverColumns = []column[console.Told]{
	{"FAILURE", false, func(t console.Told) string { return t.Failure }},
	{"TOLD", false, func(t console.Told) string { return t.Tells }},
	{"ALARM", false, func(t console.Told) string { return t.Alarm }},
	{"WHY", false, func(t console.Told) string { return t.Why }},
}

// describeService writes one service in sections; empty ones are left out.
func describeService(w io.Writer, raw json.RawMessage, wide bool) error {
	var d console.ServiceDetail
	if err := json.Unmarshal(raw, &d); err != nil {
		return fmt.Errorf("read the service: %w", err)
	}
	if err := describeHead(w, d.Service); err != nil {
		return err
	}
	if err := section(w, "Deployments", deploymentColumns, d.Deployments, wide); err != nil {
		return err
	}
	if err := section(w, "Tasks", taskColumns, d.Tasks, wide); err != nil {
		return err
	}
	if err := describeFindings(w, d.OpenFindings, wide); err != nil {
		return err
	}
	if err := section(w, "Alarms", coverColumns, d.Coverage, wide); err != nil {
		return err
	}
	if err := describeRollouts(w, d.Rollouts, wide); err != nil {
		return err
	}
	return section(w, "Newest stops", stopColumns, d.Stops, wide)
}

// describeRollouts lists a service's rollouts, and says why the newest goes no further.
func describeRollouts(w io.Writer, all []console.Rollout, wide bool) error {
	if err := section(w, "Rollouts", rolloutColumns, all, wide); err != nil || len(all) == 0 {
		return err
	}
	for _, line := range []string{all[0].Message, all[0].Remedy} {
		if line == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "  %s\n", plainText(line)); err != nil {
			return err
		}
	}
	return nil
}

func describeHead(w io.Writer, s console.Service) error {
	complete := "complete"
	if !s.Complete {
		complete = "not complete: nothing is concluded from what is missing"
	}
	seen := "never"
	if s.SeenAt != nil {
		seen = age(s.SeenAt) + " ago, " + complete
	}
	return writeHead(w, [][2]string{
		{"Service", s.Key().String()}, {"ARN", s.ServiceARN}, {"Status", s.Status},
		{"Tasks", fmt.Sprintf("%d of %d running, %d pending", s.Running, s.Desired, s.Pending)},
		{"Deploying", yesNo(s.Deploying)}, {"Task definition", s.TaskDefinition}, {"Seen", seen},
		{"Unplanned stops", strconv.Itoa(s.UnplannedStops)}, {"Reason", s.Reason}, {"Message", s.Message},
	})
}

// writeHead writes lines of a name and a text; an empty text writes none.
func writeHead(w io.Writer, lines [][2]string) error {
	for _, line := range lines {
		if line[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-17s%s\n", line[0]+":", plainText(line[1])); err != nil {
			return err
		}
	}
	return nil
}

func section[T any](w io.Writer, title string, columns []column[T], items []T, wide bool) error {
	if len(items) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(w, "\n%s:\n", title); err != nil {
		return err
	}
	return writeTable(w, columns, items, wide)
}

// containersWord names each container with its status where that is not RUNNING.
func containersWord(all []console.Container) string {
	var out []string
	for _, c := range all {
		word := c.Name
		if c.LastStatus != "RUNNING" {
			word += "=" + c.LastStatus
			if c.ExitCode != nil {
				word += fmt.Sprintf("(%d)", *c.ExitCode)
			}
		}
		out = append(out, word)
	}
	return strings.Join(out, ", ")
}
