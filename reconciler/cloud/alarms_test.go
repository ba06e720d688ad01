package cloud

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

func querySpec(name string) alarm.Spec {
	return alarm.Spec{
		Name: name, Description: "a service loses tasks", Query: `SELECT MAX(SilentChurn) FROM SCHEMA(TaskWarden, ClusterName, ServiceName) GROUP BY ClusterName, ServiceName ORDER BY MAX() DESC`,
		Period: 60, EvaluationPeriods: 3, Datapoints: 2, Comparison: "GreaterThanOrEqualToThreshold", Threshold: 1, Missing: "notBreaching",
		AlarmActions: []string{"arn:aws:sns:us-east-1:111122223333:page"}, OKActions: []string{"arn:aws:sns:us-east-1:111122223333:calm"},
	}
}

func metricSpec(name string) alarm.Spec {
	return alarm.Spec{
		Name: name, Description: "the controller is gone", Metric: "Heartbeat", Dimensions: []alarm.Dimension{{Name: "Controller", Value: "taskwarden"}},
		Statistic: "Maximum", Period: 60, EvaluationPeriods: 5, Datapoints: 5, Comparison: "LessThanThreshold", Threshold: 1, Missing: "breaching",
		AlarmActions: []string{"arn:aws:sns:us-east-1:111122223333:page"}, ActionsDisabled: true,
	}
}

func TestAlarmsReadBackWhatWasPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		tags := map[string]string{alarm.OwnerTag: "taskwarden", alarm.SpecTag: "abc"}
		want := []alarm.Spec{metricSpec("taskwarden/a"), querySpec("taskwarden/b")}
		for _, spec := range want {
			if err := a.PutAlarm(t.Context(), spec, nil, tags); err != nil {
				t.Fatal(err)
			}
		}
		have := alarms(t, a, "taskwarden/")
		var got []alarm.Spec
		for _, h := range have {
			got = append(got, h.Spec)
			if h.Foreign || h.ARN == "" || h.State == "" || h.StateSince.IsZero() {
				t.Errorf("%+v", h)
			}
			if diff := cmp.Diff(tags, h.Tags); diff != "" {
				t.Errorf("tags of %s:\n%s", h.Name, diff)
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-put +read):\n%s", diff)
		}
		if have[0].Namespace != alarm.Namespace {
			t.Errorf("namespace %q", have[0].Namespace)
		}
		changed := want[0]
		changed.Threshold, changed.ActionsDisabled = 2, false
		if err := a.PutAlarm(t.Context(), changed, &have[0], nil); err != nil {
			t.Fatal(err)
		}
		if err := a.TagAlarm(t.Context(), have[0].ARN, map[string]string{alarm.SpecTag: "def"}); err != nil {
			t.Fatal(err)
		}
		now := alarms(t, a, "taskwarden/")
		if diff := cmp.Diff(changed, now[0].Spec, cmpopts.EquateEmpty()); diff != "" || now[0].Tags[alarm.SpecTag] != "def" || now[0].Tags[alarm.OwnerTag] != "taskwarden" {
			t.Errorf("after the change: %v\n%s", now[0].Tags, diff)
		}
	})
}

func alarms(t *testing.T, a *Account, prefix string) []alarm.Have {
	t.Helper()
	have, err := a.Alarms(t.Context(), func(name string) bool { return strings.HasPrefix(name, prefix) })
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(have, func(x, y alarm.Have) int { return strings.Compare(x.Name, y.Name) })
	return have
}

func TestAlarmsReadsEveryPageAndTheTagsOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		began := time.Now()
		for i := range 230 {
			name := fmt.Sprintf("theirs-%03d", i)
			if i%50 == 0 {
				name = fmt.Sprintf("taskwarden/ours-%03d", i)
			}
			if err := a.PutAlarm(t.Context(), metricSpec(name), nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 228*time.Second {
			t.Errorf("230 alarms were put in %s: CloudWatch allows 3 a second to all, we take 1", took)
		}
		have := alarms(t, a, "taskwarden/")
		withTags := 0
		for _, h := range have {
			if h.Tags != nil {
				withTags++
			}
		}
		if len(have) != 230 || withTags != 5 || count(w, "DescribeAlarms") != 3 || count(w, "ListTagsForResource") != 5 {
			t.Errorf("%d alarms, %d with tags, calls %v", len(have), withTags, w.CallCounts())
		}
	})
}

func TestAlarmsAreWholeOrAnError(t *testing.T) {
	for _, action := range []string{"cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"} {
		synctest.Test(t, func(t *testing.T) {
			w := world(t, account.Bulk(1, 1, 1))
			a := watching(w, Options{})
			if err := a.PutAlarm(t.Context(), metricSpec("ours"), nil, nil); err != nil {
				t.Fatal(err)
			}
			w.Deny(action)
			have, err := a.Alarms(t.Context(), func(string) bool { return true })
			if have != nil || fleet.DeniedAction(err) != action {
				t.Errorf("%v, %d alarms", err, len(have))
			}
		})
	}
}

func TestAlarmsOfOtherShapesAreForeign(t *testing.T) {
	expression := func(text string, more ...types.MetricDataQuery) []types.MetricDataQuery {
		return append([]types.MetricDataQuery{{Id: aws.String("q1"), Expression: aws.String(text), Period: aws.Int32(60), ReturnData: aws.Bool(true)}}, more...)
	}
	for name, tc := range map[string]struct {
		in      types.MetricAlarm
		foreign bool
	}{
		"a metric":           {types.MetricAlarm{MetricName: aws.String("CPUUtilization")}, false},
		"an Insights query":  {types.MetricAlarm{Metrics: expression("\n select MAX(x) FROM y")}, false},
		"of another account": {types.MetricAlarm{Metrics: []types.MetricDataQuery{{Expression: aws.String("SELECT 1"), AccountId: aws.String("1")}}}, true},
		"metric math":        {types.MetricAlarm{Metrics: expression("m1*2", types.MetricDataQuery{Id: aws.String("m1")})}, true},
		"math of nothing":    {types.MetricAlarm{Metrics: expression("TIME_SERIES(1)")}, true},
		"anomaly detection":  {types.MetricAlarm{MetricName: aws.String("x"), ThresholdMetricId: aws.String("ad1")}, true},
		"PromQL":             {types.MetricAlarm{}, true},
	} {
		if h := haveOf(tc.in); h.Foreign != tc.foreign {
			t.Errorf("%s: foreign %v", name, h.Foreign)
		}
	}
	c := compositeOf(types.CompositeAlarm{AlarmName: aws.String("n"), AlarmArn: aws.String("a"), ActionsEnabled: aws.Bool(false), StateValue: "OK"})
	if !c.Foreign || c.Name != "n" || c.ARN != "a" || !c.ActionsDisabled || c.State != "OK" {
		t.Errorf("composite %+v", c)
	}
}

func TestCompositeAlarmsAreListedToo(t *testing.T) {
	transport := doFunc(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		var in struct{ AlarmTypes []string }
		if err = errors.Join(err, cbor.Unmarshal(body, &in)); err != nil {
			return nil, err
		}
		out := map[string]any{}
		if slices.Contains(in.AlarmTypes, "MetricAlarm") {
			out["MetricAlarms"] = []any{map[string]any{"AlarmName": "m", "MetricName": "x"}}
		}
		if slices.Contains(in.AlarmTypes, "CompositeAlarm") {
			out["CompositeAlarms"] = []any{map[string]any{"AlarmName": "c"}}
		}
		return cborAnswer(r, out)
	})
	have := alarms(t, New(baseConfig(transport), Options{Allow: everything()}), "taskwarden/")
	if len(have) != 2 || have[0].Name != "c" || !have[0].Foreign || have[1].Name != "m" || have[1].Foreign {
		t.Errorf("%+v", have)
	}
}

func TestAlarmDefaultsAreCloudWatchs(t *testing.T) {
	h := haveOf(types.MetricAlarm{
		MetricName: aws.String("m"), EvaluationPeriods: aws.Int32(3), ExtendedStatistic: aws.String("p99"), StateUpdatedTimestamp: when(7),
		Dimensions: []types.Dimension{{Name: aws.String("b")}, {Name: aws.String("a")}},
	})
	want := alarm.Have{
		Spec: alarm.Spec{
			Metric: "m", EvaluationPeriods: 3, Datapoints: 3, Missing: "missing", Statistic: "p99", Dimensions: []alarm.Dimension{{Name: "a"}, {Name: "b"}},
		},
		StateSince: second(7),
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	in := alarmInput(alarm.Spec{Name: "n", Query: "SELECT", Period: 60, EvaluationPeriods: 3})
	want2 := &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String("n"), AlarmDescription: aws.String(""), ActionsEnabled: aws.Bool(true), EvaluationPeriods: aws.Int32(3), DatapointsToAlarm: aws.Int32(3),
		Threshold: aws.Float64(0), TreatMissingData: aws.String("missing"),
		Metrics: []types.MetricDataQuery{{Id: aws.String("q1"), Expression: aws.String("SELECT"), Period: aws.Int32(60), ReturnData: aws.Bool(true)}},
	}
	if diff := cmp.Diff(want2, in, cmpopts.IgnoreUnexported(cloudwatch.PutMetricAlarmInput{}, types.MetricDataQuery{})); diff != "" {
		t.Errorf("a query has no period, metric or statistic of its own (-want +got):\n%s", diff)
	}
}
