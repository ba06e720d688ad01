package main

import (
	"fmt"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"taskwarden/reconciler/permission"
)

func newIAMPolicyCmd(a *app) *cobra.Command {
	var names []string
	var scope permission.Scope
	c := &cobra.Command{
		Use:   "iam-policy --for MODE",
		Short: "Print the least IAM policy that a way of running needs",
		Long: `Prints the IAM policy document for one or more modes, from the table of all calls the
product can make. Each mode is whole: what observe needs is in evidence, alarms and
remediate too, and several together are one policy.
  scan       the verb scan
  observe    run: looks, plans alarms, puts metrics of its own
  evidence   and reads the last log lines of dead containers (detect.logs.enabled)
  alarms     and keeps alarms (alarms.mode ensure or sync)
  remediate  and rolls fixes out (remediation.mode approve or auto; plan reads the same)
The flags narrow what is granted on everything otherwise: names may hold *. With
-o table each action is listed with its reason, with -o wide also what is lost
without it.`,
		Example: `  taskwarden iam-policy --for scan
  taskwarden iam-policy --for evidence,alarms --log-group '/ecs/*'
  taskwarden iam-policy --for remediate --cluster prod --pass-role 'arn:aws:iam::111122223333:role/tasks/*'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			modes, err := policyModes(names)
			if err != nil {
				return err
			}
			if err := checkScope(scope); err != nil {
				return err
			}
			return a.printPolicy(scope, modes)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&names, "for", nil, "mode, several with commas or again: scan, observe, evidence, alarms, remediate")
	f.StringSliceVar(&scope.LogGroups, "log-group", nil, "log group whose lines may be read (default: all)")
	f.StringSliceVar(&scope.Clusters, "cluster", nil, "cluster whose services may be changed (default: all)")
	f.StringSliceVar(&scope.PassRoles, "pass-role", nil, "ARN of a task or execution role that a fix may carry (default: all)")
	f.StringSliceVar(&scope.TargetRoles, "target-role", nil, "ARN of a target's role to be assumed (default: none)")
	f.StringVar(&scope.Partition, "partition", "aws", "partition of the ARNs: aws, aws-cn, aws-us-gov")
	return c
}

func policyModes(names []string) ([]permission.Mode, error) {
	var modes []permission.Mode
	for _, name := range names {
		m, err := permission.Parse(strings.TrimSpace(name))
		if err != nil {
			return nil, usageError("--for: %v", err)
		}
		modes = append(modes, m)
	}
	if len(modes) == 0 {
		_, err := permission.Parse("")
		return nil, usageError("--for is needed: %v", err)
	}
	return modes, nil
}

// What a name in a policy may look like: a typo that IAM would take for another resource is worth a message here.
var (
	logGroupName  = regexp.MustCompile(`^[\w./#*-]{1,512}$`) // CreateLogGroup, logGroupName
	clusterName   = regexp.MustCompile(`^[\w*-]{1,255}$`)    // CreateCluster, clusterName
	roleARN       = regexp.MustCompile(`^arn:[\w-]+:iam::(\d{12}|\*):role/[\w+=,.@/*-]+$`)
	partitionName = regexp.MustCompile(`^aws(-[a-z]+)*$`)
)

func checkScope(s permission.Scope) error {
	for _, f := range []struct {
		name   string
		values []string
		like   *regexp.Regexp
		want   string
	}{
		{"--log-group", s.LogGroups, logGroupName, "a log group's name, as /ecs/django or /ecs/*"},
		{"--cluster", s.Clusters, clusterName, "a cluster's name, as prod or prod-*"},
		{"--pass-role", s.PassRoles, roleARN, "a role's ARN, as arn:aws:iam::111122223333:role/tasks/*"},
		{"--target-role", s.TargetRoles, roleARN, "a role's ARN, as arn:aws:iam::*:role/taskwarden-observe"},
		{"--partition", []string{s.Partition}, partitionName, "a partition, as aws"},
	} {
		for _, v := range f.values {
			if !f.like.MatchString(v) {
				return usageError("%s: %q is not %s", f.name, v, f.want)
			}
		}
	}
	return nil
}

// printPolicy prints JSON unless asked otherwise, on a terminal too: a policy is copied from there.
func (a *app) printPolicy(scope permission.Scope, modes []permission.Mode) error {
	switch a.output {
	case "":
		return a.printValue(permission.Document(scope, modes...), "json")
	case "table", "wide":
		return a.printNeeds(permission.For(modes...), a.output == "wide")
	}
	return a.printValue(permission.Document(scope, modes...), a.output)
}

func (a *app) printNeeds(needs []permission.Need, wide bool) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	head, line := "ACTION\tMODES\tWHY\n", "%s\t%s\t%s\n"
	if wide {
		head, line = "ACTION\tMODES\tWHY\tWITHOUT\n", "%s\t%s\t%s\t%s\n"
	}
	fmt.Fprint(w, head)
	for _, n := range needs {
		cells := []any{n.Action, modeNames(n), n.Why}
		if wide {
			cells = append(cells, n.Without)
		}
		fmt.Fprintf(w, line, cells...)
	}
	return w.Flush()
}

// modeNames are the modes that need an action, "all" for all of them.
func modeNames(n permission.Need) string {
	var out []string
	for _, m := range permission.Modes() {
		if n.In(m) {
			out = append(out, string(m))
		}
	}
	if len(out) == len(permission.Modes()) {
		return "all"
	}
	return strings.Join(out, ",")
}
