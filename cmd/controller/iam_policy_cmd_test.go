package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestIAMPolicyRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, tc := range []struct {
		args []string
		says string
	}{
		{nil, "--for is needed"},
		{[]string{"--for", "watch"}, `"watch" is not one of scan, observe, evidence, alarms, remediate`},
		{[]string{"--for", "scan,"}, `"" is not one of scan`},
		{[]string{"--for", "scan", "--log-group", "a b"}, "--log-group"},
		{[]string{"--for", "remediate", "--cluster", "prod/web"}, "--cluster"},
		{[]string{"--for", "remediate", "--pass-role", "django"}, "--pass-role"},
		{[]string{"--for", "observe", "--target-role", "arn:aws:iam::1:role/x"}, "--target-role"},
		{[]string{"--for", "observe", "--partition", "moon"}, "--partition"},
		{[]string{"--for", "observe", "more"}, "unknown command"},
	} {
		r := command(t, nil, "", append([]string{"iam-policy"}, tc.args...)...)
		if r.code != exitUsage || r.out != "" || !strings.Contains(r.errOut, tc.says) {
			t.Errorf("%v: exit %d, %q, %q", tc.args, r.code, r.out, r.errOut)
		}
	}
}

// Modes may be given with commas or again, and every format holds the same.
func TestIAMPolicyFormats(t *testing.T) {
	p, text := printed(t, "--for", "evidence,alarms")
	again, _ := printed(t, "--for", "evidence", "--for", "alarms", "--for", "alarms")
	if len(p.Statement) != len(again.Statement) || !json.Valid(text) {
		t.Errorf("%+v\n%+v", p, again)
	}
	for format, says := range map[string]string{"yaml": "Version: \"2012-10-17\"\n", "jsonl": `{"Version":"2012-10-17","Statement":[{`,
		"table": "cloudwatch:PutMetricAlarm ", "wide": "alarms stay planned"} {
		r := command(t, nil, "", "iam-policy", "--for", "evidence,alarms", "-o", format)
		if r.code != 0 || !strings.Contains(r.out, says) || strings.Contains(r.out, "UpdateService") {
			t.Errorf("%s: exit %d %s\n%s", format, r.code, r.errOut, r.out)
		}
	}
}
