package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	observed "go.uber.org/zap/zaptest/observer"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/permission"
	"taskwarden/reconciler/rollout"
	"taskwarden/store"
	"taskwarden/store/memory"
	"taskwarden/test/account"
)

// topicARN is whom the alarms of these tests notify.
const topicARN = "arn:aws:sns:ap-northeast-1:111122223333:oncall"

// usage is one way to run the controller, with what its whole job is.
type usage struct {
	mode   permission.Mode
	config string
	lasts  time.Duration                    // until the job is done
	then   func(t *testing.T, w *modeWorld) // asked for after that; nil: nothing
	done   func(t *testing.T, w *modeWorld) // fails where it is not
}

var usages = []usage{
	{permission.Observe, "detect: {logs: {enabled: false}}\n", 7 * time.Hour, nil, looks},
	{permission.Evidence, "", 7 * time.Hour, nil, evident},
	{permission.Alarms, "detect: {logs: {enabled: false}}\nalarms: {mode: sync, actions: {alarm: [\"" + topicARN + "\"]}}\n", 3 * time.Hour, nil, alarmed},
	{permission.Remediate, `detect: {logs: {enabled: false}}
remediation:
  mode: auto
  default: auto
  policies:
    - name: otel-sampler
      match: {env: {OTEL_TRACES_SAMPLER: [xray]}}
      when: {all: [SidecarCrash]}
      set: {OTEL_TRACES_SAMPLER: parentbased_traceidratio, OTEL_TRACES_SAMPLER_ARG: "0.01"}
`, 90 * time.Minute, backAgain, remedied},
}

// modeWorld is a simulated account with a controller in it that is wired as the binary wires it.
type modeWorld struct {
	account *account.Account
	c       *reconciler.Controller
	logs    *observed.ObservedLogs
	stop    func()
}

// modeAccount is the incident after two days, as a fix may meet it, with one alarm of ours that nothing needs any more, and
// one of somebody else.
func modeAccount(t *testing.T) *account.Account {
	t.Helper()
	s := scenario(t, "incident", map[string]string{"history": "48h"})
	const person = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_PowerUser_0123456789abcdef/alice"
	v := &s.Clusters[0].Services[0]
	v.CreatedBy, v.TaskDefinition.RegisteredBy = person, person
	v.TaskDefinition.Tags = map[string]string{"team": "web"}
	v.BakeTime = account.Exactly(6 * time.Hour) // a rollback of a deployment under way takes a call of its own
	v.TaskDefinition.With = maps.Clone(v.TaskDefinition.With)
	v.TaskDefinition.With["taskRoleArn"] = "arn:aws:iam::111122223333:role/tasks/django"
	for _, c := range v.TaskDefinition.Containers {
		if image := c["image"].(string); strings.Contains(image, ".dkr.ecr.") {
			s.Images = append(s.Images, account.Image{Name: image, Digest: "sha256:" + strings.Repeat("ab", 32)})
		} else {
			c["image"] = image + "@sha256:" + strings.Repeat("ab", 32)
		}
	}
	worker := s.Clusters[0].Services[3].TaskDefinition.Containers[1] // whose restarts Container Insights alone would show
	worker["restartPolicy"] = map[string]any{"enabled": true}
	a := opened(t, s)
	a.SetTopic(topicARN, account.Topic{Confirmed: 1})
	cw := cloudwatch.NewFromConfig(modeConfig(a, "operator"))
	for name, owner := range map[string]string{"taskwarden/taskwarden/default/silent-churn/prod/gone": "taskwarden",
		"taskwarden/taskwarden/gone/target-blind": "taskwarden", "cpu": ""} {
		in := &cloudwatch.PutMetricAlarmInput{AlarmName: &name, Namespace: aws.String("AWS/ECS"), MetricName: aws.String("CPUUtilization"),
			Statistic: cwtypes.StatisticAverage, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(80),
			ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold, AlarmActions: []string{topicARN}}
		if owner != "" {
			in.Tags = []cwtypes.Tag{{Key: aws.String("taskwarden:owner"), Value: &owner}}
		}
		if _, err := cw.PutMetricAlarm(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// modeConfig is the SDK's configuration for a caller of the account.
func modeConfig(a *account.Account, key string) aws.Config {
	return aws.Config{Region: a.Region(), Credentials: credentials.NewStaticCredentialsProvider(key, "test", ""),
		HTTPClient: a.Transport(), BaseEndpoint: aws.String("http://account.invalid")}
}

// begin runs a controller on a configuration, wired as `run` wires it.
func begin(t *testing.T, a *account.Account, text string) *modeWorld {
	t.Helper()
	cfg, err := config.Load("mode", []byte("apiVersion: taskwarden/v1\nkind: ControllerConfig\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observed.New(zapcore.InfoLevel)
	o, err := assemble(t.Context(), cfg, modeConfig(a, "test"), held{Monitor: store.NewMonitor(memory.New(time.Now), quietly)}, prometheus.NewRegistry(), zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := &modeWorld{account: a, c: reconciler.New(o), logs: logs}
	done := make(chan error, 1)
	go func() { done <- w.c.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return w
}

// printed is the policy as the verb prints it.
func printed(t *testing.T, args ...string) (permission.Policy, []byte) {
	t.Helper()
	r := command(t, nil, "", append([]string{"iam-policy"}, args...)...)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.errOut)
	}
	var p permission.Policy
	if err := json.Unmarshal([]byte(r.out), &p); err != nil {
		t.Fatal(err)
	}
	return p, []byte(r.out)
}

func looks(t *testing.T, w *modeWorld) {
	open := map[string]bool{}
	for _, f := range w.c.Findings() {
		if f.Status == finding.True {
			open[f.Type+" "+f.Key.Service] = true
		}
	}
	for _, want := range []string{"SilentChurn django", "SidecarCrash django", "AlarmMissing "} {
		if !open[want] && !slices.ContainsFunc(slices.Collect(maps.Keys(open)), func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("no %s: %v", want, open)
		}
	}
	if n := len(w.c.Alarms()); n < 7 {
		t.Errorf("%d alarms planned", n)
	}
}

func evident(t *testing.T, w *modeWorld) {
	looks(t, w)
	if !slices.ContainsFunc(w.c.Findings(), func(f finding.Finding) bool { return strings.Contains(fmt.Sprint(f), "go-concurrent-map-writes") }) {
		t.Error("no finding names the signature")
	}
}

func alarmed(t *testing.T, w *modeWorld) {
	for _, a := range w.c.Alarms() {
		if strings.HasPrefix(a.Name, "taskwarden/") && a.Status != "present" {
			t.Errorf("%s is %s", a.Name, a.Status)
		}
	}
	for _, c := range w.account.Calls() {
		if c.Op == "DeleteAlarms" && c.Code == "" {
			return
		}
	}
	t.Error("the alarm that nothing needs is still there")
}

// backAgain has the fix taken back, which takes some calls more.
func backAgain(t *testing.T, w *modeWorld) {
	for _, r := range w.c.Rollouts(fleet.Key{}) {
		if r.Phase == rollout.Rolling {
			if _, err := w.c.RollBack(t.Context(), r.ID, rollout.Order{By: "oncall"}); err != nil {
				t.Error(err)
			}
		}
	}
}

func remedied(t *testing.T, w *modeWorld) {
	all := w.c.Rollouts(fleet.Key{})
	if len(all) != 1 || all[0].Outcome != rollout.RolledBack {
		t.Errorf("rollouts: %+v", all)
	}
	done := map[string]int{}
	for _, c := range w.account.Calls() {
		if c.Code == "" {
			done[c.Op]++
		}
	}
	if done["UpdateService"] != 1 || done["StopServiceDeployment"] != 1 || done["RegisterTaskDefinition"] != 2 {
		t.Errorf("%d UpdateService, %d StopServiceDeployment, %d RegisterTaskDefinition", done["UpdateService"], done["StopServiceDeployment"], done["RegisterTaskDefinition"])
	}
}

// approve says yes to what waits: too little history is known for mode auto.
func (w *modeWorld) approve(t *testing.T) {
	for _, r := range w.c.Rollouts(fleet.Key{}) {
		if r.Live() && r.Phase == rollout.Proposed {
			if _, err := w.c.Approve(t.Context(), r.ID, r.Plan.Hash, rollout.Order{By: "oncall"}); err != nil {
				t.Error(err)
			}
		}
	}
}

// work lets the controller do a usage's job, until enough says so and a while longer.
func (w *modeWorld) work(t *testing.T, u usage, enough func() bool) {
	for waited := time.Duration(0); waited < u.lasts && !enough(); waited += 5 * time.Minute {
		time.Sleep(5 * time.Minute)
		w.approve(t)
	}
	if u.then != nil {
		u.then(t, w)
		time.Sleep(30 * time.Minute)
	}
	time.Sleep(10 * time.Minute)
}

// denials are the actions that anything said by the controller asks to allow.
func (w *modeWorld) denials() []string {
	var said []string
	for _, f := range w.c.Findings() {
		said = append(said, f.Message)
		said = append(said, f.Evidence...)
	}
	for _, l := range w.logs.All() {
		said = append(said, fmt.Sprint(l.Message, l.ContextMap()))
	}
	for _, r := range w.c.Rollouts(fleet.Key{}) {
		said = append(said, r.Message, fmt.Sprint(r.Plan.Owner))
	}
	for _, e := range w.c.Audit(fleet.Key{}) {
		said = append(said, e.Text)
	}
	return asked(strings.Join(said, "\n"))
}

var allowThe = regexp.MustCompile(`allow (?:the IAM action )?([a-z0-9]+:[A-Za-z]+)`)

func asked(text string) []string {
	set := map[string]bool{}
	for _, m := range allowThe.FindAllStringSubmatch(text, -1) {
		set[m[1]] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// Under exactly the policy that is printed for it, each mode does its whole job, is denied nothing, and uses every action.
func TestAPolicyIsEnoughAndNoMore(t *testing.T) {
	t.Parallel()
	for _, u := range usages {
		t.Run(string(u.mode), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := modeAccount(t)
				p, text := printed(t, "--for", string(u.mode))
				e, err := a.Enforce("taskwarden", text)
				if err != nil {
					t.Fatal(err)
				}
				w := begin(t, a, u.config)
				defer w.stop()
				w.work(t, u, func() bool { return false })
				u.done(t, w)
				if d := w.denials(); len(d) > 0 {
					t.Errorf("asks for %v", d)
				}
				for _, c := range a.Calls() {
					if strings.Contains(c.Code, "Denied") || strings.Contains(c.Code, "Authorization") {
						t.Errorf("%s was denied", c.Action())
					}
				}
				if d := cmp.Diff(p.Actions(), e.Used()); d != "" {
					t.Errorf("actions (-granted +used):\n%s", d)
				}
			})
		})
	}
}

// Less any one action, something that the controller says names exactly that action.
func TestALackingActionIsNamed(t *testing.T) {
	t.Parallel()
	before := map[string]bool{} // an action is taken away in the first mode that has it
	for _, u := range usages {
		for _, action := range permission.Document(permission.Scope{}, u.mode).Actions() {
			if before[action] {
				continue
			}
			before[action] = true
			t.Run(string(u.mode)+" "+action, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { lacking(t, u, action) })
			})
		}
	}
}

func lacking(t *testing.T, u usage, action string) {
	a := modeAccount(t)
	text, err := json.Marshal(permission.Document(permission.Scope{}, u.mode).Without(action))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Enforce("taskwarden", text); err != nil {
		t.Fatal(err)
	}
	w := begin(t, a, u.config)
	defer w.stop()
	w.work(t, u, func() bool { return len(w.denials()) > 0 })
	if d := w.denials(); !slices.Equal(d, []string{action}) {
		t.Errorf("asks for %v", d)
	}
}

// scan, under its own policy and less any one action of it.
func TestScanUnderItsPolicy(t *testing.T) {
	t.Parallel()
	p, text := printed(t, "--for", "scan")
	t.Run("whole", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			a := modeAccount(t)
			e, err := a.Enforce("taskwarden", text)
			if err != nil {
				t.Fatal(err)
			}
			r := scanned(t, a, "-o", "json")
			report, by := reported(t, r)
			if r.code != 0 || !report.Complete || by["default/prod/django"].Rate.PerTaskDay == 0 {
				t.Errorf("exit %d: %s", r.code, r.errOut)
			}
			if d := cmp.Diff(p.Actions(), e.Used()); d != "" {
				t.Errorf("actions (-granted +used):\n%s", d)
			}
		})
	})
	for _, action := range p.Actions() {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := modeAccount(t)
				less, err := json.Marshal(p.Without(action))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := a.Enforce("taskwarden", less); err != nil {
					t.Fatal(err)
				}
				r := scanned(t, a, "-o", "json")
				if d := asked(r.out + r.errOut); !slices.Equal(d, []string{action}) {
					t.Errorf("exit %d, asks for %v: %s", r.code, d, r.errOut)
				}
			})
		})
	}
}

// A controller that looks through a role needs in its own account the heartbeat and the alarms on it, and nothing of ECS; the
// role needs all the rest.
func TestTheHomeAccountNeedsLittle(t *testing.T) {
	t.Parallel()
	const role = "arn:aws:iam::111122223333:role/taskwarden/member"
	for _, u := range usages {
		t.Run(string(u.mode), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := modeAccount(t)
				enforce := func(name string, p permission.Policy) *account.Enforcement {
					text, err := json.Marshal(p)
					if err != nil {
						t.Fatal(err)
					}
					e, err := a.Enforce(name, text)
					if err != nil {
						t.Fatal(err)
					}
					return e
				}
				home := permission.Home(permission.Scope{TargetRoles: []string{role}}, u.mode)
				e := enforce("taskwarden", home)
				enforce("member", permission.Document(permission.Scope{}, u.mode))
				w := begin(t, a, u.config+"targets: [{name: default, region: ap-northeast-1, roleArn: \""+role+"\"}]\n")
				defer w.stop()
				w.work(t, u, func() bool { return false })
				u.done(t, w)
				if d := w.denials(); len(d) > 0 {
					t.Errorf("asks for %v", d)
				}
				if d := cmp.Diff(home.Actions(), e.Used()); d != "" {
					t.Errorf("actions at home (-granted +used):\n%s", d)
				}
			})
		})
	}
}
