package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/fleet"
)

// seen is what the product makes of a side.
type seen struct {
	Sweep, Services []string // cluster, service, what runs of what is wanted
	Lines           []string
	Born            bool // the log stream tells when it began
	Maxima          []float64
	Alarms          []alarm.Have
	Unknown         bool // an unknown task definition is known to be unknown
	Digests         []string
}

// TestTheProductSeesTheSame runs package cloud itself, with its budgets, retries and checks for lists that are not whole,
// against both: what it reads there leads it to the same view.
func TestTheProductSeesTheSame(t *testing.T) {
	now := time.Now()
	x, y := look(t, ours(t, now)), look(t, theirs(t, now))
	own := cmpopts.IgnoreFields(alarm.Have{}, "StateSince")
	if diff := cmp.Diff(x, y, own, cmpopts.SortSlices(func(a, b alarm.Have) bool { return a.Name < b.Name })); diff != "" {
		t.Errorf("(-the simulated account +MiniStack):\n%s", diff)
	}
	if len(x.Services) != 16 || !slices.Contains(x.Services, "prod/web 2 of 2 by 2 tasks") || !slices.Equal(x.Lines, lines) || len(x.Alarms) != 1 ||
		!slices.Equal(x.Maxima, []float64{3}) || !x.Born || !x.Unknown ||
		!slices.Equal(x.Digests, []string{digestOf(manifest), platform}) {
		t.Errorf("the product sees %+v", x)
	}
}

func look(t *testing.T, s *side) seen {
	t.Helper()
	ctx := t.Context()
	a := cloud.New(s.cfg, cloud.Options{Target: "peer", Allow: map[cloud.Class]bool{cloud.Read: true, cloud.Evidence: true, cloud.Metrics: true, cloud.Alarms: true}})
	var out seen
	for range 2 { // the second one asks by name for what the first one saw
		out.Services = nil
		sweep := a.Sweep(ctx, func(c fleet.Cluster) { out.Services = append(out.Services, told(c)...) })
		if out.Sweep = sweep.Clusters; sweep.Err != nil || !sweep.Seen.Complete {
			t.Fatalf("a sweep that is not whole: %v", sweep.Err)
		}
	}
	slices.Sort(out.Services)
	for _, known := range []string{"", platform} {
		digest, err := a.ImageDigest(ctx, fleet.PrivateImage{Account: accountID, Region: region, Repository: repository, Tag: "prod"}, known)
		fatal(t, err)
		out.Digests = append(out.Digests, digest)
	}
	ref := fleet.LogRef{Group: "/ecs/web", Stream: "ecs/app/" + last(s.task)}
	tail, err := a.Tail(ctx, ref, s.now.Add(-30*24*time.Hour), s.now, 100)
	fatal(t, err)
	stream, err := a.Stream(ctx, ref)
	fatal(t, err)
	out.Lines, out.Born = tail.Lines, !stream.CreatedAt.IsZero() && !stream.LastEvent.IsZero()
	out.Maxima, out.Alarms = written(ctx, t, a, s)
	_, err = a.Definition(ctx, "nope:1")
	out.Unknown = errors.Is(err, fleet.ErrNotFound)
	return out
}

// told writes the services of a cluster with the tasks that belong to them.
func told(c fleet.Cluster) []string {
	var out []string
	for _, s := range c.Services {
		n := 0
		for _, t := range c.Tasks {
			if t.ServiceName() == s.Name && len(t.Containers) == 2 && !t.Stopped() {
				n++
			}
		}
		out = append(out, fmt.Sprintf("%s/%s %d of %d by %d tasks", c.Name, s.Name, s.Running, s.Desired, n))
	}
	return out
}

// written puts data and an alarm, tags it, and reads all of it back.
func written(ctx context.Context, t *testing.T, a *cloud.Account, s *side) ([]float64, []alarm.Have) {
	t.Helper()
	dims := []alarm.Dimension{{Name: "ClusterName", Value: "prod"}, {Name: "ServiceName", Value: "web"}}
	datum := alarm.Datum{Metric: "UnplannedStops", Dimensions: dims, At: minute(s), Value: 3, Unit: "Count"}
	fatal(t, a.PutData(ctx, []alarm.Datum{datum}))
	maxima, err := a.Maxima(ctx, []alarm.Datum{datum})
	fatal(t, err)
	spec := alarm.Spec{
		Name: "taskwarden/x/prod/controller-heartbeat", Description: "the controller is gone", Metric: "Heartbeat", Statistic: "Maximum",
		Dimensions: []alarm.Dimension{{Name: "Controller", Value: "x"}}, Period: 60, EvaluationPeriods: 5, Datapoints: 5,
		Comparison: "LessThanThreshold", Threshold: 1, Missing: "notBreaching", AlarmActions: []string{topic}, OKActions: []string{topic},
	}
	fatal(t, a.PutAlarm(ctx, spec, nil, map[string]string{"taskwarden:owner": "x", "taskwarden:spec": "1"}))
	fatal(t, a.TagAlarm(ctx, alarmARN+spec.Name, map[string]string{"taskwarden:spec": "2"}))
	have, err := a.Alarms(ctx, func(name string) bool { return strings.HasPrefix(name, "taskwarden/") })
	fatal(t, err)
	for i := range have {
		have[i].State, have[i].StateReason = "", "" // each evaluates at its own pace
	}
	if len(have) == 1 && !cmp.Equal(have[0].Spec, spec, cmpopts.EquateEmpty()) {
		t.Errorf("an alarm is not read back as it was put: %s", cmp.Diff(spec, have[0].Spec))
	}
	return maxima, have
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
