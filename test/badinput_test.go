package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"taskwarden/store/bolt"
	"taskwarden/test/account"
)

// write puts a configuration file into a new directory, with a store of its own beside it.
func write(t *testing.T, more string) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(dir, "config.yaml")
	text := "apiVersion: taskwarden/v1\nkind: ControllerConfig\n" + more
	if !strings.Contains(more, "store:") {
		text += fmt.Sprintf("\nstore: {type: bolt, path: %q}\n", filepath.Join(dir, "data"))
	}
	if !strings.Contains(more, "server:") {
		text += "server: {address: \"127.0.0.1:0\"}\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

// bare is an environment without any AWS settings; more adds to it.
func bare(t *testing.T, more ...string) []string {
	return append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "AWS_EC2_METADATA_DISABLED=true"}, more...)
}

var keys = []string{"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1"}

// What is wrong with this machine ends `run` before the first look, with what it is and what to do.
func TestRunSaysWhatIsWrongHere(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	locked := t.TempDir()
	held, err := bolt.Open(locked, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, bolt.FileName), []byte("this was a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config string
		env    []string
		code   int
		words  []string
	}{
		"unknown field":       {"detect:\n  treshold: 3\n", keys, 78, []string{"config.yaml:4:3", "treshold", `"threshold"`}},
		"impossible value":    {"watch: {apiBudget: 2}\n", keys, 78, []string{"config.yaml:3:", "apiBudget"}},
		"missing capability":  {"alarms: {muteDuringRollout: true}\n", keys, 78, []string{"config.yaml:3:", "not available in this version", "false"}},
		"port in use":         {fmt.Sprintf("server: {address: %q}\n", taken.Addr()), keys, 1, []string{"server.address", taken.Addr().String()}},
		"store locked":        {fmt.Sprintf("store: {type: bolt, path: %q}\n", locked), keys, 1, []string{locked, "in use by another process", "stop it"}},
		"store damaged":       {fmt.Sprintf("store: {type: bolt, path: %q}\n", damaged), keys, 1, []string{damaged, "damaged", "backup"}},
		"no credentials":      {"", []string{"AWS_REGION=us-east-1"}, 1, []string{"no AWS credentials", "AWS_PROFILE"}},
		"no region":           {"", keys[:2], 1, []string{"no AWS region", "AWS_REGION"}},
		"no tokens, no guard": {"server: {address: \"0.0.0.0:0\"}\n", keys, 78, []string{"server", "token"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, file := write(t, c.config)
			fails(t, bare(t, c.env...), c.code, c.words, "run", "--config", file)
		})
	}
}

// What is wrong with the account is said and shown, and the process lives on.
func TestRunSaysWhatIsWrongThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config string
		break_ func(*account.Account)
		words  []string
	}{
		"denied action":   {"", func(a *account.Account) { a.Deny("ecs:ListTasks") }, []string{"ecs:ListTasks"}},
		"nothing allowed": {"", func(a *account.Account) { a.Deny("*:*") }, []string{"ecs:ListClusters"}},
		"a role that cannot be assumed": {"targets: [{name: away, region: us-east-1, roleArn: \"arn:aws:iam::222222222222:role/x\"}]\n",
			func(a *account.Account) { a.Deny("sts:AssumeRole") }, []string{"arn:aws:iam::222222222222:role/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, url := serve(t, incident(t, short))
			c.break_(a)
			p := launch(t, url, a.Region(), t.TempDir(), quick+c.config)
			eventually(t, "the trouble is an Unobservable finding that names it", 30*time.Second, func() bool {
				for _, f := range p.items("/api/v1/findings") {
					text := fmt.Sprint(f["message"], f["evidence"])
					if f["type"] == "Unobservable" && containsAll(text, c.words) {
						return true
					}
				}
				return false
			})
			if code, body := p.status("/readyz"); code != 503 {
				t.Errorf("ready without a complete view: %d %s", code, body)
			}
			if code, _ := p.status("/healthz"); code != 200 {
				t.Errorf("not alive: %d", code)
			}
			p.terminate()
		})
	}
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// A bad new configuration leaves the old one in force and shows in a metric; a good one takes over without a restart.
func TestReload(t *testing.T) {
	t.Parallel()
	a, url := serve(t, incident(t, short))
	dir := t.TempDir()
	p := launch(t, url, a.Region(), dir, quick)
	metric := func(name string) string {
		_, body := p.status("/metrics")
		for line := range strings.Lines(body) {
			if rest, ok := strings.CutPrefix(line, name+" "); ok {
				return strings.TrimSpace(rest)
			}
		}
		return ""
	}
	eventually(t, "ready", 20*time.Second, func() bool { code, _ := p.status("/readyz"); return code == 200 })
	file := filepath.Join(dir, "config.yaml")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(strings.Replace(string(good), "resync: 1s", "rsync: 1s", 1))
	eventually(t, "the failure shows", 20*time.Second, func() bool { return metric("taskwarden_config_last_reload_successful") == "0" })
	eventually(t, "the log names the field", 10*time.Second, func() bool { return strings.Contains(p.stderr.String(), "rsync") })
	if got := metric(`taskwarden_resync_effective_seconds{target="default"}`); got == "" {
		t.Error("the old controller no longer runs")
	}
	put(strings.Replace(string(good), "alarms: {mode: plan}", "alarms: {mode: ensure}", 1))
	eventually(t, "the new mode acts", 40*time.Second, func() bool { return called(a, "PutMetricAlarm") >= 3 })
	if got := metric("taskwarden_config_last_reload_successful"); got != "1" {
		t.Errorf("reload metric %s", got)
	}
	raised := p.items("/api/v1/audit?action=raise")
	if len(raised) == 0 || raised[0]["text"] != "alarms.mode: plan → ensure" || raised[0]["by"] != "configuration" {
		t.Fatalf("the audit log says %v", raised)
	}
	at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(raised[0]["at"]))
	first := slices.IndexFunc(a.Calls(), func(c account.Call) bool { return c.Op == "PutMetricAlarm" })
	if err != nil || !at.Before(a.Calls()[first].At) {
		t.Errorf("audited at %s (%v), the first write was at %s", at, err, a.Calls()[first].At)
	}
	if !strings.Contains(p.stderr.String(), "alarms.mode: plan → ensure") {
		t.Error("the log does not name the old and the new mode")
	}
	p.terminate()
}
