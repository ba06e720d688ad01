// Command account serves a simulated AWS account on a loopback address, so that the AWS CLI, the SDKs and the controller can
// run against a scenario: account -scenario FILE [-addr 127.0.0.1:4566] [-set name=value]... [-throttle]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"taskwarden/test/account"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "account:", err)
		os.Exit(1)
	}
}

// settings collects -set name=value.
type settings map[string]string

// String implements flag.Value.
func (s settings) String() string { return "" }

// Set implements flag.Value.
func (s settings) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q: write it as name=value", text)
	}
	s[name] = value
	return nil
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("account", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:4566", "loopback address to listen on")
	scenario := flags.String("scenario", "", "scenario file (YAML)")
	throttle := flags.Bool("throttle", false, "enforce AWS's documented request limits")
	set := settings{}
	flags.Var(set, "set", "value of a scenario variable, name=value; may be repeated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *scenario == "" {
		return errors.New("-scenario FILE is missing")
	}
	s, err := account.LoadScenario(*scenario, set)
	if err != nil {
		return err
	}
	a, err := account.New(s, time.Now())
	if err != nil {
		return err
	}
	a.Narrate(narrate)
	if *throttle {
		a.Throttle()
	}
	listener, err := listen(*addr)
	if err != nil {
		return err
	}
	fmt.Printf("AWS_ENDPOINT_URL=http://%s AWS_REGION=%s AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n", listener.Addr(), a.Region())
	return serve(ctx, listener, a)
}

// listen refuses every address that another machine could reach: nothing here checks a signature.
func listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("-addr: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("-addr %s: only loopback addresses such as 127.0.0.1:4566 are served", addr)
	}
	return net.Listen("tcp", addr)
}

func serve(ctx context.Context, listener net.Listener, a *account.Account) error {
	mux := http.NewServeMux()
	mux.Handle("/", a)
	mux.HandleFunc("GET /_account/calls", reads(func() any { return a.CallCounts() }))
	mux.HandleFunc("GET /_account/stops", reads(func() any { return a.Stops() }))
	mux.HandleFunc("GET /_account/restarts", reads(func() any { return a.Restarts() }))
	mux.HandleFunc("GET /_account/alarms", reads(func() any { return a.Transitions() }))
	mux.HandleFunc("POST /_account/advance", reads(func() any { a.Advance(time.Now()); return map[string]any{"now": time.Now().UTC()} }))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	go func() { // the world moves while nobody calls
		for {
			select {
			case <-ticker.C:
				a.Advance(time.Now())
			case <-ctx.Done():
				_ = server.Close() // the process ends
				return
			}
		}
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// reads answers a control read in JSON.
func reads(what func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = e.Encode(what()) // the reader is gone: nothing to do about it
	}
}

func narrate(e account.Event) {
	where := e.Cluster
	if e.Service != "" {
		where += "/" + e.Service
	}
	fmt.Fprintf(os.Stderr, "%s %-10s %-16s %s\n", e.At.Format("15:04:05.000"), e.Kind, where, e.Text)
}
