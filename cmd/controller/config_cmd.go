package main

import (
	"cmp"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"taskwarden"
	"taskwarden/cmd/controller/config"
)

// configEnv may hold a whole configuration as YAML text.
const configEnv = "TASKWARDEN_CONFIG"

func newConfigCmd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check, print, describe and start a configuration",
		Long: `The configuration is the file that --config names ("-" is stdin), else the YAML
text in the environment variable TASKWARDEN_CONFIG, else the one that ships with
the program: complete, safe, and printed by "config init". No file is picked up
from the working directory by itself.`,
	}
	asGroup(c)
	c.AddCommand(newConfigCheckCmd(a), newConfigPrintCmd(a), newConfigSchemaCmd(a), newConfigInitCmd(a))
	return c
}

// addConfigFlag adds --config to a verb.
func addConfigFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", "", `configuration file, "-" for stdin (default: the text in `+configEnv+`, else the shipped configuration)`)
}

// loadConfig reads and checks the configuration that a verb works with. file is
// the value of --config. Errors ask for the exit code of a bad configuration.
func (a *app) loadConfig(file string) (c config.Config, source string, err error) {
	c, _, source, err = a.checkedConfig(file)
	return c, source, err
}

// checkedConfig is loadConfig with what the configuration is warned of.
func (a *app) checkedConfig(file string) (c config.Config, warnings []config.Problem, source string, err error) {
	source, text, err := a.readConfig(file)
	if err != nil {
		return c, nil, source, &exitError{exitConfig, err}
	}
	c, warnings, err = config.Check(source, text)
	return c, warnings, source, err
}

// readConfig finds the text of the configuration and a name for it.
func (a *app) readConfig(file string) (source string, text []byte, err error) {
	switch fromEnv, _ := a.env(configEnv); {
	case file == "-":
		source = "stdin"
		text, err = io.ReadAll(a.stdin)
	case file != "":
		source = file
		text, err = os.ReadFile(file)
	case fromEnv != "":
		return configEnv, []byte(fromEnv), nil
	default:
		return "config.yaml (shipped)", taskwarden.DefaultConfig, nil
	}
	if err != nil {
		err = fmt.Errorf("read the configuration: %w", err)
	}
	return source, text, err
}

func newConfigCheckCmd(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Validate a configuration, with line, column and the nearest right name",
		Long: `Validates a configuration and prints every problem on stderr, one a line as
FILE:LINE:COLUMN: MESSAGE: REMEDY. Exits 78 if there is one. What is allowed and does
not do what it seems to is printed in the same way, as FILE:LINE:COLUMN: warning:
MESSAGE: REMEDY, and does not change the exit code.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && file != "" {
				return usageError("both a FILE and --config: give one")
			}
			if len(args) == 1 {
				file = args[0]
			}
			return a.checkConfig(file)
		},
	}
	addConfigFlag(c, &file)
	return c
}

// summary is what `config check` says of a good configuration.
type summary struct {
	Source      string                 `yaml:"source"`
	OK          bool                   `yaml:"ok"`
	Controller  string                 `yaml:"controller"`
	Targets     int                    `yaml:"targets"`
	Alarms      config.AlarmMode       `yaml:"alarms"`
	Remediation config.RemediationMode `yaml:"remediation"`
	Policies    int                    `yaml:"policies"`
	Tokens      int                    `yaml:"tokens"`
	Warnings    []string               `yaml:"warnings,omitempty"`
}

func (a *app) checkConfig(file string) error {
	c, warnings, source, err := a.checkedConfig(file)
	if err != nil {
		return err
	}
	s := summary{source, true, c.Controller.ID, len(c.Targets), c.Alarms.Mode, c.Remediation.Mode, len(c.Remediation.Policies), len(c.Server.Tokens), nil}
	for _, w := range warnings {
		s.Warnings = append(s.Warnings, w.String())
		fmt.Fprintln(a.stderr, w)
	}
	if a.output == "" || a.output == "table" || a.output == "wide" {
		targets := cmp.Or(plural(s.Targets, "target"), "the ambient account and region")
		_, err = fmt.Fprintf(a.stdout, "OK: %s: controller %s, %s, alarms %s, remediation %s\n", source, s.Controller, targets, s.Alarms, s.Remediation)
		return err
	}
	text, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return a.printDocument(text)
}

// plural counts things in words; empty for none.
func plural(n int, noun string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func newConfigPrintCmd(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "print",
		Short: "Print the effective configuration, secrets masked",
		Long: `Prints the configuration that is in force, with every default filled in, as YAML
(or as JSON with -o json). External ids, token hashes and the values of environment
variables that may hold a secret are masked.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, source, err := a.loadConfig(file)
			if err != nil {
				return err
			}
			text, err := c.Masked().YAML()
			if err != nil {
				return fmt.Errorf("write the configuration: %w", err)
			}
			if a.output == "" {
				fmt.Fprintf(a.stderr, "effective configuration from %s\n", source)
			}
			return a.printDocument(text)
		},
	}
	addConfigFlag(c, &file)
	return c
}

func newConfigSchemaCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration",
		Long: `Prints the JSON Schema (draft 2020-12) of the configuration, for editors. With the
YAML language server, save it and begin your file with
# yaml-language-server: $schema=taskwarden.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}

func newConfigInitCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Print a commented configuration to start from",
		Long: `Prints the shipped configuration: every field with its default and a comment.
Save it with: taskwarden config init > config.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(taskwarden.DefaultConfig)
			return err
		},
	}
}
