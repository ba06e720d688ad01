package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFormats(t *testing.T) {
	for name, tc := range map[string]struct{ good, bad []string }{
		"name":       {[]string{"prod", "a.b_c-1", strings.Repeat("a", 64)}, []string{"", "a b", "a/b", "é", strings.Repeat("a", 65)}},
		"region":     {[]string{"ap-northeast-1", "us-gov-west-1", "cn-north-1"}, []string{"", "tokyo", "EU-WEST-1", "eu-west-1 "}},
		"roleArn":    {[]string{"arn:aws:iam::123456789012:role/a", "arn:aws-cn:iam::123456789012:role/path/a+=,.@_-"}, []string{"", "arn:aws:iam::123456789012:user/a", "arn:aws:iam::12345:role/a", "arn:aws:iam::123456789012:role/"}},
		"externalId": {[]string{"ab", strings.Repeat("a", 1224), "a=,.@:/-"}, []string{"a", "a b", strings.Repeat("a", 1225)}},
		"arn":        {[]string{"arn:aws:sns:eu-west-1:123456789012:t", "arn:aws:automate:eu-west-1:ec2:stop", "arn:aws:lambda:eu-west-1:123456789012:function:f:1"}, []string{"", "sns:t", "arn:aws:sns:eu-west-1", "arn:aws:sns:eu-west-1:123456789012:a b"}},
		"queueUrl":   {[]string{"https://sqs.eu-west-1.amazonaws.com/123456789012/q", "http://localhost:4566/000000000000/q"}, []string{"", "q", "https://sqs.eu-west-1.amazonaws.com/", "https://a:b@h/q", "sqs://h/q"}},
		"sha256":     {[]string{strings.Repeat("0a", 32)}, []string{"", strings.Repeat("0A", 32), strings.Repeat("0a", 31)}},
		"envName":    {[]string{"A", "OTEL_TRACES_SAMPLER", "_a.b-c1"}, []string{"", "1A", "A=B", "A B"}},
		"glob":       {[]string{"*", "web-[ab]?", "*/acme/agent:*"}, []string{"", "[a"}},
		"regexp":     {[]string{"^a", "(?i)x"}, []string{"", "(", "(?<=a)b"}},
		"timezone":   {[]string{"UTC", "Asia/Tokyo", "Etc/GMT+9"}, []string{"", "Local", "Asia/Tokio", "../x"}},
		"cron":       {[]string{"0 9 * * *", "@daily", "@every 15m", "@every 7d", "0 0 29 2 *", "CRON_TZ=Asia/Tokyo 0 9 * * MON-FRI"}, []string{"", "0 9 * *", "@every 0s", "@every 999ms", "@every x", "@often", "0 0 30 2 *", "TZ=UTC", "CRON_TZ=x 0 9 * * *", "61 * * * *"}},
		"address":    {[]string{"127.0.0.1:8080", "[::1]:0", ":1"}, []string{"", "localhost", "h:http", "h:65536", "::1:80", "h:-1"}},
		"logGroup":   {[]string{"/ecs/a", "/ecs/{cluster}/{service}"}, []string{"", "a b", "{task", "{taskId}", "a:b"}},
		"logStream":  {[]string{"app/{container}/{task}", "{family}"}, []string{"", "a:b", "a*", "}"}},
		"table":      {[]string{"taskwarden"}, []string{"", "ab", "a b c"}},
	} {
		for _, s := range tc.good {
			if err := formats[name].check(s); err != nil {
				t.Errorf("%s refuses %q: %v", name, s, err)
			}
		}
		for _, s := range tc.bad {
			if err := formats[name].check(s); err == nil {
				t.Errorf("%s takes %q", name, s)
			}
		}
	}
}

func TestParseScheduleUsesTheZone(t *testing.T) {
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for spec, want := range map[string]string{
		"0 10 * * *":             "2026-11-22T01:00:00Z", // 10 in Tokyo
		"CRON_TZ=UTC 0 10 * * *": "2026-11-22T10:00:00Z",
		"@every 1d":              "2026-11-23T00:00:00Z",
	} {
		s, err := ParseSchedule(spec, tokyo)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(from).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s is next at %s, want %s", spec, got, want)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"0 9 * * *", "@every 15m", "TZ=", "CRON_TZ= ", "@", "*/0 * * * *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := ParseSchedule(s, time.UTC)
		if (parsed == nil) == (err == nil) {
			t.Errorf("%q gives %v and %v", s, parsed, err)
		}
	})
}

// Tags are read at run time; a mistyped one would silently check nothing.
func TestTagsMeanSomething(t *testing.T) {
	seen := 0
	walkFields(reflect.TypeFor[Config](), func(owner reflect.Type, sf reflect.StructField) {
		seen++
		name := owner.Name() + "." + sf.Name
		if fieldName(sf) == "" {
			t.Errorf("%s has no yaml name", name)
		}
		for key := range strings.FieldsSeq(string(sf.Tag)) {
			key, _, _ = strings.Cut(key, ":")
			if !slices.Contains([]string{"yaml", "required", "nonempty", "min", "max", "maxItems", "format", "keys", "secret"}, key) {
				t.Errorf("%s has the unknown tag %s", name, key)
			}
		}
		for _, key := range []string{"format", "keys"} {
			if f, ok := sf.Tag.Lookup(key); ok && formats[f].what == "" {
				t.Errorf("%s asks for the unknown format %s", name, f)
			}
		}
		for _, key := range []string{"min", "max"} {
			if b, ok := sf.Tag.Lookup(key); ok && b != "0" && number(b) <= 0 {
				t.Errorf("%s has the bound %q", name, b)
			}
		}
	})
	if seen < 80 {
		t.Errorf("only %d fields were seen", seen)
	}
}

// walkFields visits every field of the format once for each place it is used in.
func walkFields(t reflect.Type, visit func(owner reflect.Type, sf reflect.StructField)) {
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		walkFields(t.Elem(), visit)
	case reflect.Struct:
		for sf := range fields(t) {
			visit(t, sf)
			walkFields(sf.Type, visit)
		}
	}
}

func TestSuggest(t *testing.T) {
	names := []string{"off", "plan", "ensure", "sync", "threshold", "window"}
	for got, want := range map[string]string{
		"treshold": "threshold", "THRESHOLD": "threshold", "of": "off", "paln": "plan", "ensured": "ensure", "windows": "window",
		"on": "", "x": "", "": "", "holdthres": "", strings.Repeat("plan", 100): "",
	} {
		if near := nearest(got, names); near != want {
			t.Errorf("nearest(%q) = %q, want %q", got, near, want)
		}
	}
}
