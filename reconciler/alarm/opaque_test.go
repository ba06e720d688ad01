package alarm

import (
	"strings"
	"testing"

	"taskwarden/reconciler/finding"
)

func logAlarm(groups ...string) Have {
	return Have{Type: LogType, Foreign: true, State: "OK", Logs: LogQuery{Text: "filter @message like /panic/", Groups: groups},
		Spec: Spec{Name: "theirs", AlarmActions: []string{topic}}}
}

func promQL(query string) Have {
	return Have{Foreign: true, State: "OK", PromQL: query, Spec: Spec{Name: "theirs", AlarmActions: []string{topic}}}
}

// A log alarm or a PromQL alarm never covers a failure. Where it may watch the service the failure is not uncovered either.
func TestOpaqueAlarmsPossiblyCover(t *testing.T) {
	known := Place{Cluster: "prod", Service: "web", LogGroups: []string{"/ecs/web"}}
	unknown := Place{Cluster: "prod", Service: "web"}
	const all, none = "all", "none"
	for name, c := range map[string]struct {
		have  Have
		place Place
		of    string // all, none, or the failures that it may tell of
	}{
		"the service's log group":                  {logAlarm("/ecs/web"), known, all},
		"its group by ARN":                         {logAlarm("arn:aws:logs:us-east-1:111122223333:log-group:/ecs/web:*"), known, all},
		"another service's group":                  {logAlarm("/ecs/api"), known, none},
		"one of several groups":                    {logAlarm("/ecs/api", "/ecs/web"), known, all},
		"some group, and its own are not known":    {logAlarm("/ecs/api"), unknown, all},
		"a function's group":                       {logAlarm("/aws/lambda/x"), unknown, none},
		"its cluster's Container Insights":         {logAlarm("/aws/ecs/containerinsights/prod/performance"), known, all},
		"its cluster's lifecycle events":           {logAlarm("/aws/events/ecs/containerinsights/prod/performance"), known, all},
		"another cluster's Container Insights":     {logAlarm("/aws/ecs/containerinsights/stage/performance"), unknown, none},
		"events by a rule of somebody":             {logAlarm("/aws/events/ecs"), known, all},
		"a query that names its groups":            {with(logAlarm(), func(h *Have) { h.Logs.Text = "SOURCE logGroups(namePrefix: ['/ecs'])" }), known, all},
		"a query that names others beside":         {with(logAlarm("/ecs/api"), func(h *Have) { h.Logs.Text = "fields @message | source '/ecs/web' " }), known, all},
		"a log alarm that reaches nobody":          {with(logAlarm("/ecs/web"), func(h *Have) { h.AlarmActions = nil }), known, none},
		"a log alarm that cannot be evaluated":     {with(logAlarm("/ecs/web"), func(h *Have) { h.Evaluation = EvaluationError }), known, none},
		"a log alarm that fails for a while":       {with(logAlarm("/ecs/web"), func(h *Have) { h.Evaluation = "EVALUATION_FAILURE" }), known, all},
		"a metric of the service":                  {promQL(`RunningTaskCount{ClusterName="prod", ServiceName="web"} < 1`), known, "silent-churn no-running-task"},
		"of a name with what stands before it":     {promQL(`avg({"ECS/ContainerInsights.RunningTaskCount", "@resource.ServiceName"="web"}) < 1`), known, "silent-churn no-running-task"},
		"of another service":                       {promQL(`RunningTaskCount{ServiceName="api"} < 1`), known, none},
		"of another cluster":                       {promQL(`SilentChurn{ClusterName="stage"} == 1`), known, none},
		"of services by a pattern":                 {promQL(`SilentChurn{ServiceName=~"w.*"} == 1`), known, "silent-churn"},
		"of services by another pattern":           {promQL(`SilentChurn{ServiceName=~"we"} == 1`), known, none},
		"of all but the service":                   {promQL(`SilentChurn{ServiceName!="web"} == 1`), known, none},
		"of all but by a pattern":                  {promQL(`SilentChurn{ServiceName!~"a.*"} == 1`), known, "silent-churn"},
		"our own gauge":                            {promQL(`max by (ServiceName) (SilentChurn) == 1`), known, "silent-churn"},
		"a metric that is no sign of any failure":  {promQL(`CPUUtilization{ServiceName="web"} > 80`), known, none},
		"a metric that is not known":               {promQL(`rate(http_errors_total[5m]) > 1`), known, all},
		"of one known to be of something else":     {promQL(`Errors{FunctionName="x"} > 1`), known, none},
		"two, of which one may be the service's":   {promQL(`RunningTaskCount{ServiceName="api"} < 1 or up == 0`), known, all},
		"by a name of OpenTelemetry's, not of ECS": {promQL(`up{service_name="checkout"} == 0`), known, all},
		"any metric":                               {promQL(`{__name__=~"Sil.*", ServiceName="web"} == 1`), known, all},
		"nothing at all":                           {promQL(`vector(1)`), known, none},
		"what cannot be read":                      {promQL(`up{`), known, all},
		"a template, which is not PromQL":          {promQL("WITH (x = up or up, y = x or x) y"), known, all},
		"a PromQL alarm that reaches nobody":       {with(promQL(`up == 0`), func(h *Have) { h.ActionsDisabled = true }), known, none},
		"a kind that is not known":                 {Have{Unknown: true, Foreign: true, Spec: Spec{Name: "theirs", AlarmActions: []string{topic}}}, known, all},
		"a composite over a mute log alarm":        {with(logAlarm("/ecs/web"), func(h *Have) { h.AlarmActions, h.Name = nil, "child" }), known, all},
	} {
		listing := []Have{c.have}
		if c.have.Name == "child" {
			listing = append(listing, Have{Type: CompositeType, Foreign: true, Rule: `ALARM("child")`,
				Spec: Spec{Name: "some", AlarmActions: []string{topic}}})
		}
		x := NewIndex(listing, Facts{})
		for _, cover := range x.Cover(c.place) {
			may := c.of == all || strings.Contains(" "+c.of+" ", " "+string(cover.Failure)+" ")
			switch {
			case cover.Tells == Yes:
				t.Errorf("%s: covers %s", name, cover.Failure)
			case may != !cover.Missing || may != (cover.Tells == Unclear):
				t.Errorf("%s: %s: %+v", name, cover.Failure, cover)
			case may && (cover.Alarm != c.have.Name || !strings.HasPrefix(cover.Why, "possibly: ")):
				t.Errorf("%s: %s does not say what may cover it: %+v", name, cover.Failure, cover)
			}
		}
	}
}

// An alarm that covers a failure is preferred to one that possibly does, and one that may is preferred to one that does not.
func TestWhatIsKnownComesBeforeWhatIsPossible(t *testing.T) {
	gauge := with(on(Namespace, "SilentChurn", atLeast, 1, ofWeb...), func(h *Have) { h.Name = "z-gauge" })
	mute := with(gauge, func(h *Have) { h.AlarmActions = nil })
	for by, c := range map[string]struct {
		gauge Have
		want  Tells
	}{"z-gauge": {gauge, Yes}, "theirs": {mute, Unclear}} {
		x := NewIndex([]Have{c.gauge, promQL(`up == 0`)}, Facts{})
		if got := x.Cover(web)[0]; got.Alarm != by || got.Tells != c.want {
			t.Errorf("%+v, want %s by %s", got, c.want, by)
		}
		if got := x.Summaries([]Place{web})[0]; got.Missing != 0 || got.Covered+got.Unsure != 1 {
			t.Errorf("%+v", got)
		}
	}
	x := NewIndex([]Have{promQL(`up == 0`)}, Facts{})
	churning := Place{Cluster: "c", Service: "web", Churns: true, Seen: map[Kind][]string{SilentChurn: nil}}
	if got := x.ClaimsAt(churning); len(got) > 0 {
		t.Errorf("a service that may be watched is called uncovered: %+v", got)
	}
	if got := x.CoveredBy(Fleet(owner, "prod", Actions{})[0], []Place{web}); got != "" {
		t.Errorf("an alarm that possibly covers keeps ours from being made: %s", got)
	}
}

// The list of alarms on watched services has those of the new types too; only those that name a service are called blind.
func TestOpaqueAlarmsAreListed(t *testing.T) {
	places := []Place{{Cluster: "c", Service: "api", LogGroups: []string{"/ecs/api"}},
		{Cluster: "c", Service: "web", LogGroups: []string{"/ecs/web"}, Churns: true}}
	mute := func(h Have, name string) Have { h.Name, h.AlarmActions = name, nil; return h }
	x := NewIndex([]Have{mute(logAlarm("/ecs/web"), "a"), mute(promQL(`SilentChurn{ServiceName="web"}`), "b"), mute(promQL(`up == 0`), "c"),
		mute(logAlarm("/ecs/other"), "d"), with(promQL(`up == 0`), func(h *Have) { h.Name = "e" })}, Facts{})
	want := map[string][2]string{
		"a": {"web", "no alarm action"}, "b": {"web", "no alarm action"}, "c": {"", "no alarm action"},
		"e": {"", "PromQL alarm, not made by this controller; it cannot be told whether it watches any of 2 services"},
	}
	rows := x.ForeignRows(places, owner)
	for _, r := range rows {
		if w, ok := want[r.Name]; !ok || r.Service != w[0] || !strings.Contains(r.Reason, w[1]) {
			t.Errorf("%+v", r)
		}
	}
	if len(rows) != len(want) {
		t.Errorf("%d rows, want %d", len(rows), len(want))
	}
	got := x.BlindClaims(places, func(string) bool { return false }, nil)
	if len(got) != 1 || got[0].Reason != NoActions || got[0].Count != 2 || got[0].Severity != finding.Warning {
		t.Errorf("%+v", got)
	}
	if topics := Ask([]Have{logAlarm("/ecs/web")}, nil, places, func(string) bool { return false }).Topics; len(topics) != 1 {
		t.Errorf("the topic of a log alarm is not looked up: %v", topics)
	}
}

func TestAnAlarmThatCannotBeEvaluatedIsBlind(t *testing.T) {
	h := with(logAlarm("/ecs/web"), func(h *Have) { h.Evaluation, h.StateReason = EvaluationError, "the role may not run the query" })
	got := NewIndex([]Have{h}, Facts{}).Blind("theirs")
	if len(got) != 1 || got[0].Reason != NotEvaluated || !strings.Contains(got[0].Evidence, "the role may not run the query") {
		t.Errorf("%+v", got)
	}
	if blindWords[NotEvaluated] == "" {
		t.Error("the reason has no words")
	}
}
