package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"taskwarden/console"
)

// order is one thing that an approver tells a running controller.
type order struct {
	a                            *app
	hash, target, reason, ticket string // "": not said
}

func newApproveCmd(a *app) *cobra.Command {
	o := &order{a: a}
	c := &cobra.Command{
		Use:   "approve ROLLOUT --hash HASH",
		Short: "Say yes to exactly the plan with that hash",
		Long: `Approves a rollout that waits for it. HASH is the plan hash that "describe rollout"
shows: where the plan is another one by now, or somebody was faster, nothing changes.` + operatorHelp,
		Example: `  taskwarden describe rollout 1c7e02a9b3d4
  taskwarden approve 1c7e02a9b3d4 --hash 5f0c7e2b9a1d4c36 --ticket OPS-7`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.hash == "" {
				return usageError("--hash is missing: 'taskwarden describe rollout %s' shows the plan and its hash", args[0])
			}
			return o.onRollout(cmd.Context(), args[0], "approve")
		},
	}
	c.Flags().StringVar(&o.hash, "hash", "", "hash of the plan that you read")
	o.addFlags(c)
	return c
}

func newRejectCmd(a *app) *cobra.Command {
	return onRolloutCmd(a, "reject", "Say no to a plan, before anything was written",
		`Rejects a rollout that is proposed or approved. The service is left alone until "reset".`)
}

func newRollbackCmd(a *app) *cobra.Command {
	return onRolloutCmd(a, "rollback", "Have a rollout taken back",
		`Takes a rollout back that registers, rolls or soaks, and one that has succeeded, failed or
ended inconclusive while its revision is what the service runs. It works while remediation is
paused, and under a tag or mode "off". What somebody else deployed is left alone: then this is
refused. The service is held until "reset".`)
}

func onRolloutCmd(a *app, action, short, long string) *cobra.Command {
	o := &order{a: a}
	c := &cobra.Command{
		Use: action + " ROLLOUT", Short: short, Long: long + operatorHelp, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.onRollout(cmd.Context(), args[0], action) },
	}
	o.addFlags(c)
	return c
}

func newResetCmd(a *app) *cobra.Command {
	o := &order{a: a}
	c := &cobra.Command{
		Use:   "reset ADDRESS",
		Short: "Let a service be tried again",
		Long: `Lets remediation try a service again after its last try was rolled back or failed, or
its plan was rejected. ADDRESS is [target/]cluster/service, service alone where unique,
or the service's ARN.` + operatorHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := servicePath(args[0])
			if err != nil {
				return err
			}
			return o.send(cmd.Context(), path+":reset", printDone)
		},
	}
	o.addFlags(c)
	return c
}

func newPauseCmd(a *app) *cobra.Command {
	return onTargetCmd(a, "pause", "Stop every automatic write of remediation",
		`Stops remediation for every target, or for one, from its next step on and across
restarts, until "resume". Rollouts stay where they are; "rollback" goes on.`)
}

func newResumeCmd(a *app) *cobra.Command {
	return onTargetCmd(a, "resume", "End a pause of remediation",
		`Ends the pause of every target, or that of one. A target that was paused alone stays
paused until it is resumed alone.`)
}

func onTargetCmd(a *app, action, short, long string) *cobra.Command {
	o := &order{a: a}
	c := &cobra.Command{
		Use: action, Short: short, Long: long + operatorHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("target") && o.target == "" {
				return usageError("--target is empty: leave it out for every target")
			}
			return o.send(cmd.Context(), "/api/v1/remediation:"+action, printDone)
		},
	}
	c.Flags().StringVar(&o.target, "target", "", "only this target (default: every target)")
	o.addFlags(c)
	return c
}

// operatorHelp ends the help of every verb that changes something.
const operatorHelp = `

It needs an approver's token, in --token-file or TASKWARDEN_TOKEN, and is in the audit
log whether or not it changed anything: "get audit". Refused, it exits 1.`

func (o *order) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&o.reason, "reason", "", "why, for the audit log")
	c.Flags().StringVar(&o.ticket, "ticket", "", "where it is discussed, for the audit log")
}

func (o *order) onRollout(ctx context.Context, id, action string) error {
	path, err := rolloutPath(id)
	if err != nil {
		return err
	}
	return o.send(ctx, path+":"+action, printRolled)
}

// send gives the order and prints what came of it: a line for people, the server's answer whole for programs.
func (o *order) send(ctx context.Context, path string, line func(json.RawMessage) (string, error)) error {
	c, err := o.a.client(askWithin)
	if err != nil {
		return err
	}
	said := map[string]string{"hash": o.hash, "target": o.target, "reason": o.reason, "ticket": o.ticket}
	maps.DeleteFunc(said, func(_, text string) bool { return text == "" })
	answered, err := c.order(ctx, path, said)
	if err != nil {
		return err
	}
	format := o.a.format("json")
	if format != "table" && format != "wide" {
		return o.a.printValue(answered, format)
	}
	text, err := line(answered)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	_, err = fmt.Fprintln(o.a.stdout, plainText(text))
	return err
}

func printRolled(raw json.RawMessage) (string, error) {
	var r console.RolloutDetail
	err := json.Unmarshal(raw, &r)
	stands := stateWord(r.Rollout)
	if r.Order != nil && r.Outcome == "" {
		stands = "to be rolled back"
	}
	return fmt.Sprintf("rollout %s of %s: %s", r.ID, r.Key(), stands), err
}

func printDone(raw json.RawMessage) (string, error) {
	var d console.Done
	err := json.Unmarshal(raw, &d)
	if d.Service != "" {
		return d.Key().String() + ": " + d.Message, err
	}
	return d.Message, err
}

// servicePath is where the API describes a service.
func servicePath(address string) (string, error) {
	for part := range strings.SplitSeq(address, "/") {
		if part == "" || part == "." || part == ".." {
			return "", usageError("ADDRESS %q has an empty part: name a service as [target/]cluster/service", address)
		}
	}
	return "/api/v1/services/" + strings.ReplaceAll(url.PathEscape(address), "%2F", "/"), nil
}

// rolloutPath is where the API describes a rollout.
func rolloutPath(id string) (string, error) {
	if id == "" || strings.Trim(id, ".") == "" || strings.ContainsAny(id, "/:") {
		return "", usageError("ROLLOUT %q is not the id of a rollout: 'taskwarden get rollouts' lists them", id)
	}
	return "/api/v1/rollouts/" + url.PathEscape(id), nil
}
