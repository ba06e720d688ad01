package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthWithin is how long /healthz may take; container health checks usually allow 5 s in all.
const healthWithin = 4 * time.Second

func newHealthCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Ask a running controller whether it can answer",
		Long: `Asks /healthz of the controller that --server or TASKWARDEN_SERVER names (default
` + defaultServer + `) and exits 0 when it answers, 1 otherwise: a health check for
containers without curl. It says nothing of how well the targets are seen; that is
what /readyz and "get targets" are for.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(healthWithin)
			if err != nil {
				return err
			}
			c.token = "" // none is needed, so none is sent
			status, body, err := c.get(cmd.Context(), "/healthz")
			if err != nil {
				return err
			}
			if status != http.StatusOK {
				return c.refused(status, body)
			}
			return a.printHealth(c.server)
		},
	}
}

func (a *app) printHealth(server string) error {
	switch a.output {
	case "json", "jsonl", "yaml":
		return a.printValue(map[string]string{"status": "ok", "server": server}, a.output)
	}
	_, err := fmt.Fprintln(a.stdout, "ok")
	return err
}
