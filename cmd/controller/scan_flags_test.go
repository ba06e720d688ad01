package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/scan"
	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

func TestScanUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := opened(t, scenario(t, "quiet", nil))
		for _, args := range [][]string{{"--fail-on", "grave"}, {"--history", "soon"}, {"--history", "-3h"}, {"--history", "0s"}, {"--api-budget", "0"},
			{"--api-budget", "1.5"}, {"--cluster", "[x"}, {"extra"}, {"-o", "xml"}} {
			if r := scanned(t, w, args...); r.code != 64 || r.errOut == "" {
				t.Errorf("%v: exit %d, %s", args, r.code, r.errOut)
			}
		}
		if len(w.Calls()) > 0 {
			t.Error("AWS was called")
		}
	})
}

func TestScanOfOneService(t *testing.T) {
	two := func() account.Scenario {
		s := scenario(t, "incident", map[string]string{"history": "48h"})
		other := account.Cluster{Name: "staging", Services: []account.Service{s.Clusters[0].Services[1]}}
		other.Services[0].TaskDefinition.Family = "orders-staging"
		s.Clusters = append(s.Clusters, other)
		return s
	}
	for args, want := range map[string]struct {
		code  int
		items []string
		says  string
	}{
		"--service django":                 {0, []string{"default/prod/django"}, ""},
		"--service prod/orders":            {0, []string{"default/prod/orders"}, ""},
		"--service default/staging/orders": {0, []string{"default/staging/orders"}, ""},
		"--service arn:aws:ecs:ap-northeast-1:111122223333:service/prod/search": {0, []string{"default/prod/search"}, ""},
		"--service orders":            {64, nil, "default/prod/orders\n  default/staging/orders"},
		"--service nobody":            {1, nil, `no service "nobody"`},
		"--service prod/nobody":       {1, nil, `no service "prod/nobody"`},
		"--cluster staging":           {0, []string{"default/staging/orders"}, ""},
		"--cluster st* --cluster pr*": {0, []string{"default/prod/django", "default/prod/orders", "default/prod/search", "default/prod/worker", "default/staging/orders"}, ""},
		"--cluster nowhere":           {0, []string{}, ""},
	} {
		t.Run(args, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := opened(t, two())
				r := scanned(t, w, append(strings.Fields(args), "-o", "json")...)
				if r.code != want.code || !strings.Contains(r.errOut, want.says) {
					t.Fatalf("exit %d\n%s", r.code, r.errOut)
				}
				if want.items == nil {
					return
				}
				report, _ := reported(t, r)
				got := []string{}
				for _, s := range report.Items {
					got = append(got, s.Address())
				}
				slices.Sort(got)
				if !slices.Equal(got, want.items) {
					t.Errorf("%v, want %v", got, want.items)
				}
			})
		})
	}
}

func TestScanNamedClustersNeedNoListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := opened(t, scenario(t, "incident", map[string]string{"history": "48h"}))
		w.Deny("ecs:ListClusters")
		r := scanned(t, w, "--cluster", "prod", "-o", "json")
		report, by := reported(t, r)
		if r.code != 0 || len(by) != 4 || by["default/prod/django"].Status != scan.Churning || !report.Complete { // all that was asked for was seen
			t.Errorf("exit %d, %+v\n%s", r.code, report.Targets, r.errOut)
		}
	})
}

// TestScanFindsDeadSidecars: nothing stops, so there is no churn; the finding is there all the same.
func TestScanFindsDeadSidecars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario(t, "sidecar-down", nil)
		s.Timeline = []account.Step{{At: account.Exactly(time.Minute), Do: account.DoKill, Service: "checkout", Container: "cwagent", Exit: 2, Count: 2, Why: "it dies"}}
		w := opened(t, s)
		time.Sleep(10 * time.Minute)
		r := scanned(t, w, "--fail-on", "warning", "-o", "json")
		_, by := reported(t, r)
		f := by["default/prod/checkout"].Findings
		if r.code != 2 || len(f) != 1 || f[0].Type != finding.SidecarDown || f[0].Subject != "cwagent" || f[0].Count != 2 {
			t.Errorf("exit %d, %+v\n%s", r.code, f, r.errOut)
		}
		if table := scanned(t, w, "-o", "table").out; !strings.Contains(table, "SidecarDown") {
			t.Errorf("table:\n%s", table)
		}
	})
}

// TestScanKeepsToItsBudget: the account enforces AWS's limits, and twenty services are read with a tenth of them.
func TestScanKeepsToItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := account.Fleet(40, 12, 3)
		s.History = account.Exactly(48 * time.Hour)
		w := opened(t, s)
		w.Throttle()
		r := scanned(t, w, "--api-budget", "0.1", "-o", "json")
		if report, _ := reported(t, r); r.code != 0 || report.Causes[0].Explains != 12 {
			t.Errorf("exit %d, causes %+v\n%s", r.code, report.Causes, r.errOut)
		}
		for _, c := range w.Calls() {
			if c.Code != "" {
				t.Errorf("%s: %s", c.Action(), c.Code)
			}
		}
	})
}

// TestScanAsksADeniedSourceOnce: forty services do not each run into the same wall.
func TestScanAsksADeniedSourceOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := account.Fleet(40, 40, 3)
		s.History = account.Exactly(48 * time.Hour)
		w := opened(t, s)
		w.Deny("ecs:ListServiceDeployments", "logs:GetLogEvents")
		r := scanned(t, w, "-o", "json")
		report, _ := reported(t, r)
		if n := w.CallCounts()["ecs:ListServiceDeployments"]; r.code != 3 || n > servicesAtOnce {
			t.Errorf("exit %d, %d calls", r.code, n)
		}
		if len(report.Gaps) != 2 || len(report.Gaps[0].Services) != 40 {
			t.Errorf("gaps %+v", report.Gaps)
		}
	})
}

func TestScanWithoutLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "c.yaml")
		text := "apiVersion: taskwarden/v1\nkind: ControllerConfig\ndetect: {logs: {enabled: false}}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w := opened(t, scenario(t, "incident", map[string]string{"history": "48h"}))
		r := scanned(t, w, "--config", file, "-o", "table")
		if r.code != 0 || !strings.Contains(r.out, "switched off: detect.logs.enabled is false") {
			t.Errorf("exit %d\n%s\n%s", r.code, r.errOut, r.out)
		}
		for _, c := range w.Calls() {
			if c.Service == "logs" {
				t.Errorf("%s was called", c.Action())
			}
		}
	})
}

func TestScanEndsWhenInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := opened(t, scenario(t, "incident", map[string]string{"history": "48h"}))
		ctx, cancel := context.WithCancel(t.Context())
		hold := make(chan struct{})
		defer close(hold)
		w.Gate(func(c account.Call) bool { return c.Op == "GetLogEvents" }, func(account.Call) account.Gate { return account.Gate{Hold: hold} })
		time.AfterFunc(10*time.Second, cancel)
		began := time.Now()
		r := scannedUntil(ctx, w, "-o", "json")
		if r.code != 1 || r.out != "" || !strings.Contains(r.errOut, "interrupted") || time.Since(began) > 15*time.Second {
			t.Errorf("exit %d after %s, %s\n%s", r.code, time.Since(began), r.errOut, r.out)
		}
	})
}

// TestScanOfAClusterThatFails: what is not seen of one cluster says nothing of the other.
func TestScanOfAClusterThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := opened(t, scenario(t, "quiet", nil))
		w.Gate(func(c account.Call) bool { return c.Op == "ListTasks" && c.Input["cluster"] == "batch" },
			func(account.Call) account.Gate { return account.Gate{Err: wire.Bad("ServerException", "try later")} })
		r := scanned(t, w, "-o", "json")
		_, by := reported(t, r)
		for address, want := range map[string]string{"default/prod/web": scan.Quiet, "default/prod/api": scan.Quiet, "default/batch/importer": scan.Unknown, "default/batch/parked": scan.Unknown} {
			if s := by[address]; s.Status != want || want == scan.Unknown && s.SeenSince != nil {
				t.Errorf("%s: %s (%s)", address, s.Status, s.Reason)
			}
		}
		if r.code != 3 || !strings.Contains(r.errOut, "batch") {
			t.Errorf("exit %d\n%s", r.code, r.errOut)
		}
	})
}

// TestScanOfTwoTargets: one target's trouble is its own.
func TestScanOfTwoTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "c.yaml")
		text := "apiVersion: taskwarden/v1\nkind: ControllerConfig\ntargets:\n  - {name: good, region: ap-northeast-1}\n" +
			"  - {name: bad, region: ap-northeast-1, roleArn: \"arn:aws:iam::444455556666:role/taskwarden\"}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w := opened(t, scenario(t, "incident", map[string]string{"history": "48h"}))
		w.Deny("sts:AssumeRole")
		r := scanned(t, w, "--config", file, "-o", "json")
		report, by := reported(t, r)
		if r.code != 3 || len(by) != 4 || by["good/prod/django"].Status != scan.Churning || report.Targets[0].Error != "" || report.Targets[1].Error == "" {
			t.Errorf("exit %d, %+v\n%s", r.code, report.Targets, r.errOut)
		}
	})
}
