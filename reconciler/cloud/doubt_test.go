package cloud

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

func lie(t *testing.T, w *account.Account, op string, kind account.FaultKind) *account.Injection {
	t.Helper()
	i, err := w.Inject(account.Fault{Ops: []string{op}, Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// A list that lacks what the last look read is found out by asking, what answers is delivered, and the look is not complete.
func TestAListThatLacksWhatIsThere(t *testing.T) {
	for _, op := range []string{"ListClusters", "ListServices", "ListTasks"} {
		for _, kind := range []account.FaultKind{account.FaultEmpty, account.FaultHalf, account.FaultNoToken} {
			t.Run(op+" "+string(kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := world(t, account.Bulk(2, 8, 16))
					a := watching(w, Options{})
					was := sweep(t.Context(), a)
					i := lie(t, w, "ecs:"+op, kind)
					for range 3 { // however long it lies
						time.Sleep(time.Minute)
						s := sweep(t.Context(), a)
						if s.Complete || s.Err == nil || !strings.Contains(s.Err.Error(), "ecs:"+op+": the list") {
							t.Errorf("complete %t: %v", s.Complete, s.Err)
						}
						if s.services() != was.services() || s.tasks() != was.tasks() || len(s.Clusters) != 2 {
							t.Errorf("%d services, %d tasks, clusters %v", s.services(), s.tasks(), s.Clusters)
						}
					}
					i.End()
					before := len(w.Calls())
					if s := sweep(t.Context(), a); !s.Complete || s.Calls != was.Calls || len(w.Calls())-before != was.Calls {
						t.Errorf("afterwards complete %t, %d calls, %d at first", s.Complete, s.Calls, was.Calls)
					}
				})
			})
		}
	}
}

// A fresh process knows a service that a list lacks by its running tasks.
func TestAServiceIsKnownByItsTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 4, 8))
		lie(t, w, "ecs:ListServices", account.FaultEmpty)
		if s := sweep(t.Context(), watching(w, Options{})); s.services() != 4 || !s.Complete {
			t.Errorf("%d services, complete %t: %v", s.services(), s.Complete, s.Err)
		}
		scope := fleet.Scope{Services: []string{"service-00001"}}
		if s := sweep(t.Context(), watching(w, Options{Scope: scope})); s.services() != 1 {
			t.Errorf("%d services of a scope of one", s.services())
		}
	})
}

// MISSING is an answer, but not about what the same look listed and the last one read.
func TestMissingAgainstAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, op := range []string{"DescribeServices", "DescribeTasks"} {
			w := world(t, account.Bulk(1, 4, 8))
			a := watching(w, Options{})
			sweep(t.Context(), a)
			i := lie(t, w, "ecs:"+op, account.FaultMissing)
			if s := sweep(t.Context(), a); s.Complete || s.Err == nil || !strings.Contains(s.Err.Error(), op) {
				t.Errorf("%s: complete %t, %v", op, s.Complete, s.Err)
			}
			i.End()
			if s := sweep(t.Context(), a); !s.Complete {
				t.Errorf("%s afterwards: %v", op, s.Err)
			}
		}
	})
}

// A service that is deleted, and tasks that end, are gone at the next look, without a doubt and without a further call.
func TestWhatReallyWentIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service, task := "arn:aws:ecs:us-east-1:111122223333:service/prod/a", "arn:aws:ecs:us-east-1:111122223333:task/prod/0a"
		for name, status := range map[string]string{
			"answers as INACTIVE": `{"services":[{"serviceName":"a","serviceArn":` + quoted(service) + `,"status":"INACTIVE"}]}`,
			"answers as DRAINING": `{"services":[{"serviceName":"a","serviceArn":` + quoted(service) + `,"status":"DRAINING"}]}`,
			"is MISSING":          `{"services":[],"failures":[{"arn":` + quoted(service) + `,"reason":"MISSING"}]}`,
		} {
			client := canned{
				"ListClusters":     {`{"clusterArns":["arn:aws:ecs:us-east-1:111122223333:cluster/prod"]}`},
				"ListServices":     {`{"serviceArns":[` + quoted(service) + `]}`, `{"serviceArns":[]}`},
				"ListTasks":        {`{"taskArns":[` + quoted(task) + `]}`, `{"taskArns":[]}`},
				"DescribeServices": {`{"services":[{"serviceName":"a","serviceArn":` + quoted(service) + `,"status":"ACTIVE"}]}`, status},
				"DescribeTasks": {`{"tasks":[{"taskArn":` + quoted(task) + `,"group":"service:a","lastStatus":"RUNNING"}]}`,
					`{"tasks":[],"failures":[{"arn":` + quoted(task) + `,"reason":"MISSING"}]}`},
			}
			a := New(baseConfig(client), Options{Allow: everything(), Budgets: NewBudgets(1)})
			if s := sweep(t.Context(), a); s.services() != 1 || s.tasks() != 1 {
				t.Fatalf("%s: at first %d services, %d tasks: %v", name, s.services(), s.tasks(), s.Err)
			}
			for look := range 2 {
				s := sweep(t.Context(), a)
				if !s.Complete || s.services() != 0 || s.tasks() != 0 {
					t.Errorf("%s, look %d: complete %t, %d services, %d tasks: %v", name, look, s.Complete, s.services(), s.tasks(), s.Err)
				}
				if want := []int{6, 4}[look]; s.Calls != want { // asked for once, and then forgotten
					t.Errorf("%s, look %d: %d calls", name, look, s.Calls)
				}
			}
		}
	})
}

// Making an alarm never overwrites one that a listing had left out.
func TestPutAlarmMakesNoSecondOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		tags := map[string]string{alarm.OwnerTag: "taskwarden"}
		theirs := metricSpec("taskwarden/theirs")
		if err := a.PutAlarm(t.Context(), theirs, nil, map[string]string{alarm.OwnerTag: "another"}); err != nil {
			t.Fatal(err)
		}
		ours := theirs
		ours.Threshold = theirs.Threshold + 1
		err := a.PutAlarm(t.Context(), ours, nil, tags)
		if !errors.Is(err, fleet.ErrConflict) || !strings.Contains(err.Error(), "cloudwatch:DescribeAlarms") || !strings.Contains(err.Error(), theirs.Name) {
			t.Errorf("got %v", err)
		}
		out, err := cloudwatch.NewFromConfig(baseConfig(w.Transport())).DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{})
		if err != nil || len(out.MetricAlarms) != 1 || aws.ToFloat64(out.MetricAlarms[0].Threshold) != theirs.Threshold {
			t.Errorf("%v: %+v", err, out)
		}
		if err := a.PutAlarm(t.Context(), ours, nil, nil); err != nil {
			t.Errorf("without tags it overwrites: %v", err)
		}
	})
}
