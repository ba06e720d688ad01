// Command controller is taskwarden: it watches Amazon ECS services for task
// churn that nobody reports, and says why each task stopped. See the verbs with
// --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills
	os.Exit(run(ctx, os.Args[1:], newApp()))
}
