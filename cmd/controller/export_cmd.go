package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"taskwarden/reconciler/export"
)

func newExportCmd(a *app) *cobra.Command {
	format := string(export.JSON)
	c := &cobra.Command{
		Use:   "export ADDRESS",
		Short: "Print a planned change for the tool that owns the service",
		Long: `Prints what remediation would change in a service's task definition, in the words of
the tool that owns it: the policy's variables with the place where they belong, what
stands there now, and the evidence for the owner. It holds nothing else of the task
definition. Other services that need the same change of the same owner are listed below.
ADDRESS is [target/]cluster/service, service alone where unique, or the service's ARN.

json has the commands too that make the change with the AWS CLI and jq.

It needs an approver's token, in --token-file or TASKWARDEN_TOKEN.`,
		Example: `  taskwarden export prod/django --format cloudformation
  taskwarden export prod/django | jq -r '.commands[]'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.export(cmd.Context(), args[0], format) },
	}
	c.Flags().StringVar(&format, "format", format, strings.Join(export.Names(), ", "))
	return c
}

// export prints the snippet as the server wrote it: it is for another program.
func (a *app) export(ctx context.Context, address, format string) error {
	if !slices.Contains(export.Names(), format) {
		return usageError("--format %q: use one of %s", format, strings.Join(export.Names(), ", "))
	}
	path, err := servicePath(address)
	if err != nil {
		return err
	}
	c, err := a.client(askWithin)
	if err != nil {
		return err
	}
	status, body, err := c.get(ctx, path+":export?format="+url.QueryEscape(format))
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return c.refused(status, body)
	}
	if _, err := a.stdout.Write(body); err != nil {
		return fmt.Errorf("print the export: %w", err)
	}
	return nil
}
