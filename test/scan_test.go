package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"taskwarden/reconciler/scan"
	"taskwarden/test/account"
)

// scanOnce runs the real binary's scan against an endpoint.
func scanOnce(t *testing.T, endpoint, region string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary(t), append([]string{"scan"}, args...)...)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+endpoint, "AWS_REGION="+region, "AWS_ACCESS_KEY_ID=test",
		"AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true")
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), out.String(), errOut.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, out.String(), errOut.String()
}

// TestScanSeesTheIncidentsPast: the incident has been running for two days when scan starts, ECS shows the stopped tasks of the
// last hour, and IAM allows reads alone. AWS's documented request limits are enforced.
func TestScanSeesTheIncidentsPast(t *testing.T) {
	t.Parallel()
	s, err := account.LoadScenario("scenarios/incident.yaml", map[string]string{"history": "48h", "seed": "11"})
	if err != nil {
		t.Fatal(err)
	}
	a, endpoint := serve(t, s)
	a.Throttle()
	a.Deny("cloudwatch:Put*", "cloudwatch:Tag*", "ecs:UpdateService", "ecs:Register*", "ecs:StopTask")
	code, out, progress := scanOnce(t, endpoint, a.Region(), "-o", "json", "--fail-on", "warning")
	if code != 2 || !strings.Contains(progress, "scan: default: ") {
		t.Fatalf("exit %d\n%s", code, progress)
	}
	var report scan.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	deaths := 0
	for _, stop := range a.Stops() {
		if stop.Service == "django" && !stop.Planned {
			deaths++
		}
	}
	true := float64(deaths) / 4 / 2
	django := report.Items[0]
	if django.Service != "django" || django.Status != scan.Churning || django.Rate.PerTaskDay < 0.8*true || django.Rate.PerTaskDay > 1.2*true {
		t.Errorf("%s %s %+v, true rate %v", django.Service, django.Status, django.Rate, true)
	}
	if c := django.Culprit; c == nil || c.Container != "cwagent" || c.Line != "fatal error: concurrent map writes" {
		t.Errorf("culprit %+v", c)
	}
	if l := django.Lifetimes; l == nil || l.P10 < 6*3600-60 || l.P90 > 7*3600+60 || django.Onset.Revision != "django:1" {
		t.Errorf("lifetimes %+v, onset %+v", l, django.Onset)
	}
	for _, other := range report.Items[1:] {
		if other.Status != scan.Quiet && other.Status != scan.Unknown || other.SeenSince == nil {
			t.Errorf("%s: %s since %v", other.Service, other.Status, other.SeenSince)
		}
	}
	for _, c := range a.Calls() {
		if !strings.HasPrefix(c.Op, "List") && !strings.HasPrefix(c.Op, "Describe") && c.Op != "GetLogEvents" || c.Code == "ThrottlingException" {
			t.Errorf("%s was called, code %q", c.Action(), c.Code)
		}
	}
}
