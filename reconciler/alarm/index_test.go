package alarm

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/finding"
)

var web = Place{Cluster: "c", Service: "web", TargetGroups: []string{"targetgroup/web/1"}}

// on is somebody's alarm on a metric, with one action.
func on(namespace, metric, comparison string, threshold float64, dims ...Dimension) Have {
	return Have{Namespace: namespace, State: "OK", Spec: Spec{Name: "theirs", Metric: metric, Dimensions: dims, Statistic: "Maximum", Period: 60,
		EvaluationPeriods: 1, Datapoints: 1, Comparison: comparison, Threshold: threshold, Missing: "notBreaching", AlarmActions: []string{topic}}}
}

func query(text string) Have {
	h := on("", "", atLeast, 1)
	h.Query = text
	return h
}

const (
	atLeast = "GreaterThanOrEqualToThreshold"
	above   = "GreaterThanThreshold"
	below   = "LessThanThreshold"
	atMost  = "LessThanOrEqualToThreshold"
)

var (
	ofWeb    = ServiceDimensions("c", "web")
	ofAgent  = ContainerDimensions("c", "web", "cwagent")
	ofTarget = []Dimension{{"LoadBalancer", "app/lb/1"}, {"TargetGroup", "targetgroup/web/1"}}
)

func with(h Have, change func(*Have)) Have { change(&h); return h }

// Coverage is by metric, dimensions and sense, whatever the name; what is not understood is unknown.
func TestCoverage(t *testing.T) {
	gauge := on(Namespace, "SilentChurn", atLeast, 1, ofWeb...)
	running := with(on(insightsSpace, "RunningTaskCount", below, 1, ofWeb...), func(h *Have) { h.Missing = "breaching" })
	for name, c := range map[string]struct {
		have Have
		of   Failure
		want Tells // "": it does not concern the failure
		why  string
	}{
		"the gauge":                        {gauge, ChurnFailure, Yes, ""},
		"the gauge, above a half":          {with(gauge, func(h *Have) { h.Comparison, h.Threshold = above, 0.5 }), ChurnFailure, Yes, ""},
		"the gauge, above one":             {with(gauge, func(h *Have) { h.Comparison = above }), ChurnFailure, No, "does not alarm"},
		"the gauge, from zero":             {with(gauge, func(h *Have) { h.Threshold = 0 }), ChurnFailure, No, "does not alarm"},
		"the gauge, below one":             {with(gauge, func(h *Have) { h.Comparison = below }), ChurnFailure, No, ""},
		"the gauge, summed over an hour":   {with(gauge, func(h *Have) { h.Statistic, h.Period, h.Threshold = "Sum", 3600, 30 }), ChurnFailure, Yes, ""},
		"the gauge, counted":               {with(gauge, func(h *Have) { h.Statistic = "SampleCount" }), ChurnFailure, Unclear, ""},
		"the gauge, missing data breach":   {with(gauge, func(h *Have) { h.Missing = "breaching" }), ChurnFailure, Unclear, "missing data breach"},
		"the gauge, an anomaly band":       {with(gauge, func(h *Have) { h.Comparison = "GreaterThanUpperThreshold" }), ChurnFailure, Unclear, ""},
		"the gauge, of another unit":       {with(gauge, func(h *Have) { h.Settings = []Setting{{UnitSetting, "Seconds"}} }), ChurnFailure, No, "unit Seconds"},
		"the gauge, of its own unit":       {with(gauge, func(h *Have) { h.Settings = []Setting{{UnitSetting, "Count"}} }), ChurnFailure, Yes, ""},
		"the gauge of another service":     {on(Namespace, "SilentChurn", atLeast, 1, ServiceDimensions("c", "api")...), ChurnFailure, "", ""},
		"the gauge's name, elsewhere":      {on("Theirs", "SilentChurn", atLeast, 1, ofWeb...), ChurnFailure, "", ""},
		"the counter":                      {on(Namespace, "UnplannedStops", atLeast, 3, ofWeb...), ChurnFailure, Yes, ""},
		"a query over all":                 {query(`SELECT MAX(SilentChurn) FROM TaskWarden GROUP BY ServiceName`), ChurnFailure, Yes, ""},
		"a query over another cluster":     {query(`SELECT MAX(SilentChurn) FROM TaskWarden WHERE ClusterName = 'd'`), ChurnFailure, "", ""},
		"a query with LIMIT":               {query(`SELECT MAX(SilentChurn) FROM TaskWarden GROUP BY ServiceName LIMIT 5`), ChurnFailure, Unclear, "LIMIT"},
		"a query that is not understood":   {query(`SELECT MAX(SilentChurn) FROM TaskWarden WHERE a IN ('b')`), ChurnFailure, Unclear, "not understood"},
		"no action":                        {with(gauge, func(h *Have) { h.AlarmActions = nil }), ChurnFailure, No, "no alarm action"},
		"actions disabled":                 {with(gauge, func(h *Have) { h.ActionsDisabled = true }), ChurnFailure, No, "disabled"},
		"running tasks and churn":          {running, ChurnFailure, Unclear, "may not show"},
		"running tasks and none":           {running, NoTask, Yes, "missing data breach"},
		"running tasks, missing is silent": {with(running, func(h *Have) { h.Missing = "missing" }), NoTask, No, "not sent while nothing runs"},
		"running tasks, missing is heard":  {with(running, func(h *Have) { h.Missing, h.InsufficientActions = "missing", []string{topic} }), NoTask, Yes, ""},
		"running tasks of the cluster":     {on(insightsSpace, "RunningTaskCount", below, 1, ofWeb[:1]...), NoTask, "", ""},
		"unhealthy targets":                {on(albSpace, "UnHealthyHostCount", atLeast, 1, ofTarget...), UnhealthyHosts, Yes, ""},
		"unhealthy targets of others":      {on(albSpace, "UnHealthyHostCount", atLeast, 1, ofTarget[0], Dimension{"TargetGroup", "targetgroup/api/1"}), UnhealthyHosts, "", ""},
		"deployments that last":            {on(insightsSpace, "DeploymentCount", above, 1, ofWeb...), FailedDeploy, Unclear, "not that it failed"},
		"restarts":                         {on(insightsSpace, "RestartCount", above, 0, ofWeb...), RestartFailure, Yes, ""},
		"a sidecar's crash, one container": {on(Namespace, "SidecarCrash", atLeast, 1, ofAgent...), CrashFailure, Unclear, "cwagent alone"},
	} {
		t.Run(name, func(t *testing.T) {
			got := NewIndex([]Have{c.have}, Facts{}).At(web)[c.of]
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("it concerns %s: %+v", c.of, got)
			case c.want != "" && (len(got) != 1 || got[0].Tells != c.want || !strings.Contains(got[0].Why, c.why)):
				t.Errorf("got %+v, want %s %q", got, c.want, c.why)
			}
		})
	}
}

func TestCoverageOfContainers(t *testing.T) {
	seen := web
	seen.Seen = map[Kind][]string{SidecarCrash: {"cwagent", "envoy"}}
	agent := on(Namespace, "SidecarCrash", atLeast, 1, ofAgent...)
	envoy := with(on(Namespace, "SidecarCrash", atLeast, 1, ContainerDimensions("c", "web", "envoy")...), func(h *Have) { h.Name = "other" })
	if got := NewIndex([]Have{agent}, Facts{}).At(seen)[CrashFailure]; len(got) != 1 || got[0].Tells != Unclear {
		t.Errorf("one of two containers: %+v", got)
	}
	if got := NewIndex([]Have{agent, envoy}, Facts{}).At(seen)[CrashFailure]; len(got) != 2 || got[0].Tells != Yes || got[1].Tells != Yes {
		t.Errorf("both containers: %+v", got)
	}
}

func TestCoverageThroughMathAndComposites(t *testing.T) {
	gauge := func(id string) Term {
		return Term{ID: id, Statistic: "Maximum", Series: Series{Namespace, "SilentChurn", ofWeb}}
	}
	math := func(expression string, terms ...Term) Have {
		h := on("", "", atLeast, 1)
		h.Foreign, h.Math = true, append(terms, Term{ID: "e1", Expression: expression, Returned: true})
		return h
	}
	mute := with(on(Namespace, "SilentChurn", atLeast, 1, ofWeb...), func(h *Have) { h.AlarmActions = nil })
	above := func(rule string) Have {
		return Have{Spec: Spec{Name: "composite", AlarmActions: []string{topic}}, Foreign: true, Rule: rule}
	}
	for name, c := range map[string]struct {
		have []Have
		want Tells
	}{
		"a metric passed on":           {[]Have{math("m1", gauge("m1"))}, Yes},
		"the largest":                  {[]Have{math("MAX([m1, m2])", gauge("m1"), gauge("m2"))}, Yes},
		"the largest of all":           {[]Have{math("MAX(METRICS())", gauge("m1"))}, Yes},
		"filled":                       {[]Have{math("FILL(m1, 0)", gauge("m1"))}, Yes},
		"added":                        {[]Have{math("m1+m2", gauge("m1"), gauge("m2"))}, Yes},
		"one of two, the other unused": {[]Have{math("m1", gauge("m1"), gauge("m2"))}, Unclear},
		"divided":                      {[]Have{math("m1/m2", gauge("m1"), gauge("m2"))}, Unclear},
		"switched":                     {[]Have{math("IF(m1 > 3, 1, 0)", gauge("m1"))}, Unclear},
		"a search":                     {[]Have{math(`MAX(SEARCH('{TaskWarden,ServiceName} SilentChurn', 'Maximum'))`)}, Unclear},
		"by a composite":               {[]Have{mute, above("ALARM(theirs) OR ALARM(x)")}, Yes},
		"by a composite, perhaps":      {[]Have{mute, above("ALARM(theirs) AND ALARM(x)")}, Unclear},
		"by a composite of others":     {[]Have{mute, above("ALARM(x)")}, No},
		"by a mute composite":          {[]Have{mute, with(above("ALARM(theirs)"), func(h *Have) { h.AlarmActions = nil })}, No},
		"by composites in a circle": {[]Have{mute, with(above("ALARM(theirs) OR ALARM(loop)"), func(h *Have) { h.AlarmActions = nil }),
			{Spec: Spec{Name: "loop"}, Rule: "ALARM(composite)"}}, No},
	} {
		got := NewIndex(c.have, Facts{}).At(web)[ChurnFailure]
		if len(got) != 1 || got[0].Tells != c.want {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

// Each reason of the contract, and what is close to it and right.
func TestBlind(t *testing.T) {
	disabled := func(h *Have) { h.ActionsDisabled = true }
	cpu := on(ecsSpace, "CPUUtilization", above, 80, ofWeb...)
	other := "arn:aws:sns:us-east-1:111122223333:gone"
	data := func(h Have, d Data) Facts { s, _ := h.series(); return Facts{Data: map[string]Data{s.String(): d}} }
	custom := on("Shop", "Orders", below, 1, ofWeb...)
	for name, c := range map[string]struct {
		have  Have
		facts Facts
		want  []string
	}{
		"as it should be":                       {cpu, Facts{}, nil},
		"no dimensions":                         {on(ecsSpace, "CPUUtilization", above, 80), Facts{}, []string{WrongDimensions}},
		"a load balancer's with ECS dimensions": {on(albSpace, "HealthyHostCount", below, 1, ofWeb...), Facts{}, []string{WrongDimensions, MissingHides}},
		"tasks of the whole cluster":            {on(insightsSpace, "RunningTaskCount", above, 50, ofWeb[:1]...), Facts{}, []string{WrongDimensions}},
		"odd dimensions that have data":         {on(insightsSpace, "RunningTaskCount", above, 50, ofWeb[:1]...), data(on(insightsSpace, "RunningTaskCount", above, 50, ofWeb[:1]...), Recent), nil},
		"Container Insights' under AWS/ECS":     {on(ecsSpace, "RunningTaskCount", above, 50, ofWeb...), Facts{}, []string{WrongNamespace}},
		"an unknown metric":                     {on(ecsSpace, "NewMetric", above, 50, ofWeb...), Facts{}, nil},
		"no data in two weeks":                  {cpu, data(cpu, None), []string{NoDataEver}},
		"data in two weeks":                     {cpu, data(cpu, Older), nil},
		"no data of a custom metric":            {custom, data(custom, None), nil},
		"no data of a custom metric, ever": {with(custom, func(h *Have) { h.State = "INSUFFICIENT_DATA" }),
			data(custom, None), []string{NoDataEver}},
		"no data of our gauge":            {on(Namespace, "SilentChurn", atLeast, 1, ofWeb...), data(on(Namespace, "SilentChurn", atLeast, 1, ofWeb...), None), nil},
		"no actions":                      {with(cpu, func(h *Have) { h.AlarmActions = nil }), Facts{}, []string{NoActions}},
		"actions disabled":                {with(cpu, disabled), Facts{}, []string{ActionsDisabled}},
		"a dead topic":                    {cpu, Facts{Topics: map[string]Topic{topic: {Missing: true}}}, []string{DeadActions}},
		"an unconfirmed subscription":     {cpu, Facts{Topics: map[string]Topic{topic: {Pending: 1}}}, []string{DeadActions}},
		"a topic nobody subscribed":       {cpu, Facts{Topics: map[string]Topic{topic: {}}}, []string{DeadActions}},
		"a topic that was not read":       {cpu, Facts{Topics: map[string]Topic{}}, nil},
		"a dead topic beside a live one":  {with(cpu, func(h *Have) { h.AlarmActions = []string{other, topic} }), Facts{Topics: map[string]Topic{other: {Missing: true}, topic: {Confirmed: 1}}}, nil},
		"tasks, missing data not counted": {on(insightsSpace, "RunningTaskCount", below, 1, ofWeb...), Facts{}, []string{MissingHides}},
		"tasks, missing data breach":      {with(on(insightsSpace, "RunningTaskCount", below, 1, ofWeb...), func(h *Have) { h.Missing = "breaching" }), Facts{}, nil},
		"tasks, the wrong way round":      {with(on(insightsSpace, "RunningTaskCount", atLeast, 1, ofWeb...), func(h *Have) { h.Missing = "breaching" }), Facts{}, []string{InvertedOperator}},
		"many tasks":                      {on(insightsSpace, "RunningTaskCount", above, 40, ofWeb...), Facts{}, nil},
		"a low CPU":                       {on(ecsSpace, "CPUUtilization", below, 5, ofWeb...), Facts{}, nil},
		"it scales": {with(on(ecsSpace, "CPUUtilization", below, 63, ofWeb...), func(h *Have) {
			h.AlarmActions = []string{"arn:aws:autoscaling:us-east-1:111122223333:scalingPolicy:x"}
		}), Facts{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, b := range NewIndex([]Have{c.have}, c.facts).Blind(c.have.Name) {
				got = append(got, b.Reason)
				if b.Evidence == "" {
					t.Errorf("%s without evidence", b.Reason)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// Two rows of AWS's own list of recommended alarms have the operator the wrong way round: "TaskMemoryUtilization" and
// "ContainerMemoryUtilization" of Container Insights with enhanced observability, 80 with LESS THAN OR EQUAL (CloudWatch
// user guide, "Recommended alarms", Amazon ECS with Container Insights, as of April 2026).
func TestAWSsTwoInvertedOperatorsAreCaught(t *testing.T) {
	for _, h := range []Have{on(insightsSpace, "TaskMemoryUtilization", atMost, 80, ofWeb...), on(insightsSpace, "ContainerMemoryUtilization", atMost, 80, ofAgent...)} {
		if got := NewIndex([]Have{h}, Facts{}).Blind(h.Name); len(got) != 1 || got[0].Reason != InvertedOperator {
			t.Errorf("%s at most 80: %+v", h.Metric, got)
		}
		h.Comparison = above
		if got := NewIndex([]Have{h}, Facts{}).Blind(h.Name); len(got) != 0 {
			t.Errorf("%s above 80: %+v", h.Metric, got)
		}
	}
}

func TestClaimsAreRolledUp(t *testing.T) {
	churning := web
	churning.Churns, churning.Seen = true, map[Kind][]string{SilentChurn: {""}}
	places := []Place{{Cluster: "c", Service: "api"}, churning}
	mute := on(ecsSpace, "CPUUtilization", above, 80, ofWeb...)
	mute.AlarmActions = nil
	x := NewIndex([]Have{mute, with(mute, func(h *Have) { h.Name = "unrelated"; h.Dimensions = ServiceDimensions("elsewhere", "x") })}, Facts{})
	var got []string
	for _, c := range slices.Concat(MissingClaims(x.Summaries(places)), x.BlindClaims(places, func(string) bool { return false }, nil), x.ClaimsAt(churning), x.ClaimsAt(places[0])) {
		got = append(got, fmt.Sprintf("%s %s %s %d", c.Type, c.Subject, c.Severity, c.Count))
	}
	want := []string{"AlarmMissing silent-churn info 2", "AlarmMissing sidecar-crash info 2", "AlarmMissing sidecar-restart info 2", "AlarmMissing sidecar-down info 2",
		"AlarmMissing telemetry-flood info 2", "AlarmMissing no-running-task info 2", "AlarmMissing unhealthy-targets info 1", "AlarmMissing failed-deployment info 2",
		"AlarmBlind NoActions warning 1", "AlarmMissing silent-churn warning 0"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// One that sees the failure and reaches nobody is blind, not missing.
	blind := with(on(Namespace, "SilentChurn", atLeast, 1, ofWeb...), func(h *Have) { h.AlarmActions = nil })
	x = NewIndex([]Have{blind}, Facts{})
	if got := x.ClaimsAt(churning); len(got) != 0 {
		t.Errorf("missing: %+v", got)
	}
	if got := x.BlindClaims(places, func(string) bool { return false }, nil); len(got) != 1 || got[0].Severity != finding.Warning {
		t.Errorf("blind: %+v", got)
	}
}
