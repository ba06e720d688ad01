package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/cmd/controller/config"
	"taskwarden/store"
	"taskwarden/store/memory"
)

const incidentRecording = "testdata/incident.rec"

// anew is a flag of its own: what is committed has to be readable as it is, unless the format changes.
var anew = flag.Bool("record", false, "record the incident anew")

// The binary's own controller records the incident, as it did for the recording that the tests here replay: 14 hours. Looks
// come with jitter, so what is compared is the outcome. No recording holds what the configuration keeps secret, and no
// value of the service's environment outside the allow-list.
func TestRecordingTheIncident(t *testing.T) {
	file := filepath.Join(t.TempDir(), "incident.rec")
	recordIncident(t, file, 14*time.Hour)
	fresh, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if *anew {
		if err := os.WriteFile(incidentRecording, fresh, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(incidentRecording)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"fresh": fresh, "committed": committed} {
		raw := unzip(t, text)
		for _, secret := range []string{"111122223333", "secret-role", "secret-id", "5ec2e7", "db.internal", "shop.settings", "alice"} {
			if strings.Contains(raw, secret) {
				t.Errorf("the %s recording holds %q", name, secret)
			}
		}
		d, _ := replayed(t, raw, "-")
		if d.Summary.Unplanned < 8 || d.Summary.Planned != 0 || d.Summary.Opened["SilentChurn"] != 1 || d.Summary.Opened["SidecarCrash"] != 1 || len(text) > 64<<10 {
			t.Errorf("the %s recording, %d bytes: %+v", name, len(text), d.Summary)
		}
	}
}

// recordIncident runs what `run --record` runs, in a bubble, with a configuration that holds secrets.
func recordIncident(t *testing.T, file string, length time.Duration) {
	t.Helper()
	cfg, err := config.Load("test", []byte(`
apiVersion: taskwarden/v1
kind: ControllerConfig
targets: [{name: prod, region: ap-northeast-1, roleArn: "arn:aws:iam::111122223333:role/secret-role", externalId: secret-id}]
watch: {resync: 15m}
alarms: {mode: ensure, actions: {alarm: ["arn:aws:sns:ap-northeast-1:111122223333:oncall"]}}
server: {tokens: [{role: viewer, sha256: `+strings.Repeat("5ec2e7", 10)+`abcd}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Targets[0].RoleARN = "" // the account's own credentials
	scenario := scenario(t, "incident", nil)
	synctest.Test(t, func(t *testing.T) {
		w := opened(t, scenario)
		base := aws.Config{Region: w.Region(), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
			HTTPClient: w.Transport(), BaseEndpoint: aws.String("http://account.invalid")}
		g := &generations{keeper: &keeper{}, a: newApp(), log: zap.NewNop(), base: base, held: held{Monitor: store.NewMonitor(memory.New(time.Now), quietly)}, process: prometheus.NewRegistry()}
		var err error
		if g.writer, err = newWriter(file, zap.NewNop()); err != nil {
			t.Fatal(err)
		}
		c, err := g.start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
		g.writer.Close()
	})
}

func TestReplayOfTheIncident(t *testing.T) {
	for _, c := range []struct{ name, format string }{{"replay-incident.txt", "wide"}, {"replay-incident.jsonl", "jsonl"}} {
		r := command(t, nil, "", "replay", incidentRecording, "-o", c.format)
		if r.code != 0 || r.errOut != "" {
			t.Fatalf("exit %d: %s", r.code, r.errOut)
		}
		golden(t, c.name, r.out)
	}
}

// The same recording gives the same bytes, in every format, on any number of processors.
func TestReplayIsTheSameEachTime(t *testing.T) {
	for _, format := range outputs {
		want := command(t, nil, "", "replay", incidentRecording, "-o", format)
		for _, n := range []int{1, 2, 7} {
			was := runtime.GOMAXPROCS(n)
			got := command(t, nil, "", "replay", incidentRecording, "-o", format)
			runtime.GOMAXPROCS(was)
			if got != want || len(want.out) < 1000 {
				t.Errorf("-o %s on %d processors: %d bytes, then %d", format, n, len(want.out), len(got.out))
			}
		}
	}
}

// timelineDocument is a replay as JSON.
type timelineDocument struct {
	Items   []map[string]any
	Summary summaryRow
}

func replayed(t *testing.T, stdin string, args ...string) (timelineDocument, string) {
	t.Helper()
	r := command(t, nil, stdin, append([]string{"replay", "-o", "json"}, args...)...)
	var d timelineDocument
	if err := json.Unmarshal([]byte(r.out), &d); err != nil || r.code != 0 {
		t.Fatalf("exit %d, %v: %s", r.code, err, r.errOut)
	}
	return d, r.errOut
}

// Another configuration shows what it would have done with the same facts: this one waits for a fifth death.
func TestReplayWithAnotherConfiguration(t *testing.T) {
	opened := func(args ...string) string {
		d, _ := replayed(t, "", append(args, incidentRecording)...)
		for _, it := range d.Items {
			if it["event"] == "finding" && it["type"] == "SilentChurn" {
				return it["at"].(string)
			}
		}
		return ""
	}
	recorded := opened()
	later := opened("--config", write(t, "apiVersion: taskwarden/v1\nkind: ControllerConfig\ndetect: {threshold: 5}\n"))
	never := opened("--config", write(t, "apiVersion: taskwarden/v1\nkind: ControllerConfig\ndetect: {threshold: 100}\n"))
	if recorded == "" || later <= recorded || never != "" {
		t.Errorf("SilentChurn opens at %q as recorded, at %q with a threshold of 5, at %q with 100", recorded, later, never)
	}
	quiet, _ := replayed(t, "", "--config", write(t, "apiVersion: taskwarden/v1\nkind: ControllerConfig\nmetrics: {enabled: false}\nalarms: {mode: \"off\"}\n"), incidentRecording)
	for _, it := range quiet.Items {
		if it["event"] == "gauge" || it["event"] == "alarm" {
			t.Errorf("with metrics and alarms off: %v", it)
		}
	}
}

func TestReplayTellsWhatIsWrong(t *testing.T) {
	whole, err := os.ReadFile(incidentRecording)
	if err != nil {
		t.Fatal(err)
	}
	file := func(text []byte) string {
		path := filepath.Join(t.TempDir(), "x.rec")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	d, warning := replayed(t, "", file(whole[:len(whole)*2/3]))
	if !strings.HasPrefix(warning, "taskwarden: warning: line ") || !strings.Contains(d.Summary.Cut, "ends in the middle") || len(d.Items) < 10 {
		t.Errorf("cut: %d items, %q, %q", len(d.Items), d.Summary.Cut, warning)
	}
	plain, _ := replayed(t, unzip(t, whole), "-")
	renamed, _ := replayed(t, strings.ReplaceAll(unzip(t, whole), "django", "service-a"), "-") // as docs/replay.md tells people to
	zipped, _ := replayed(t, "", incidentRecording)
	if len(plain.Items) != len(zipped.Items) || len(renamed.Items) != len(zipped.Items) {
		t.Errorf("%d moments from the file, %d from its text, %d with another name", len(zipped.Items), len(plain.Items), len(renamed.Items))
	}
	text := unzip(t, whole)
	for name, c := range map[string]struct {
		args  []string
		stdin string
		code  int
		want  string
	}{
		"no file":       {[]string{"/nonexistent"}, "", 1, "open the input: open /nonexistent: no such file"},
		"no argument":   {nil, "", 64, "accepts 1 arg(s)"},
		"stdin twice":   {[]string{"-", "--config", "-"}, "", 64, "stdin cannot be both"},
		"empty":         {[]string{"-"}, "", 1, "replay: line 1: the file is empty"},
		"bad config":    {[]string{incidentRecording, "--config", write(t, bad)}, "", 78, "treshold"},
		"old config":    {[]string{"-"}, strings.Replace(text, "threshold:", "treshhold:", 1), 1, "this version does not take the recorded configuration; give one with --config"},
		"header only":   {[]string{"-"}, text[:strings.Index(text, "\n")+1], 1, "the recording ends before a controller began"},
		"damaged":       {[]string{"-"}, strings.Replace(text, `"complete":true`, `"complete":1`, 1), 1, "not a line of a recording"},
		"not recording": {[]string{"../../config.yaml"}, "", 1, "line 1: not a recording"},
	} {
		r := command(t, nil, c.stdin, append([]string{"replay"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.errOut, c.want) {
			t.Errorf("%s: exit %d, %s", name, r.code, r.errOut)
		}
	}
}

func unzip(t *testing.T, text []byte) string {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(gz)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
