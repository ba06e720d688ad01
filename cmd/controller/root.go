package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// app is what a verb touches of the world outside, so that tests run it in
// process, and the flags that all verbs share.
type app struct {
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	env      func(string) (string, bool) // as os.LookupEnv
	terminal bool                        // stdout is a terminal

	output    string // --output; empty: the verb's choice
	logLevel  string
	logFormat string
	region    string // --region; empty: the AWS SDK's own rules
	profile   string // --profile; same
	server    string // --server
	tokenFile string // --token-file
}

func newApp() *app {
	info, err := os.Stdout.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: os.LookupEnv, terminal: terminal}
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, a *app) (code int) {
	defer func() {
		if p := recover(); p != nil { // Go's own exit code for a panic, 2, would read as findings
			fmt.Fprintf(a.stderr, "taskwarden: panic: %v\n%s", p, debug.Stack())
			code = exitFailed
		}
	}()
	root := newRootCmd(a)
	root.SetArgs(args)
	return execute(ctx, root, a.stderr)
}

// execute runs a command tree and prints its error, so that no verb does.
func execute(ctx context.Context, root *cobra.Command, stderr io.Writer) int {
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	err = usageUnlessVerb(err)
	printError(stderr, err, cmd.CommandPath())
	return exitCode(err)
}

// newRootCmd is the whole command tree.
func newRootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "taskwarden",
		Short: "Watches Amazon ECS services for task churn that nobody reports",
		Long: `taskwarden watches every ECS service for tasks that die and are replaced without
anybody noticing. It says for each stopped task why it stopped, whether that was
planned and which container is to blame.

Exit codes: 0 fine, 1 failed, 2 findings at or above --fail-on, 3 done but the
view was incomplete, 64 wrong usage, 78 bad configuration.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.checkFlags() },
	}
	asGroup(root)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetHelpCommand(newHelpCmd(root))
	a.addFlags(root)
	root.AddCommand(
		newRunCmd(a),
		newScanCmd(a, a.awsConfig),
		newExplainCmd(a),
		newLintCmd(a),
		newReplayCmd(a),
		newStoreCmd(a),
		newGetCmd(a),
		newDescribeCmd(a),
		newApproveCmd(a),
		newRejectCmd(a),
		newRollbackCmd(a),
		newResetCmd(a),
		newPauseCmd(a),
		newResumeCmd(a),
		newExportCmd(a),
		newHealthCmd(a),
		newConfigCmd(a),
		newIAMPolicyCmd(a),
		newVersionCmd(a),
	)
	markVerbs(root)
	return root
}

// newHelpCmd is cobra's help, except that a verb it does not know is wrong usage.
func newHelpCmd(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [verb]",
		Short: "Help about a verb",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("unknown command %q for %q", rest[0], c.CommandPath())
			}
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return c.Help()
		},
	}
}

func (a *app) addFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&a.output, "output", "o", "", "output format: "+strings.Join(outputs, ", ")+" (default: what suits the verb)")
	f.StringVar(&a.logLevel, "log-level", "info", "least severe log line on stderr: "+strings.Join(logLevels, ", "))
	f.StringVar(&a.logFormat, "log-format", "console", "log lines as "+strings.Join(logFormats, " or "))
	f.StringVar(&a.region, "region", "", "AWS region, as the AWS CLI has it")
	f.StringVar(&a.profile, "profile", "", "AWS profile, as the AWS CLI has it")
	f.StringVar(&a.server, "server", "", "URL of a running controller (default: TASKWARDEN_SERVER)")
	f.StringVar(&a.tokenFile, "token-file", "", "file with the API token (default: the token in TASKWARDEN_TOKEN)")
}

var (
	outputs    = []string{"table", "wide", "json", "jsonl", "yaml"}
	logLevels  = []string{"debug", "info", "warn", "error"}
	logFormats = []string{"console", "json"}
)

// checkFlags refuses values that a shared flag does not take.
func (a *app) checkFlags() error {
	for _, f := range []struct {
		name, value string
		takes       []string
	}{
		{"--output", a.output, append([]string{""}, outputs...)},
		{"--log-level", a.logLevel, logLevels},
		{"--log-format", a.logFormat, logFormats},
	} {
		if !slices.Contains(f.takes, f.value) {
			return usageError("%s: %q is not one of %s", f.name, f.value, strings.TrimPrefix(strings.Join(f.takes, ", "), ", "))
		}
	}
	return nil
}

// format is the output format: what --output says, else a table on a terminal
// and piped elsewhere.
func (a *app) format(piped string) string {
	switch {
	case a.output != "":
		return a.output
	case a.terminal:
		return "table"
	}
	return piped
}

// printDocument writes a YAML document as --output asks; there is no table of a
// document, so a table is the YAML itself.
func (a *app) printDocument(text []byte) error {
	switch a.output {
	case "json", "jsonl":
		return a.printJSON(text)
	}
	_, err := a.stdout.Write(text)
	return err
}

// printJSON writes a YAML document as JSON: indented, or on one line for jsonl.
func (a *app) printJSON(text []byte) error {
	compact, err := yaml.YAMLToJSON(text)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	compact = bytes.TrimSpace(compact)
	var out bytes.Buffer
	if a.output == "json" {
		err = json.Indent(&out, compact, "", "  ")
	} else {
		err = json.Compact(&out, compact)
	}
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	out.WriteByte('\n')
	_, err = a.stdout.Write(out.Bytes())
	return err
}

// verbError marks an error that a verb returned. Whatever comes back from cobra
// without the mark is cobra's own, hence wrong usage.
type verbError struct{ error }

func (e verbError) Unwrap() error { return e.error }

func markVerbs(c *cobra.Command) {
	if verb := c.RunE; verb != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			if err := verb(c, args); err != nil {
				return verbError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		markVerbs(sub)
	}
}

func usageUnlessVerb(err error) error {
	if v, ok := errors.AsType[verbError](err); ok {
		return v.error
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e
	}
	return &exitError{exitUsage, err}
}

// asGroup makes a command that only holds others: alone it prints its help, and
// it refuses a name it does not know.
func asGroup(c *cobra.Command) {
	c.SuggestionsMinimumDistance = 2
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := ""
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf(", did you mean %q?", near[0])
		}
		return usageError("unknown command %q for %q%s", args[0], c.CommandPath(), hint)
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
}
