package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/scan"
	"taskwarden/test/account"
)

// scenario loads one of the stories with its variables set.
func scenario(t *testing.T, name string, set map[string]string) account.Scenario {
	t.Helper()
	s, err := account.LoadScenario("../../test/scenarios/"+name+".yaml", set)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// opened is a simulated account as it is when the calling bubble begins.
func opened(t *testing.T, s account.Scenario) *account.Account {
	t.Helper()
	w, err := account.New(s, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// scanned runs the verb against a simulated account in place of AWS.
func scanned(t *testing.T, w *account.Account, args ...string) result {
	t.Helper()
	return scannedUntil(t.Context(), w, args...)
}

func scannedUntil(ctx context.Context, w *account.Account, args ...string) result {
	base := aws.Config{Region: w.Region(), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient: w.Transport(), BaseEndpoint: aws.String("http://account.invalid")}
	var out, errOut bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errOut, env: func(string) (string, bool) { return "", false }}
	root := &cobra.Command{Use: "taskwarden", SilenceErrors: true, SilenceUsage: true, PersistentPreRunE: func(*cobra.Command, []string) error { return a.checkFlags() }}
	a.addFlags(root)
	root.AddCommand(newScanCmd(a, func(context.Context) (cloud.Config, error) { return base, nil }))
	markVerbs(root)
	root.SetArgs(append([]string{"scan"}, args...))
	code := execute(ctx, root, &errOut)
	return result{code, out.String(), errOut.String()}
}

// reported is the document of a scan, by the address of each service.
func reported(t *testing.T, r result) (scan.Report, map[string]scan.Service) {
	t.Helper()
	var report scan.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatalf("%v\n%s\n%s", err, r.errOut, r.out)
	}
	by := map[string]scan.Service{}
	for _, s := range report.Items {
		by[s.Address()] = s
	}
	return report, by
}

// readsAlone fails for each call that is not a read.
func readsAlone(t *testing.T, w *account.Account) {
	t.Helper()
	if len(w.Calls()) == 0 {
		t.Error("nothing was called")
	}
	for _, c := range w.Calls() {
		if !strings.HasPrefix(c.Op, "List") && !strings.HasPrefix(c.Op, "Describe") && c.Op != "GetLogEvents" {
			t.Errorf("%s was called", c.Action())
		}
	}
}

// truth is what really happened to a service in its history: its deaths, and the lifetimes of those it started itself.
func truth(w *account.Account, service string, since time.Time) (deaths int, lives []time.Duration) {
	for _, s := range w.Stops() {
		if s.Service == service && !s.Planned && s.At.After(since) {
			deaths++
			lives = append(lives, s.Ran)
		}
	}
	slices.Sort(lives)
	return deaths, lives
}

// TestScanOfTheIncident: the churn has been going on for two days, and of the stopped tasks only those of the last hour show.
func TestScanOfTheIncident(t *testing.T) {
	for seed := range 8 {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := opened(t, scenario(t, "incident", map[string]string{"history": "48h", "seed": fmt.Sprint(seed)}))
				began := time.Now().Add(-48 * time.Hour)
				r := scanned(t, w, "-o", "json")
				report, by := reported(t, r)
				if r.code != 0 || !report.Complete {
					t.Errorf("exit %d, complete %v: %s", r.code, report.Complete, r.errOut)
				}
				s := by["default/prod/django"]
				deaths, lives := truth(w, "django", began)
				if rate := float64(deaths) / (4 * 2); s.Rate.PerTaskDay < 0.8*rate || s.Rate.PerTaskDay > 1.2*rate || s.Rate.Low > rate || s.Rate.High < rate {
					t.Errorf("rate %+v, true %v", s.Rate, rate)
				}
				if l := s.Lifetimes; l.P10 < lives[0].Seconds()-60 || l.P90 > lives[len(lives)-1].Seconds()+60 || l.P10 >= l.P90 || l.P10 < 5.9*3600 {
					t.Errorf("lifetimes %+v, true %v to %v", l, lives[0], lives[len(lives)-1])
				}
				c := s.Culprit
				if s.Status != scan.Churning || c.Container != "cwagent" || !c.Sidecar || c.Signature != "go-concurrent-map-writes" ||
					c.Line != "fatal error: concurrent map writes" || !strings.HasSuffix(c.Image, ":1.300057.0b1161") || c.Shown < 3 {
					t.Errorf("status %s, culprit %+v", s.Status, c)
				}
				if o := s.Onset; o.Revision != "django:1" || o.Began != scan.BeforeHistory || o.FirstDeath.Sub(began) > 8*time.Hour {
					t.Errorf("onset %+v", o)
				}
				if len(s.Cures) != 4 || s.Cures[0].Kind != finding.Upgrade || s.Cures[3].Set["OTEL_TRACES_SAMPLER_ARG"] != "0.01" {
					t.Errorf("cures %+v", s.Cures)
				}
				for name, other := range by {
					if other.Status == scan.Churning && name != s.Address() || strings.Contains(r.out, "healthy\"") {
						t.Errorf("%s: %s", name, other.Status)
					}
				}
				readsAlone(t, w)
			})
		})
	}
}

// TestScanOfManyTasks: of twenty tasks some die within one look of the scheduler, and of their starts a hundred events show half a day.
func TestScanOfManyTasks(t *testing.T) {
	for seed := range 6 {
		synctest.Test(t, func(t *testing.T) {
			w := opened(t, scenario(t, "incident", map[string]string{"history": "48h", "tasks": "20", "seed": fmt.Sprint(seed)}))
			_, by := reported(t, scanned(t, w, "-o", "json"))
			s := by["default/prod/django"]
			deaths, _ := truth(w, "django", *s.SeenSince)
			if rate := float64(deaths) / 20 / (time.Since(*s.SeenSince).Hours() / 24); s.Rate.PerTaskDay < 0.8*rate || s.Rate.PerTaskDay > 1.2*rate {
				t.Errorf("seed %d: %+v, true %v", seed, s.Rate, rate)
			}
		})
	}
}

// TestScanOfABusyService: its hundred events reach back for half a day alone, and the rate is that of this half day.
func TestScanOfABusyService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := opened(t, scenario(t, "incident", map[string]string{"history": "48h", "crashLifetime": "50m..70m"}))
		_, by := reported(t, scanned(t, w, "-o", "json"))
		s := by["default/prod/django"]
		deaths, _ := truth(w, "django", *s.SeenSince)
		reach := time.Since(*s.SeenSince)
		if reach < 6*time.Hour || reach > 24*time.Hour || deaths < 30 {
			t.Fatalf("seen for %s, %d deaths", reach, deaths)
		}
		if rate := float64(deaths) / 4 / (reach.Hours() / 24); s.Rate.PerTaskDay < 0.8*rate || s.Rate.PerTaskDay > 1.2*rate {
			t.Errorf("%+v, true %v", s.Rate, rate)
		}
		if l := s.Lifetimes; l.P10 < 50*60-60 || l.P90 > 70*60+60 || s.Culprit.Container != "cwagent" {
			t.Errorf("%+v %+v", l, s.Culprit)
		}
		told := slices.ContainsFunc(s.Sources, func(r scan.Reach) bool { return strings.Contains(r.Told, "older events are not shown") })
		if !told {
			t.Errorf("%+v", s.Sources)
		}
	})
}

// TestScanNamesWhatChanged: two days of peace, then a release brings the sampler and a new agent, and a variable whose value nobody keeps.
func TestScanNamesWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario(t, "incident", map[string]string{"history": "96h"})
		django := s.Clusters[0].Services[0]
		for _, c := range django.TaskDefinition.Containers {
			if env, ok := c["environment"].(map[string]any); ok {
				env["OTEL_TRACES_SAMPLER"], env["OTEL_TRACES_SAMPLER_ARG"] = "parentbased_traceidratio", "0.01"
			}
		}
		s.Timeline = []account.Step{{At: account.Exactly(-48 * time.Hour), Do: account.DoDeploy, Service: "django", Why: "the release",
			Set:   map[string]map[string]string{"django": {"OTEL_TRACES_SAMPLER": "xray", "OTEL_TRACES_SAMPLER_ARG": "endpoint=http://localhost:2000", "NEW_TOKEN": "s3cr3t-value"}},
			Image: map[string]string{"nginx": "public.ecr.aws/nginx/nginx:1.28"}}}
		w := opened(t, s)
		r := scanned(t, w, "-o", "json")
		_, by := reported(t, r)
		o := by["default/prod/django"].Onset
		if o.Began != scan.WithDeployment || o.Revision != "django:2" || o.Before != "django:1" || o.FirstDeath.Before(time.Now().Add(-43*time.Hour)) {
			t.Errorf("onset %+v", o)
		}
		want := []scan.Change{
			{Container: "nginx", What: "image", Was: "public.ecr.aws/nginx/nginx:1.27", Is: "public.ecr.aws/nginx/nginx:1.28"},
			{Container: "django", What: "environment", Name: "NEW_TOKEN", Is: "(hidden)"},
			{Container: "django", What: "environment", Name: "OTEL_TRACES_SAMPLER", Was: "parentbased_traceidratio", Is: "xray"},
			{Container: "django", What: "environment", Name: "OTEL_TRACES_SAMPLER_ARG", Was: "0.01", Is: "endpoint=http://localhost:2000"},
		}
		if diff := cmp.Diff(want, o.Changes); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		deaths, _ := truth(w, "django", time.Now().Add(-48*time.Hour))
		if rate, true := by["default/prod/django"].Rate.PerTaskDay, float64(deaths)/8; rate < 0.8*true || rate > 1.2*true {
			t.Errorf("rate %v, true %v", rate, true)
		}
		if strings.Contains(r.out+scanned(t, w, "-o", "wide").out, "s3cr3t") {
			t.Error("a value that is on no list is shown")
		}
	})
}

// optional are the sources that a scan can go without.
var optional = []string{"ecs:ListServiceDeployments", "ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions",
	"ecs:DescribeTaskDefinition", "logs:DescribeLogStreams", "logs:GetLogEvents", "cloudwatch:DescribeAlarms"}

func TestScanGoesWithoutWhatIsDenied(t *testing.T) {
	for _, denied := range append(slices.Clone(optional), strings.Join(optional, " ")) {
		t.Run(denied, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := opened(t, scenario(t, "incident", map[string]string{"history": "48h"}))
				w.Deny(strings.Fields(denied)...)
				r := scanned(t, w, "-o", "json")
				report, by := reported(t, r)
				if r.code != 3 || report.Complete {
					t.Errorf("exit %d, complete %v", r.code, report.Complete)
				}
				table := scanned(t, w, "-o", "table").out
				for _, action := range strings.Fields(denied) {
					named := slices.ContainsFunc(report.Gaps, func(h scan.Hole) bool { return h.Action == action })
					// With the definition denied, nobody knows where the logs are; they are then not asked for.
					hidden := strings.HasPrefix(action, "logs:") || action == "ecs:DescribeServiceRevisions" || action == "ecs:DescribeServiceDeployments"
					if strings.Contains(denied, " ") && hidden {
						continue
					}
					if !named || !strings.Contains(r.errOut, "allow "+action) || !strings.Contains(table, "allow the IAM action "+action) {
						t.Errorf("%s is not named: %+v\n%s", action, report.Gaps, r.errOut)
					}
				}
				s := by["default/prod/django"]
				deaths, _ := truth(w, "django", time.Now().Add(-48*time.Hour))
				if rate := float64(deaths) / 8; s.Status != scan.Churning || s.Rate.PerTaskDay < 0.8*rate || s.Rate.PerTaskDay > 1.2*rate {
					t.Errorf("status %s, rate %+v, true %v", s.Status, s.Rate, rate)
				}
				if l := s.Lifetimes; l == nil || l.P50 < 5.5*3600 || l.P50 > 7.5*3600 {
					t.Errorf("lifetimes %+v", l)
				}
				if s.Culprit == nil || s.Culprit.Container != "cwagent" { // one stopped task is still shown
					t.Errorf("culprit %+v", s.Culprit)
				}
				if len(report.Items) != 4 {
					t.Errorf("%d services", len(report.Items))
				}
				readsAlone(t, w)
			})
		})
	}
}

func TestScanNeverConcludesFromAPartialList(t *testing.T) {
	for _, denied := range []string{"ecs:ListTasks", "ecs:DescribeTasks"} {
		synctest.Test(t, func(t *testing.T) {
			w := opened(t, scenario(t, "incident", map[string]string{"history": "48h"}))
			w.Deny(denied)
			r := scanned(t, w, "-o", "json")
			report, by := reported(t, r)
			for name, s := range by {
				if s.Status == scan.Quiet || s.SeenSince != nil || s.NamedDeaths > 0 {
					t.Errorf("%s: %s is %s, %d named deaths, seen since %v", denied, name, s.Status, s.NamedDeaths, s.SeenSince)
				}
			}
			if r.code != 3 || report.Targets[0].Action != denied || len(by) != 4 {
				t.Errorf("exit %d, %+v", r.code, report.Targets)
			}
		})
	}
}

func TestScanWithNothingToSee(t *testing.T) {
	for denied, code := range map[string]int{"ecs:ListClusters": 1, "*": 1, "ecs:DescribeServices": 3, "ecs:ListServices": 3} {
		synctest.Test(t, func(t *testing.T) {
			w := opened(t, scenario(t, "quiet", nil))
			w.Deny(denied)
			r := scanned(t, w, "-o", "table")
			if r.code != code || denied != "*" && !strings.Contains(r.errOut+r.out, denied) {
				t.Errorf("%s: exit %d\n%s\n%s", denied, r.code, r.errOut, r.out)
			}
		})
	}
}

func TestScanOfQuietAccounts(t *testing.T) {
	for name, set := range map[string]map[string]string{"quiet": nil, "planned-only": {"history": "48h"}, "incident": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := scanned(t, opened(t, scenario(t, name, set)), "-o", "json", "--fail-on", "info")
				report, by := reported(t, r)
				if r.code != 0 || len(report.Causes) != 0 {
					t.Errorf("exit %d: %s\n%+v", r.code, r.errOut, report.Causes)
				}
				for address, s := range by {
					if s.Status == scan.Quiet && s.SeenSince == nil || s.Reason == "" || len(s.Sources) < 3 || s.Desired == 0 && s.Status != scan.Unknown {
						t.Errorf("%s: %+v", address, s)
					}
				}
			})
		})
	}
}

// TestScanRaisesNoFalseAlarm: weeks of releases, scaling, reclaimed spot capacity, maintenance and operators.
func TestScanRaisesNoFalseAlarm(t *testing.T) {
	for _, history := range []string{"36h", "72h", "168h"} {
		for seed := range 5 {
			synctest.Test(t, func(t *testing.T) {
				s := scenario(t, "planned-only", map[string]string{"history": history, "seed": fmt.Sprint(seed), "first": "-30h", "scaleOut": "-32h", "scaleIn": "-28h", "spot": "-33h"})
				for i := range s.Timeline {
					if s.Timeline[i].Do == account.DoMaintenance || s.Timeline[i].Do == account.DoStop {
						s.Timeline[i].At = account.Exactly(-20 * time.Hour)
					}
				}
				r := scanned(t, opened(t, s), "-o", "wide", "--fail-on", "info")
				if r.code != 0 || strings.Contains(r.out, "churning") {
					t.Errorf("history %s, seed %d: exit %d\n%s", history, seed, r.code, r.out)
				}
			})
		}
	}
}

func TestScanGroupsByCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := account.Fleet(20, 3, 7)
		s.History = account.Exactly(48 * time.Hour)
		w := opened(t, s)
		r := scanned(t, w, "-o", "json", "--fail-on", "warning")
		report, by := reported(t, r)
		want := []string{"default/fleet-00/service-000", "default/fleet-00/service-001", "default/fleet-00/service-002"}
		if r.code != 2 || len(report.Causes) != 1 || !slices.Equal(report.Causes[0].Services, want) || report.Causes[0].Explains != 3 || report.Causes[0].Of != 3 {
			t.Errorf("exit %d, causes %+v", r.code, report.Causes)
		}
		for i, item := range report.Items {
			if (item.Status == scan.Churning) != (i < 3) {
				t.Errorf("item %d is %s %s", i, item.Address(), item.Status)
			}
		}
		if len(by) != 20 {
			t.Errorf("%d services", len(by))
		}
		lines := strings.Split(strings.TrimSpace(scanned(t, w, "-o", "jsonl").out), "\n")
		if len(lines) != 20 || !strings.Contains(lines[0], `"status":"churning"`) {
			t.Errorf("%d lines, the first %s", len(lines), lines[0])
		}
		if table := scanned(t, w, "-o", "table").out; !strings.Contains(table, "one cause explains 3 of 3 services that churn") {
			t.Errorf("table:\n%s", table)
		}
	})
}
