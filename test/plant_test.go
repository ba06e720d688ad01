package test

import (
	"fmt"
	"go/build"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"taskwarden/contain"
	"taskwarden/test/account"
	"taskwarden/test/peer"
)

// plantable builds the binary in which a test can plant panics (contain/plant.go). The shipped one has no way to.
var plantable = sync.OnceValues(func() (string, error) { return compile("plantable", "-tags", "plant") })

const twoTargets = `
targets:
  - {name: bad, region: ap-northeast-1, clusters: [prod]}
  - {name: good, region: ap-northeast-1, clusters: [calm]}
watch: {resync: 1s, apiBudget: 1.0}
alarms: {mode: plan}
schedules: {alarmAudit: "@every 2s", report: "@every 2s"}
remediation:
  mode: plan
  policies:
    - name: otel-sampler
      match: {env: {OTEL_TRACES_SAMPLER: [xray]}}
      when: {all: [SidecarCrash]}
      set: {OTEL_TRACES_SAMPLER: parentbased_traceidratio, OTEL_TRACES_SAMPLER_ARG: "0.01"}
`

// planting is a running program in which panics are planted.
type planting struct {
	*process
	file string // names the places that panic
	at   []string
}

// bothTargets is an account with the incident in one cluster, whose task definition changes every 20 s, and a calm one.
func bothTargets(t *testing.T) (*account.Account, string) {
	t.Helper()
	overrides := maps.Clone(short)
	overrides["tasks"] = "2"
	s := incident(t, overrides)
	calm := account.Bulk(1, 1, 1).Clusters[0]
	calm.Name = "calm"
	s.Clusters = append(s.Clusters, calm)
	for i := range 30 {
		s.Timeline = append(s.Timeline, account.Step{At: account.Exactly(time.Duration(i+1) * 20 * time.Second), Do: account.DoDeploy, Service: "prod/django",
			Set: map[string]map[string]string{"django": {"REVISION": strconv.Itoa(i)}}, Why: "a new task definition is to be read"})
	}
	return serve(t, s)
}

// plant starts the program with panics at some places from its very first moment.
func plant(t *testing.T, endpoint, region, dir, store string, env []string, at ...string) *planting {
	t.Helper()
	path, err := plantable()
	if err != nil {
		t.Fatal(err)
	}
	p := &planting{file: filepath.Join(dir, "plant")}
	p.set(t, at...)
	env = append(env, "TASKWARDEN_PLANT_PANIC="+p.file)
	p.process = launchBinary(t, path, endpoint, region, dir, twoTargets, store, []string{"--record", filepath.Join(dir, "recording")}, env...)
	return p
}

func (p *planting) set(t *testing.T, at ...string) {
	t.Helper()
	p.at = at
	if err := os.WriteFile(p.file+".new", []byte(strings.Join(at, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(p.file+".new", p.file); err != nil {
		t.Fatal(err)
	}
}

// without plants everything but one place.
func (p *planting) without(t *testing.T, gone string) {
	t.Helper()
	var rest []string
	for _, at := range p.at {
		if at != gone {
			rest = append(rest, at)
		}
	}
	p.set(t, rest...)
}

// logged counts the panics that the log names at a place.
func (p *planting) logged(at string) int {
	place, of, _ := strings.Cut(at, " ")
	n := 0
	for line := range strings.Lines(p.stderr.String()) {
		if strings.Contains(line, `"msg":"panic contained","where":"`+place+`"`) && strings.Contains(line, of) {
			n++
		}
	}
	return n
}

// counted is what the metric says of a place.
func (p *planting) counted(at string) float64 {
	place, _, _ := strings.Cut(at, " ")
	_, text := p.status("/metrics")
	m := regexp.MustCompile(`taskwarden_panics_total\{where="` + place + `"\} (\S+)`).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(m[1], 64)
	return n
}

// lives fails the test where the process has ended.
func (p *planting) lives(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		t.Fatalf("the process ended: %v", err)
	default:
	}
}

// seenWhole waits for two more complete sweeps of a target that begin from now on.
func (p *planting) seenWhole(t *testing.T, target, when string) {
	t.Helper()
	seen := map[string]bool{}
	from := time.Now()
	eventually(t, "complete sweeps of "+target+" "+when, time.Minute, func() bool {
		p.lives(t)
		for _, item := range p.items("/api/v1/targets") {
			last, _ := item["lastComplete"].(string)
			if at, err := time.Parse(time.RFC3339Nano, last); item["target"] == target && item["ready"] == true && err == nil && at.After(from) {
				seen[last] = true
			}
		}
		return len(seen) >= 2
	})
}

// says reports whether a target says that something panics.
func (p *planting) says(target string) bool {
	for _, item := range p.items("/api/v1/targets") {
		if item["target"] == target && strings.Contains(fmt.Sprint(item["troubles"]), "Panicking: ") {
			return true
		}
	}
	return false
}

// The running program survives a panic in each kind of goroutine that it has: the other target is seen whole all the while, the
// panic is logged and counted, the target says so, and once it is over the target is seen whole again.
func TestTheProgramSurvivesPanics(t *testing.T) {
	t.Parallel()
	a, url := bothTargets(t)
	dir := t.TempDir()
	store := fmt.Sprintf("{type: bolt, path: %q}", filepath.Join(dir, "data"))
	begin := []string{"listener", "controller its start", "ownership the store", "load the store", "load the controller", "controller its watch", "controller its run", "loop sweeps of bad"}
	p := plant(t, url, a.Region(), dir, store, nil, append(begin, "metrics bad")...)

	for _, at := range begin {
		eventually(t, at+" panics", time.Minute, func() bool { p.lives(t); return p.logged(at) > 0 })
		if at == "loop sweeps of bad" {
			p.seenWhole(t, "good", "while the other target's sweep loop panics")
		}
		p.without(t, at)
	}
	p.seenWhole(t, "bad", "after the panics of the start")
	survived := map[string]bool{}
	for _, at := range begin {
		place, _, _ := strings.Cut(at, " ")
		survived[place] = true
		if p.counted(at) == 0 {
			t.Errorf("%s: not counted", at)
		}
	}
	for _, at := range []string{
		"metrics bad", "sweep bad", "look prod", "intake prod", "pass bad/prod/django", "definition django", "log bad/", "alarms bad",
		"remediation bad/prod/django", "schedule the report", "recording",
	} {
		place, _, _ := strings.Cut(at, " ")
		survived[place] = true
		before := p.logged(at)
		p.set(t, at)
		eventually(t, at+" panics", 90*time.Second, func() bool { p.lives(t); return p.logged(at) > before })
		p.seenWhole(t, "good", "while "+at+" panics")
		if at != "look prod" && at != "intake prod" && at != "recording" { // the first two show as a cluster that cannot be read
			eventually(t, "the target says that "+at+" panics", time.Minute, func() bool { return p.says("bad") })
		}
		if p.counted(at) == 0 {
			t.Errorf("%s: not counted", at)
		}
		p.set(t)
		p.seenWhole(t, "bad", "after "+at+" panicked")
	}
	survived["request"], survived["reload"], survived["database"] = true, true, true
	t.Run("request", p.requestPanics)
	t.Run("reload", func(t *testing.T) { p.reloadPanics(t, filepath.Join(dir, "config.yaml")) })
	t.Run("database", func(t *testing.T) { // the last one: a database that panicked is not used again before a restart
		p.set(t, "database")
		eventually(t, "the database panics", time.Minute, func() bool { return p.logged("database") > 0 })
		p.set(t)
		eventually(t, "the process lives, and says what to do", 10*time.Second, func() bool {
			p.lives(t)
			code, _ := p.status("/healthz")
			return code == http.StatusOK && strings.Contains(p.stderr.String(), "restore the file from a backup")
		})
		p.kill()
		p = plant(t, url, a.Region(), dir, store, nil)
		p.seenWhole(t, "bad", "after a restart")
		p.terminate()
	})
	for _, elsewhere := range []contain.Place{contain.Lease, contain.Commit, contain.Command} { // the tests below
		survived[string(elsewhere)] = true
	}
	for _, place := range contain.Places {
		if !survived[string(place)] {
			t.Errorf("nothing shows that the program survives a panic in %q", place)
		}
	}
}

// requestPanics: a request that panics is answered 500, the next one as ever.
func (p *planting) requestPanics(t *testing.T) {
	p.set(t, "request GET /api/v1/findings")
	if code, text := p.status("/api/v1/findings"); code != http.StatusInternalServerError || strings.Contains(text, "planted") {
		t.Errorf("answered %d %s", code, text)
	}
	if p.counted("request") == 0 || p.logged("request") == 0 {
		t.Error("not counted, or not logged")
	}
	p.set(t)
	if code, _ := p.status("/api/v1/findings"); code != http.StatusOK {
		t.Errorf("after the panic: %d", code)
	}
}

// reloadPanics: a configuration whose reading panics leaves the old one in force, and the next one is taken.
func (p *planting) reloadPanics(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(resync string) {
		changed := strings.Replace(string(text), "resync: 1s", "resync: "+resync, 1)
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	p.set(t, "reload")
	write("2s")
	eventually(t, "the configuration that panics is not taken", time.Minute, func() bool {
		p.lives(t)
		return p.logged("reload") > 0 && strings.Contains(p.stderr.String(), "configuration not reloaded")
	})
	p.seenWhole(t, "good", "while the reload panics")
	p.set(t)
	inForce := func() int { return strings.Count(p.stderr.String(), `"msg":"configuration in force"`) }
	before := inForce()
	write("3s")
	eventually(t, "the next configuration is taken", time.Minute, func() bool { return inForce() > before })
	p.seenWhole(t, "bad", "after the reload")
}

// On a shared table: a panic while the lease is renewed makes the process stand down and take the table again, and one in a commit
// answers all that wait for it.
func TestTheProgramSurvivesPanicsOfASharedStore(t *testing.T) {
	t.Parallel()
	a, url := bothTargets(t)
	db := peer.DynamoDBLocal(t)
	peer.Table(t, db, "panics")
	p := plant(t, url, a.Region(), t.TempDir(), "{type: dynamodb, table: panics}", []string{"AWS_ENDPOINT_URL_DYNAMODB=" + db}, "lease")
	eventually(t, "the keeper of the lease panics, and the process stands down", time.Minute, func() bool {
		p.lives(t)
		return p.logged("lease") > 0 && strings.Contains(p.stderr.String(), "this process no longer owns the store")
	})
	p.set(t)
	p.seenWhole(t, "bad", "after it took the table again")
	p.set(t, "commit")
	eventually(t, "a commit panics", time.Minute, func() bool { p.lives(t); return p.logged("commit") > 0 })
	p.seenWhole(t, "good", "while commits panic")
	p.set(t)
	p.seenWhole(t, "bad", "after commits panicked")
	if p.counted("commit") == 0 || p.counted("lease") == 0 {
		t.Error("not counted")
	}
	p.terminate()
}

// A verb that does something in the background fails in order where that panics.
func TestAVerbThatPanicsFails(t *testing.T) {
	t.Parallel()
	path, err := plantable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "plant")
	if err := os.WriteFile(file, []byte("command"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "lint", "-")
	cmd.Env = append(os.Environ(), "TASKWARDEN_PLANT_PANIC="+file)
	cmd.Stdin = strings.NewReader("{}")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "read the input: command of the input panicked") {
		t.Errorf("%v\n%s", err, out)
	}
}

// The shipped program is built without what plants panics.
func TestTheShippedProgramPlantsNoPanics(t *testing.T) {
	p, err := build.ImportDir("../contain", 0)
	if err != nil || !slices.Contains(p.GoFiles, "noplant.go") || slices.Contains(p.GoFiles, "plant.go") {
		t.Errorf("%v: built from %v", err, p.GoFiles)
	}
	for _, text := range []string{"../Makefile", "../deploy/Dockerfile"} {
		if content, err := os.ReadFile(text); err != nil || regexp.MustCompile(`\s-tags`).Match(content) {
			t.Errorf("%s: %v; it must not build with tags", text, err)
		}
	}
}
