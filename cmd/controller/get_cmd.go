package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler/finding"
)

const (
	// askWithin is how long one question to the controller may take.
	askWithin = 30 * time.Second
	// pollEvery is how often --watch asks.
	pollEvery = 2 * time.Second
)

// get is one reading of a running controller.
type get struct {
	a      *app
	client *client
	kind   string // of list; "service" or "rollout" where one is described
	path   string // of what is described
	query  url.Values
	limit  int
	failOn finding.Severity // "": never
	format string
	every  time.Duration
}

// getFlags are the flags of get and describe.
type getFlags struct {
	status, failOn, planned string
	refused                 string
	by                      string
	since                   config.Duration
	limit                   int
	watch                   bool
}

// kinds are what get lists; described, what describe shows.
var (
	kinds     = []string{"findings", "services", "stops", "alarms", "rollouts", "targets", "audit"}
	described = []string{"service", "rollout"}
)

func newGetCmd(a *app) *cobra.Command {
	var f getFlags
	c := &cobra.Command{
		Use:   "get " + strings.Join(kinds, "|") + " [ADDRESS]",
		Short: "List what a running controller sees and concluded",
		Long: `Lists what a running controller sees and concluded. ADDRESS narrows the list to one
service: [target/]cluster/service, service alone where unique, or its ARN; with
"get targets" it is a target's name.

The controller is found by --server or TASKWARDEN_SERVER, by default at
` + defaultServer + `; its token, where it wants one, in --token-file or
TASKWARDEN_TOKEN. Findings listed are those open or unknown; --status all adds
the closed ones.

With --fail-on the exit code is 2 when an open or unknown finding is at least that
severe, and 3 when there is none but a target has no current, complete view.`,
		Example: `  taskwarden get findings
  taskwarden get stops prod/web -o wide
  taskwarden get findings --fail-on warning -o json`,
		ValidArgs: kinds,
		Args:      cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			g, err := a.newGet(f, args)
			if err != nil {
				return err
			}
			return g.run(cmd.Context(), f.watch)
		},
	}
	c.Flags().StringVar(&f.status, "status", "", "findings: open (default) or all")
	c.Flags().StringVar(&f.by, "by", "", "findings: one line a cause, with the services that have it (cause)")
	c.Flags().StringVar(&f.planned, "planned", "", "stops: only planned (true) or unplanned (false) ones")
	c.Flags().StringVar(&f.refused, "refused", "", "audit: only refused attempts (true) or what was done (false); default: both, refused attempts last")
	c.Flags().Var(&f.since, "since", `stops: only those of this last length of time ("24h", "7d")`)
	c.Flags().IntVar(&f.limit, "limit", 0, "list at most so many (default: all)")
	f.addShared(c)
	return c
}

// grouped is the list that --by asks for in place of the findings.
func (f getFlags) grouped(kind string) (string, error) {
	switch {
	case kind != "findings":
		return "", usageError("--by is for get findings")
	case f.by != "cause":
		return "", usageError("--by: %q is not one of cause", f.by)
	case f.status != "" || f.failOn != "":
		return "", usageError("--by cause lists the causes of open findings: leave out --status and --fail-on")
	}
	return "causes", nil
}

func newDescribeCmd(a *app) *cobra.Command {
	var f getFlags
	c := &cobra.Command{
		Use:   "describe service ADDRESS | rollout ID",
		Short: "Show all that a running controller knows of one service or rollout",
		Long: `Shows one service: its deployments, tasks, open findings, newest rollouts, and the
newest stops with their verdicts. ADDRESS is [target/]cluster/service, service alone
where unique, or the service's ARN.

Or one rollout: what it changes and why, what is expected and lost, where it stands,
what would let it go on, and the service before and after. The controller is found as
with "get".`,
		ValidArgs: described,
		Args:      cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			g, err := a.newDescribe(f, args)
			if err != nil {
				return err
			}
			return g.run(cmd.Context(), f.watch)
		},
	}
	f.addShared(c)
	return c
}

func (f *getFlags) addShared(c *cobra.Command) {
	c.Flags().BoolVarP(&f.watch, "watch", "w", false, "print again whenever something changed, until interrupted")
	c.Flags().StringVar(&f.failOn, "fail-on", "", "exit 2 when a finding is open at or above info, warning or critical")
}

// newGet reads the command line of get.
func (a *app) newGet(f getFlags, args []string) (*get, error) {
	kind := args[0]
	if !slices.Contains(kinds, kind) && slices.Contains(kinds, kind+"s") {
		kind += "s"
	}
	if err := knownKind(kind, kinds); err != nil {
		return nil, err
	}
	query, err := f.filters(kind)
	if err != nil {
		return nil, err
	}
	if f.by != "" {
		if kind, err = f.grouped(kind); err != nil {
			return nil, err
		}
	}
	if len(args) == 2 {
		name := "address"
		if kind == "targets" {
			name = "target"
		}
		if args[1] == "" {
			return nil, usageError("ADDRESS is empty: leave it out to list all")
		}
		query.Set(name, args[1])
	}
	return a.prepare(f, &get{kind: kind, query: query, limit: f.limit, format: a.format("jsonl")})
}

func (a *app) newDescribe(f getFlags, args []string) (*get, error) {
	if err := knownKind(args[0], described); err != nil {
		return nil, err
	}
	find := servicePath
	if args[0] == "rollout" {
		find = rolloutPath
	}
	path, err := find(args[1])
	if err != nil {
		return nil, err
	}
	return a.prepare(f, &get{kind: args[0], path: path, format: a.format("json")})
}

func knownKind(kind string, known []string) error {
	if slices.Contains(known, kind) {
		return nil
	}
	return usageError("%q is not one of %s", kind, strings.Join(known, ", "))
}

// filters are the query parameters that the flags ask for. A flag that would do nothing is wrong usage.
func (f getFlags) filters(kind string) (url.Values, error) {
	q := url.Values{}
	for _, p := range []struct {
		flag, value, of string
		takes           []string
	}{
		{"status", f.status, "findings", []string{"open", "all"}},
		{"planned", f.planned, "stops", []string{"true", "false"}},
		{"refused", f.refused, "audit", []string{"true", "false"}},
		{"since", sinceText(f.since), "stops", nil},
	} {
		switch {
		case p.value == "":
			continue
		case p.of != kind:
			return nil, usageError("--%s is for get %s", p.flag, p.of)
		case p.takes != nil && !slices.Contains(p.takes, p.value):
			return nil, usageError("--%s: %q is not one of %s", p.flag, p.value, strings.Join(p.takes, ", "))
		}
		q.Set(p.flag, p.value)
	}
	if f.limit < 0 {
		return nil, usageError("--limit: %d is below 0", f.limit)
	}
	return q, nil
}

func sinceText(d config.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// prepare adds what get and describe share.
func (a *app) prepare(f getFlags, g *get) (*get, error) {
	g.a, g.every, g.failOn = a, pollEvery, finding.Severity(f.failOn)
	switch {
	case f.failOn == "":
	case g.failOn.Rank() == 0:
		return nil, usageError("--fail-on: %q is not one of info, warning, critical", f.failOn)
	case g.kind != "findings" && g.kind != "service":
		return nil, usageError("--fail-on is for get findings and describe service")
	case f.watch:
		return nil, usageError("--fail-on and --watch: give one, a watch has no verdict")
	}
	var err error
	g.client, err = a.client(askWithin)
	return g, err
}

// run prints once, or with watch again and again.
func (g *get) run(ctx context.Context, watch bool) error {
	if watch {
		return g.watch(ctx)
	}
	items, err := g.fetch(ctx)
	if err != nil {
		return err
	}
	if err := g.print(g.shown(items)); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return g.verdict(ctx, items)
}

// fetch asks for the items; for one described service it is one item. A verdict needs all findings, whatever is shown.
func (g *get) fetch(ctx context.Context) ([]json.RawMessage, error) {
	if g.path != "" {
		var one json.RawMessage
		err := g.client.read(ctx, g.path, &one)
		return []json.RawMessage{one}, err
	}
	limit := g.limit
	if g.failOn != "" {
		limit = 0
	}
	items, err := g.client.list(ctx, g.kind, g.query, limit)
	if err == nil && g.kind == "audit" && !g.query.Has("refused") {
		return g.withRefused(ctx, items)
	}
	if err == nil && len(items) == 0 && g.query.Has("target") {
		err = fmt.Errorf("no target is named %q: 'taskwarden get targets' lists them", g.query.Get("target"))
	}
	return items, err
}

// withRefused appends the refused attempts to the audit entries. They come last, and the limit counts for each, so that no
// number of attempts hides an order.
func (g *get) withRefused(ctx context.Context, entries []json.RawMessage) ([]json.RawMessage, error) {
	query := maps.Clone(g.query)
	query.Set("refused", "true")
	refused, err := g.client.list(ctx, g.kind, query, g.limit)
	return append(entries, refused...), err
}

func (g *get) shown(items []json.RawMessage) []json.RawMessage {
	if g.limit > 0 && g.kind != "audit" {
		return items[:min(len(items), g.limit)]
	}
	return items
}
