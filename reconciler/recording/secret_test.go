package recording

import (
	"errors"
	"strings"
	"testing"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Whatever reaches a controller, a recording holds no value outside the allow-list, no credential, no person and no account.
func TestARecordingHoldsNoSecret(t *testing.T) {
	const (
		account = "111122223333"
		value   = "s3cr3t-value"
		token   = "ghp_0123456789abcdefghij"
		person  = "alice@example.com"
		key     = "AKIAIOSFODNN7EXAMPLE"
	)
	text := "pulling https://bob:" + value + "@registry with password=" + value + " and " + token + " in " + account + " by " + key
	long := strings.Repeat("x", 1000) + " " + text
	task := fleet.Task{ARN: "arn:aws:ecs:eu-west-1:" + account + ":task/c/1", Group: "service:web", StoppedReason: text, StartedBy: text,
		Containers: []fleet.Container{{Name: "app", Image: account + ".dkr.ecr.eu-west-1.amazonaws.com/web:1", Reason: long}}}
	service := fleet.Service{Name: "web", Deployments: []fleet.Deployment{{RolloutReason: text}}}
	definition := fleet.Definition{ARN: "arn:aws:ecs:eu-west-1:" + account + ":task-definition/web:1", RegisteredBy: "arn:aws:sts::" + account + ":assumed-role/admin/" + person,
		Containers: []fleet.ContainerDefinition{{Name: "app", Env: []fleet.EnvVar{{Name: "PASSWORD", Value: value}, {Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Value: "http://c:4317?token=" + value, Kept: true}}}}}
	failed := errors.New(text + " User: arn:aws:sts::" + account + ":assumed-role/admin/" + person + " may not; arn:aws:iam::" + account + ":user/team/" + person)
	remembered := finding.Finding{Type: finding.Unobservable, Message: text, Evidence: []string{failed.Error()}}
	l := look(1, true, []fleet.Service{service}, task)
	l.Look.Cluster.Err = failed
	var b buffer
	w := writerTo(t, &b)
	w.Begin(starting(Event{At: noon, Memory: &Memory{Key: fleet.Key{Target: "prod"}, Findings: []finding.Finding{remembered}}}))
	for _, e := range []Event{l,
		{At: at(2), Definition: &Definition{Target: "prod", Definition: definition}},
		{At: at(3), Tail: &Tail{Service: fleet.Key{Target: "prod"}, Tail: fleet.Tail{Lines: []string{text, long, "\n" + account, "id_" + account}, Missing: text}, Err: failed}},
		{At: at(4), Alarms: &Alarms{Target: "prod", Have: []alarm.Have{{Spec: alarm.Spec{Name: "a", Description: text, Label: text, AlarmActions: []string{"arn:aws:sns:eu-west-1:" + account + ":x"}}, StateReason: text,
			PromQL: text, Logs: alarm.LogQuery{Text: text, Groups: []string{"arn:aws:logs:eu-west-1:" + account + ":log-group:/ecs/web"}}}}}},
		{At: at(5), Put: &Put{Target: "prod", Err: failed}},
		{At: at(6), Sweep: &Sweep{"prod", fleet.Sweep{Err: failed}}},
	} {
		w.Record(e)
	}
	w.Close()
	raw := unzipped(t, b.Bytes())
	for _, secret := range []string{account, value, token, person, key} {
		if at := strings.Index(raw, secret); at >= 0 {
			t.Errorf("the recording holds %s: …%s…", secret, raw[max(0, at-200):min(len(raw), at+50)])
		}
	}
	for _, kept := range []string{"PASSWORD", "assumed-role/admin/***", "000000000001.dkr.ecr", "pulling https://"} {
		if !strings.Contains(raw, kept) {
			t.Errorf("the recording does not hold %s", kept)
		}
	}
}

func TestVeil(t *testing.T) {
	v := veil{}
	for in, want := range map[string]string{
		`{"a":"arn:aws:x::999988887777:y","n":999988887777}`: `{"a":"arn:aws:x::000000000001:y","n":999988887777}`,
		`"\n999988887777 \" 999988887777\\"`:                 `"\n000000000001 \" 000000000001\\"`,
		`"9999888877776 x999988887777 99998888777"`:          `"9999888877776 x999988887777 99998888777"`,
		`"id_999988887777.dkr \u00e9999988887777"`:           `"id_000000000001.dkr \u00e9000000000001"`,
		`"cut \`:                       `"cut \`,
		`"cut \u00`:                    `"cut \u00`,
		`999988887777 "" 999988887777`: `999988887777 "" 999988887777`,
	} {
		if got := string(v.apply([]byte(in))); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}
