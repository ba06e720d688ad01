package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"taskwarden/cmd/controller/config"
	"taskwarden/contain"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/otel"
)

// maxLintInput bounds what lint reads: a task definition has 64 KB at most, a plan of Terraform some megabytes.
const maxLintInput = 64 << 20

func newLintCmd(a *app) *cobra.Command {
	var file, failOn string
	var fix bool
	c := &cobra.Command{
		Use:   "lint [FILE|-]",
		Short: "Find what is wrong with the OpenTelemetry settings and sidecars of task definitions",
		Long: `Reads task definitions from FILE or stdin and prints what is wrong. It calls nothing
and needs no credentials. What it reads is told by the text itself:
  - DescribeTaskDefinition output, a task definition alone, or RegisterTaskDefinition
    input, as JSON; one or several documents
  - terraform show -json, of a plan file or of the state
  - a CloudFormation template, JSON or YAML, which is also what cdk synth prints
Of the last two each problem names the resource, and its line where there are lines.
What cannot be known before a deployment is said on stderr and not judged; parameters
are judged by their defaults.

With --fix the corrected RegisterTaskDefinition input goes to stdout and the problems
to stderr. Only the variables of the fixes change; what AWS adds to an answer is
dropped. Variables that arrive from secrets or environment files are never touched,
and stderr says so. Of a plan or a template the variables to set are printed, and where.

Rules, each to be switched in the configuration's lint.rules:
` + lintRuleHelp(),
		Example: `  aws ecs describe-task-definition --task-definition shop --include TAGS | taskwarden lint
  taskwarden lint --fail-on warning taskdef.json
  taskwarden lint --fix taskdef.json > fixed.json
  terraform show -json plan.out | taskwarden lint --fail-on warning
  cdk synth | taskwarden lint`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			least := finding.Severity(failOn)
			if failOn != "" && least.Rank() == 0 {
				return usageError("--fail-on: %q is not one of info, warning, critical", failOn)
			}
			name := cmp.Or(strings.Join(args, ""), "-")
			if name == "-" && file == "-" {
				return usageError("stdin cannot be both the configuration and the input")
			}
			options, err := a.lintOptions(file)
			if err != nil {
				return err
			}
			raw, err := a.readInput(c.Context(), name)
			if err != nil {
				return err
			}
			l := linter{app: a, options: options, fix: fix}
			l.read(raw)
			return l.finish(least)
		},
	}
	addConfigFlag(c, &file)
	c.Flags().StringVar(&failOn, "fail-on", "", "exit with 2 on a problem of at least this severity: info, warning, critical")
	c.Flags().BoolVar(&fix, "fix", false, "print the corrected registration input, and the problems on stderr")
	return c
}

func lintRuleHelp() string {
	var out strings.Builder
	for _, r := range otel.Rules() {
		fmt.Fprintf(&out, "  %s (%s): %s\n", r.ID, r.Severity, r.Means)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// lintOptions is what the configuration says of the rules and of sidecars.
func (a *app) lintOptions(file string) (otel.Options, error) {
	conf, _, err := a.loadConfig(file)
	if err != nil {
		return otel.Options{}, err
	}
	p, err := policiesOf(conf)
	if err != nil {
		return otel.Options{}, &exitError{exitConfig, err}
	}
	return p.Lint, nil
}

// lintRules is the configuration's lint.rules as the rules take it.
func lintRules(l config.Lint) (map[string]finding.Severity, error) {
	in := map[string]string{}
	for id, position := range l.Rules {
		in[string(id)] = string(position)
	}
	rules, err := otel.ParseRules(in)
	if err != nil {
		return nil, fmt.Errorf("lint.rules: %w", err)
	}
	return rules, nil
}

// readInput reads the whole input, until the context ends: a read from a terminal knows no context.
func (a *app) readInput(ctx context.Context, name string) ([]byte, error) {
	in, err := a.input(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	type result struct {
		raw []byte
		err error
	}
	done := make(chan result, 1)
	var raw []byte
	contain.Go(contain.Command, "the input", func() (err error) { raw, err = io.ReadAll(io.LimitReader(in, maxLintInput+1)); return err },
		func(err error) { done <- result{raw, err} })
	select {
	case r := <-done:
		if r.err == nil && len(r.raw) > maxLintInput {
			r.err = fmt.Errorf("it has more than %d bytes", maxLintInput)
		}
		if r.err != nil {
			return nil, fmt.Errorf("read the input: %w", r.err)
		}
		return r.raw, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
}
