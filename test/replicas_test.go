package test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"taskwarden/reconciler/cloud"
	"taskwarden/test/account"
	"taskwarden/test/peer"
)

// takeoverWithin is what is promised of a replica whose owner is gone.
const takeoverWithin = 15 * time.Second

// TestReplicas runs real binaries on one table of Amazon's own emulator, and lets the owner die, be stopped and wake up.
func TestReplicas(t *testing.T) {
	t.Parallel()
	binary(t)
	db := peer.DynamoDBLocal(t)
	for name, test := range map[string]func(*testing.T, string, string){"killed": ownerKilled, "stopped": ownerStopped} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := "replicas-" + name
			peer.Table(t, db, table)
			test(t, db, table)
		})
	}
	for name, wait := range killPoints() {
		t.Run("counters, killed "+name, func(t *testing.T) {
			t.Parallel()
			table := "counters-" + strings.ReplaceAll(name, " ", "-")
			peer.Table(t, db, table)
			countsThroughKill(t, wait, func(t *testing.T, endpoint, region, dir, config string) *process {
				t.Helper()
				return launchOn(t, endpoint, region, dir, config, fmt.Sprintf("{type: dynamodb, table: %s}", table), "AWS_ENDPOINT_URL_DYNAMODB="+db)
			})
		})
	}
}

// replica is one process with a way of its own to the table, on which what it writes is recorded.
type replica struct {
	*process
	key string // its access key, by which the account tells who calls

	mu      sync.Mutex
	commits []commit
}

// commit is one write to the table that took place.
type commit struct {
	op    string
	begun time.Time // when the request arrived
	ended time.Time
}

func join(t *testing.T, a *account.Account, endpoint, db, table, key, config string) *replica {
	t.Helper()
	r := &replica{key: key}
	to, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = nil
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		op := strings.TrimPrefix(req.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		answer := &status{ResponseWriter: w, code: 200}
		begun := time.Now()
		defer func() {
			if answer.code == 200 && op != "GetItem" && op != "Query" && op != "DescribeTable" {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.commits = append(r.commits, commit{op, begun, time.Now()})
			}
			_ = recover() // the proxy's way to say that the caller went away
		}()
		proxy.ServeHTTP(answer, req)
	}))
	t.Cleanup(way.Close)
	t.Cleanup(way.CloseClientConnections)
	r.process = launchOn(t, endpoint, a.Region(), t.TempDir(), config, fmt.Sprintf("{type: dynamodb, table: %s}", table),
		"AWS_ENDPOINT_URL_DYNAMODB="+way.URL, "AWS_ACCESS_KEY_ID="+key)
	return r
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) { s.code = code; s.ResponseWriter.WriteHeader(code) }

func (r *replica) committed() []commit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.commits)
}

// owns reports whether a controller runs in the replica and sees its target.
func (r *replica) owns() bool { code, _ := r.status("/readyz"); return code == 200 }

// standsBy fails the test unless the replica says everywhere that another one owns the store.
func (r *replica) standsBy(t *testing.T) {
	t.Helper()
	eventually(t, "the replica stands by", 20*time.Second, func() bool {
		code, text := r.status("/readyz")
		return code == 503 && strings.Contains(text, "standby: ") && strings.Contains(text, "owns the store")
	})
	if code, _ := r.status("/healthz"); code != 200 {
		t.Errorf("/healthz of a standby: %d", code)
	}
	if code, text := r.status("/api/v1/stops"); code != 503 || !strings.Contains(text, "standby: ") {
		t.Errorf("the API of a standby: %d %s", code, text)
	}
	out, err := exec.Command(binary(t), "get", "targets", "--server", r.url).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "standby: ") {
		t.Errorf("get targets of a standby: %v\n%s", err, out)
	}
}

// ownersCalls are the calls of an access key that only the owner may make, after a time.
func ownersCalls(a *account.Account, key string, after time.Time) (out []string) {
	class := map[string]cloud.Class{}
	for _, o := range cloud.Operations() {
		class[o.String()] = o.Class
	}
	for _, c := range a.Calls() {
		switch class[c.Service+":"+c.Op] {
		case cloud.Metrics, cloud.Alarms, cloud.Remediate:
			if c.AccessKey == key && c.At.After(after) {
				out = append(out, fmt.Sprintf("%s at +%s", c.Op, c.At.Sub(after)))
			}
		}
	}
	return out
}

// crashing is the incident in seconds, cured after a time; nothing dies before the first look.
func crashing(t *testing.T, cured time.Duration) account.Scenario {
	t.Helper()
	overrides := maps.Clone(short)
	overrides["tasks"] = "0"
	s := incident(t, overrides)
	s.Timeline = append(s.Timeline, account.Step{At: account.Exactly(12 * time.Second), Do: account.DoScale, Service: "prod/django", Desired: 4, Why: "the crashes begin"},
		account.Step{At: account.Exactly(cured), Do: account.DoDeploy, Service: "prod/django",
			Set: map[string]map[string]string{"django": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}}, Why: "the cure"})
	return s
}

// settled waits until the crashes are over, and demands that the owner recorded each stop once and counted each crash once.
func settled(t *testing.T, a *account.Account, owner *replica, start time.Time, over time.Duration) {
	t.Helper()
	time.Sleep(time.Until(start.Add(over))) // the account's crashes are real seconds apart
	crashes := 0
	truth := map[string]bool{}
	for _, stop := range a.Stops() {
		if stop.Service == "django" {
			truth[stop.TaskARN] = true
			if !stop.Planned {
				crashes++
			}
		}
	}
	if crashes < 8 {
		t.Fatalf("only %d crashes: the test shows nothing", crashes)
	}
	eventually(t, "every stop is recorded", 30*time.Second, func() bool { return len(owner.items("/api/v1/stops?limit=1000")) >= len(truth) })
	recorded := map[string]int{}
	for _, item := range owner.items("/api/v1/stops?limit=1000") {
		recorded[fmt.Sprint(item["taskArn"])]++
	}
	for arn, n := range recorded {
		if n != 1 || !truth[arn] {
			t.Errorf("%s is recorded %d times, and did stop: %v", arn, n, truth[arn])
		}
	}
	w := &world{t: t, account: a, cw: cloudwatch.NewFromConfig(sdk(a))}
	counted := func() float64 {
		return w.maxima(start, "UnplannedStops", "ClusterName", "prod", "ServiceName", "django")
	}
	eventually(t, "the counters say what happened", 150*time.Second, func() bool { return counted() >= float64(crashes) })
	if got := counted(); got != float64(crashes) {
		t.Errorf("UnplannedStops says %v, %d happened", got, crashes)
	}
}

// The owner is killed as by a lost host: another replica takes over in time, and nothing is lost or counted twice.
func ownerKilled(t *testing.T, db, table string) {
	start := time.Now()
	account, endpoint := serve(t, crashing(t, 75*time.Second))
	a := join(t, account, endpoint, db, table, "AKIAREPLICAA", quick)
	eventually(t, "the first replica owns the store", 12*time.Second, a.owns)
	b := join(t, account, endpoint, db, table, "AKIAREPLICAB", quick)
	b.standsBy(t)
	eventually(t, "three stops are recorded", time.Minute, func() bool { return len(a.items("/api/v1/stops")) >= 3 })
	killed := time.Now()
	a.kill()
	eventually(t, "the second replica owns the store", takeoverWithin, b.owns)
	t.Logf("taken over, with a first look, %s after the kill", time.Since(killed).Round(10*time.Millisecond))
	settled(t, account, b, start, 100*time.Second)
	if n := len(ownersCalls(account, b.key, killed)); n == 0 {
		t.Error("the second replica put nothing")
	}
	b.terminate()
}

// The owner is stopped for 30 s, as by a frozen host, and wakes up when another one has taken over: it writes nothing more,
// neither to the table nor to AWS, and stands by. Told to end, the other one hands over at once.
func ownerStopped(t *testing.T, db, table string) {
	start := time.Now()
	account, endpoint := serve(t, crashing(t, 110*time.Second))
	a := join(t, account, endpoint, db, table, "AKIAREPLICAA", quick)
	eventually(t, "the first replica owns the store", 12*time.Second, a.owns)
	b := join(t, account, endpoint, db, table, "AKIAREPLICAB", quick)
	b.standsBy(t)
	eventually(t, "a stop is recorded", time.Minute, func() bool { return len(a.items("/api/v1/stops")) > 0 })
	eventually(t, "the end of a minute is near, so that metrics are due while the owner is stopped", time.Minute, func() bool {
		s := time.Now().Second()
		return s >= 40 && s < 50
	})
	stopped := time.Now()
	if err := a.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second replica owns the store", takeoverWithin, b.owns)
	taken := time.Now()
	t.Logf("taken over, with a first look, %s after the stop", taken.Sub(stopped).Round(10*time.Millisecond))
	time.Sleep(time.Until(stopped.Add(30 * time.Second)))
	woken := time.Now()
	if err := a.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a.standsBy(t)
	settled(t, account, b, start, 135*time.Second)
	if got := ownersCalls(account, a.key, stopped.Add(time.Second)); len(got) > 0 { // what was on its way when it was stopped arrived within
		t.Errorf("the stale owner wrote to AWS: %v", got)
	}
	for _, c := range a.committed() {
		if c.ended.After(taken) {
			t.Errorf("the stale owner's %s, begun %s after the takeover, took place", c.op, c.begun.Sub(taken))
		}
	}
	if len(ownersCalls(account, a.key, start)) == 0 || len(a.committed()) < 3 || len(ownersCalls(account, b.key, woken)) == 0 {
		t.Error("the replicas wrote too little for this test to show anything")
	}
	told := time.Now()
	b.terminate()
	eventually(t, "the first replica owns the store again", 5*time.Second, a.owns)
	t.Logf("handed over, with a first look, %s after SIGTERM", time.Since(told).Round(10*time.Millisecond))
	if got := len(a.items("/api/v1/stops?limit=1000")); got < 8 {
		t.Errorf("it knows of %d stops", got)
	}
	a.terminate()
}
