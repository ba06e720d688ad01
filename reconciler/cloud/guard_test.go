package cloud

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

const role = "arn:aws:iam::444455556666:role/taskwarden"

// all uses each method of the account once.
func all(ctx context.Context, a *Account) map[string]error {
	now := time.Now()
	spec := alarm.Spec{Name: "n", Metric: "SilentChurn", Statistic: "Maximum", Period: 60, EvaluationPeriods: 1, Comparison: "GreaterThanThreshold"}
	datum := []alarm.Datum{{Metric: "UnplannedStops", At: now, Value: 1, Unit: "Count"}}
	errs := map[string]error{}
	errs["Sweep"] = a.Sweep(ctx, func(fleet.Cluster) {}).Err
	_, errs["Definition"] = a.Definition(ctx, "service-00000:1")
	_, errs["Tail"] = a.Tail(ctx, fleet.LogRef{Group: "/ecs/service-00000", Stream: "s"}, now.Add(-time.Hour), now, 10)
	_, errs["Deployments"] = a.Deployments(ctx, "prod-000", "service-00000", now.Add(-time.Hour))
	_, errs["DescribeDeployments"] = a.DescribeDeployments(ctx, []string{"arn:aws:ecs:us-east-1:111122223333:service-deployment/c/s/1"})
	_, errs["Revisions"] = a.Revisions(ctx, []string{"arn:aws:ecs:us-east-1:111122223333:service-revision/c/s/1"})
	_, errs["Stream"] = a.Stream(ctx, fleet.LogRef{Group: "/ecs/service-00000", Stream: "s"})
	_, errs["RawDefinition"] = a.RawDefinition(ctx, "service-00000:1")
	_, errs["NewestRevisions"] = a.NewestRevisions(ctx, "service-00000")
	_, errs["Register"] = a.Register(ctx, []byte(`{"family":"other","containerDefinitions":[{"name":"app","image":"app:2"}]}`))
	errs["Deploy"] = a.Deploy(ctx, "prod-000", "service-00000", "service-00000:1")
	errs["StopDeployment"] = a.StopDeployment(ctx, "arn:aws:ecs:us-east-1:111122223333:service-deployment/prod-000/service-00000/1")
	_, errs["Stack"] = a.Stack(ctx, "arn:aws:ecs:us-east-1:111122223333:service/prod-000/service-00000")
	_, errs["ImageDigest"] = a.ImageDigest(ctx, fleet.PrivateImage{Account: "111122223333", Region: "us-east-1", Repository: "app", Tag: "1"}, "")
	errs["PutAlarm"] = a.PutAlarm(ctx, spec, nil, map[string]string{alarm.OwnerTag: "k"})
	_, errs["Alarms"] = a.Alarms(ctx, func(string) bool { return true })
	errs["TagAlarm"] = a.TagAlarm(ctx, "arn:aws:cloudwatch:us-east-1:111122223333:alarm:n", map[string]string{"k": "v"})
	errs["DeleteAlarm"] = a.DeleteAlarm(ctx, "n", "arn:aws:cloudwatch:us-east-1:111122223333:alarm:n", "k")
	_, errs["Active"] = a.Active(ctx, "AWS/ECS", "CPUUtilization", true)
	_, errs["Topic"] = a.Topic(ctx, "arn:aws:sns:us-east-1:111122223333:page")
	errs["PutData"] = a.PutData(ctx, datum)
	_, errs["Maxima"] = a.Maxima(ctx, datum)
	_, errs["Series"] = a.Series(ctx, []fleet.Query{{Metric: fleet.Metric{Namespace: "N", Name: "M"}, Statistic: "Maximum"}}, now.Add(-time.Hour), now)
	_, errs["Metrics"] = a.Metrics(ctx, fleet.Metric{Namespace: "N", Name: "M"})
	_, errs["Insights"] = a.Insights(ctx, []string{"prod-000"})
	return errs
}

func TestTheTableIsWhatIsCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := account.Bulk(1, 1, 1)
		s.Images = []account.Image{{Name: "111122223333.dkr.ecr.us-east-1.amazonaws.com/app:1", Digest: "sha256:aa"}}
		w := world(t, s)
		for name, err := range all(t.Context(), watching(w, Options{RoleARN: role})) {
			if missing := name == "StopDeployment" && errors.Is(err, fleet.ErrNotFound); err != nil && !missing {
				t.Errorf("%s: %v", name, err)
			}
		}
		if id, err := CallerAccount(t.Context(), baseConfig(w.Transport())); err != nil || id != "111122223333" {
			t.Errorf("the ambient account is %q, %v", id, err)
		}
		var want []string
		for _, o := range Operations() {
			want = append(want, o.String())
			if b := bucketOf(o.Bucket); b.Refill <= 0 || !slices.Contains(Buckets(), b) {
				t.Errorf("%s has no bucket %q", o, o.Bucket)
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(w.CallCounts()))); diff != "" {
			t.Errorf("table and calls differ (-table +calls):\n%s", diff)
		}
	})
}

func TestOffMeansOff(t *testing.T) {
	for _, off := range []Class{Read, Evidence, Metrics, Alarms, Remediate} {
		t.Run(string(off), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world(t, account.Bulk(1, 1, 1))
				allow := everything()
				allow[off] = false
				refused := 0
				for name, err := range all(t.Context(), watching(w, Options{Allow: allow})) {
					r, ok := errors.AsType[*Refused](err)
					if !ok {
						continue
					}
					refused++
					if r.Operation.Class != off || !r.Known || !errors.Is(err, fleet.ErrTerminal) {
						t.Errorf("%s: %v", name, err)
					}
				}
				if refused == 0 {
					t.Error("nothing was refused")
				}
				for _, c := range w.Calls() {
					if op, ok := operationOf(c.Service, c.Op); !ok || op.Class == off {
						t.Errorf("%s was sent", op)
					}
				}
			})
		})
	}
}

// What an approver ordered is sent although the mode is off; it opens no other class.
func TestWhatAnApproverOrderedIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{Allow: map[Class]bool{Read: true}})
		for name, err := range all(a.Ordered(t.Context()), a) {
			r, refused := errors.AsType[*Refused](err)
			if refused && r.Operation.Class == Remediate {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, c := range w.Calls() {
			if op, _ := operationOf(c.Service, c.Op); op.Class != Read && op.Class != Remediate && op.Class != Access {
				t.Errorf("%s was sent", op)
			}
		}
		if n := count(w, "UpdateService"); n != 1 {
			t.Errorf("%d UpdateService", n)
		}
	})
}

func TestNothingIsAllowedByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := account.Bulk(1, 1, 1)
		s.Images = []account.Image{{Name: "111122223333.dkr.ecr.us-east-1.amazonaws.com/app:1", Digest: "sha256:aa"}}
		w := world(t, s)
		for name, err := range all(t.Context(), New(baseConfig(w.Transport()), Options{})) {
			if _, ok := errors.AsType[*Refused](err); !ok {
				t.Errorf("%s: %v", name, err)
			}
		}
		if calls := w.Calls(); len(calls) > 0 {
			t.Errorf("sent: %v", calls)
		}
	})
}

func TestCallsOutsideTheTableAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		_, err := call(t.Context(), a.ecs.DeleteService, &ecs.DeleteServiceInput{Service: aws.String("service-00000")})
		if r, ok := errors.AsType[*Refused](err); !ok || r.Known || len(w.Calls()) > 0 {
			t.Errorf("error %v, calls %v", err, w.Calls())
		}
	})
}

func TestRetries(t *testing.T) {
	data := []alarm.Datum{{Metric: "UnplannedStops", Value: 1, Unit: "Count"}}
	put := func(ctx context.Context, a *Account) error {
		data[0].At = time.Now()
		return a.PutData(ctx, data)
	}
	list := func(ctx context.Context, a *Account) error { return a.Sweep(ctx, func(fleet.Cluster) {}).Err }
	for name, tc := range map[string]struct {
		op    string
		gate  func(n int) account.Gate // for the nth call
		do    func(context.Context, *Account) error
		calls int
		ok    bool
	}{
		"a read is repeated":              {"ListClusters", failFirst(2), list, 3, true},
		"a read is given up":              {"ListClusters", failFirst(9), list, attempts, false},
		"a lost answer to a read":         {"ListClusters", cutFirst(1), list, 2, true},
		"a read without an answer":        {"ListClusters", holdFirst(1), list, 1, true}, // the held one is never applied
		"data are never put twice":        {"PutMetricData", failFirst(1), put, 1, false},
		"data whose answer was lost":      {"PutMetricData", cutFirst(1), put, 1, false},
		"data that got no answer in time": {"PutMetricData", holdFirst(1), put, 0, false},
		"data that were put":              {"PutMetricData", failFirst(0), put, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world(t, account.Bulk(1, 1, 1))
				n := 0
				w.Gate(isOp(tc.op), func(account.Call) account.Gate { n++; return tc.gate(n) })
				err := tc.do(t.Context(), watching(w, Options{}))
				if got := count(w, tc.op); got != tc.calls || (err == nil) != tc.ok {
					t.Errorf("%d calls, error %v", got, err)
				}
			})
		})
	}
}

func failFirst(k int) func(int) account.Gate {
	return func(n int) account.Gate {
		if n <= k {
			return account.Gate{Err: outage()}
		}
		return account.Gate{}
	}
}

func cutFirst(k int) func(int) account.Gate {
	return func(n int) account.Gate { return account.Gate{Cut: n <= k} }
}

func holdFirst(k int) func(int) account.Gate {
	return func(n int) account.Gate {
		if n <= k {
			return account.Gate{Hold: make(chan struct{})}
		}
		return account.Gate{}
	}
}

func TestCancellingKeepsItsIdentity(t *testing.T) {
	why := errors.New("the operator pressed a key")
	for name, op := range map[string]string{"while it waits for AWS": "ListClusters", "before": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world(t, account.Bulk(1, 1, 1))
				w.Gate(isOp(op), func(account.Call) account.Gate { return account.Gate{Hold: make(chan struct{})} })
				ctx, cancel := context.WithCancelCause(t.Context())
				if op == "" {
					cancel(why)
				} else {
					time.AfterFunc(time.Second, func() { cancel(why) })
				}
				began := time.Now()
				err := watching(w, Options{}).Sweep(ctx, func(fleet.Cluster) {}).Err
				if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || time.Since(began) > time.Second {
					t.Errorf("after %s: %v", time.Since(began), err)
				}
			})
		})
	}
}

func TestEachAttemptIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		n := 0
		w.Gate(isOp("ListClusters"), func(account.Call) account.Gate {
			if n++; n == 1 {
				return account.Gate{Err: throttling()}
			}
			return account.Gate{}
		})
		var mu sync.Mutex
		var got []CallStat
		a := watching(w, Options{Target: "prod", Observe: func(s CallStat) {
			mu.Lock()
			defer mu.Unlock()
			if s.Operation.Name == "ListClusters" {
				got = append(got, s)
			}
		}})
		s := sweep(t.Context(), a)
		for _, p := range a.budgets.Paces() {
			if slowed := p.Bucket == "ecs-cluster-read"; slowed != (p.Backoffs == 1) || slowed != (p.Share < 1) {
				t.Errorf("after one call of ecs-cluster-read was throttled: %+v", p)
			}
		}
		op, _ := operationOf("ecs", "ListClusters")
		want := []CallStat{
			{Target: "prod", Operation: op, Region: "us-east-1", Code: "ThrottlingException", Attempt: 1, Throttled: true},
			{Target: "prod", Operation: op, Region: "us-east-1", Attempt: 2},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
		if s.Calls != len(w.Calls()) {
			t.Errorf("the sweep counts %d calls, %d were made", s.Calls, len(w.Calls()))
		}
	})
}
