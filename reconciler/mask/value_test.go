package mask

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// dropped is what stands in the table where nothing of a value is kept.
const dropped = "(dropped)"

func TestValue(t *testing.T) {
	for value, want := range map[string]string{
		// User parts, with and without a scheme, with odd characters.
		"endpoint=http://user:S3CR@host:2000":                     "endpoint=http://***@host:2000",
		"endpoint=http://user:S3CR@host:2000,polling_interval=10": "endpoint=http://***@host:2000,polling_interval=10",
		"endpoint=user:S3CR@host:2000":                            "endpoint=***@host:2000",
		"http://user:S3%CR@host/v1/traces":                        "http://***@host/v1/traces",
		"user:S3CR@host:4317":                                     "***@host:4317",
		"S3CR@host":                                               "***@host",
		"http://user:S3@CR@host":                                  "http://***@host",
		"http://user:S3#CR@host":                                  dropped,
		"http://user:S3/CR@host":                                  dropped,
		"http://user:S3,CR@host":                                  dropped,
		"http://user:S3 CR@host":                                  dropped,
		"http://host:2000,user:S3CR@other":                        dropped,
		"user:S3CR":                                               dropped,
		"http://user:S3CR@":                                       dropped,
		// Queries, fragments, keys and headers.
		"https://otel.example.com/v1/traces?api_key=S3CR":  "https://otel.example.com/v1/traces?api_key=***",
		"https://otel.example.com/?token=S3CR&x=S3CR,S3CR": "https://otel.example.com/?token=***",
		"https://otel.example.com/?S3CR":                   "https://otel.example.com/?***",
		"https://otel.example.com/#S3CR":                   "https://otel.example.com/#***",
		"https://otel.example.com/?q=a@S3CR":               dropped,
		"x-api-key=S3CR,x=S3CR":                            "x-api-key=***",
		"tenant=a,Authorization=Basic S3CR==":              "tenant=a,Authorization=***",
		"Bearer S3CRS3CR":                                  dropped,
		"x-api-key: S3CR":                                  dropped,
		`{"key":"S3CR"}`:                                   dropped,
		"https://otel.example.com/Xq7Zk2Mv9Rt4Wy8Bn1Lp/v1": dropped,
		"AKIAIOSFODNN7EXAMPLE":                             dropped,
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1":      dropped,
		"a\x00b":                        dropped,
		strings.Repeat("a", maxValue+1): dropped,
		// Masked already.
		"http://***@host?x=***": "http://***@host?x=***",
	} {
		kept, ok := Value(value)
		if !ok && kept == "" {
			kept = dropped
		}
		if kept != want || strings.Contains(kept, "S3") || strings.Contains(kept, "CR") {
			t.Errorf("Value(%q) = %q, want %q", value, kept, want)
		}
	}
}

// What is public and useful stays as it is, in values and in log lines.
func TestWhatIsPublicStays(t *testing.T) {
	for _, value := range []string{
		"", " ", "xray", " xray\n", `"xray"`, "parentbased_traceidratio", "0.01", "1e-3", "5%", "10 %", "0,05", "-1", "${SAMPLER}",
		"a-${STAGE}-b", "$(SAMPLER)", "<name>",
		"endpoint=http://localhost:2000,polling_interval=300", "pollingIntervalMs=5000,initialSamplingRate=0.25",
		"tracecontext,baggage,xray", "http/protobuf", "true",
		"http://localhost:4316/v1/traces", "HTTP://Collector.internal:4318", "http://[::1]:4318", "collector:4317",
		"tcp:localhost:2000 udp:localhost:2000", "unix:///tmp/x.sock",
		"service.name=orders api,deployment.environment=prod,aws.hostedin.environment=ecs:prod", "io.opentelemetry.contrib.Sampler", "服務",
		"OpenTelemetry.AutoInstrumentation, Version=1.0.0.0, Culture=neutral, PublicKeyToken=c0db600a13f60b51",
		"PublicKeyToken=b77a5c561934e089",
		"arn:aws:ecs:us-east-1:111122223333:task/prod/0123456789abcdef0123456789abcdef", "arn:aws:iam::111122223333:role/ci",
		"registry.example.com:5000/team/app:1.2.3", "team/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"1-5759e988-bd862e3fe1be46a994272793", "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "1.4.0+2fd4e1c6",
		"0af7651916cd43dd8448eb211c80319c", "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
	} {
		if kept, ok := Value(value); !ok || kept != value || Credential(value) {
			t.Errorf("Value(%q) = %q, %v", value, kept, ok)
		}
		if line := strings.TrimRight(value, " \n"); Line(line) != line {
			t.Errorf("Line(%q) = %q", line, Line(line))
		}
	}
}

// Ids and hashes of any value stay.
func TestIdsStay(t *testing.T) {
	places := []string{"%", "service.version=%", "http://host:4318/%", "task %", "release-%", "repo/app:%", "trace_id=%"}
	ids := []string{`[0-9a-f]{16}`, `[0-9a-f]{32}`, `[0-9a-f]{40}`, `[0-9a-f]{7,12}`,
		`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, `1-[0-9a-f]{8}-[0-9a-f]{24}`, `[0-9]{1,19}`}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(rapid.SampledFrom(ids).Draw(t, "shape")).Draw(t, "id")
		value := strings.ReplaceAll(rapid.SampledFrom(places).Draw(t, "place"), "%", id)
		if kept, ok := Value(value); !ok || kept != value {
			t.Fatalf("Value(%q) = %q, %v", value, kept, ok)
		}
		if Line(value) != value {
			t.Fatalf("Line(%q) = %q", value, Line(value))
		}
	})
}

// A password of any characters, wherever it may stand in an address, is never kept: neither its first nor its last part.
func TestNoPasswordSurvives(t *testing.T) {
	places := []string{"http://user:%@host:2000", "http://%@host", "user:%@host:2000", "%@host",
		"endpoint=http://user:%@host:2000,polling_interval=10", "endpoint=user:%@host",
		"https://host/v1?api_key=%", "https://host/v1?a=b&token=%", "https://host/v1?%", "https://host/#%", "https://user:%@host/v1?x=%",
		"x-api-key=%", "authorization=Bearer %", "a=b,password=%", "token=%"}
	rapid.Check(t, func(t *rapid.T) {
		secret := "S3CR" + rapid.StringMatching(`[ -~\n\täß%#@/?&=:,;]{0,12}`).Draw(t, "middle") + "T7XQ"
		value := strings.ReplaceAll(rapid.SampledFrom(places).Draw(t, "place"), "%", secret)
		kept, ok := Value(value)
		if strings.Contains(kept, "S3CR") || strings.Contains(kept, "T7XQ") || !ok && kept != "" {
			t.Fatalf("Value(%q) = %q, %v", value, kept, ok)
		}
	})
}

// checkValue holds what is true of any value.
func checkValue(t interface{ Fatalf(string, ...any) }, value string) {
	kept, ok := Value(value)
	if !ok && kept != "" {
		t.Fatalf("Value(%q) drops the value and gives %q", value, kept)
	}
	if again, still := Value(kept); again != kept || !still {
		t.Fatalf("Value(%q) = %q, and of that %q, %v", value, kept, again, still)
	}
	if once(kept) != kept {
		t.Fatalf("Value(%q) = %q, which holds what a line may not", value, kept)
	}
}

func TestValueProperties(t *testing.T) {
	parts := rapid.SampledFrom([]string{"http://", "endpoint=", "user", ":", "@", "host", "2000", ",", ";", " ", "?", "#", "&", "=",
		"api_key=", "***", "%", "/", "Bearer", "x=", `"`, "token", "ecs:", "arn:"})
	rapid.Check(t, func(t *rapid.T) {
		checkValue(t, strings.Join(rapid.SliceOfN(rapid.OneOf(parts, rapid.String()), 0, 10).Draw(t, "parts"), ""))
	})
}

func FuzzValue(f *testing.F) {
	f.Add("endpoint=http://user:pa%ss@host:2000,polling_interval=10")
	f.Add("user:pass@host:4317")
	f.Add("https://otel.example.com/v1/traces?api_key=x&y=z#w")
	f.Add("tenant=a,authorization=Bearer x")
	f.Add("Foo, PublicKeyToken=b77a5c561934e089")
	f.Fuzz(func(t *testing.T, value string) { checkValue(t, value) })
}

func TestCredential(t *testing.T) {
	for value, want := range map[string]bool{
		"http://u:p@host": true, "https://host?api_key=x": true, "x-api-key=a": true, "AKIAIOSFODNN7EXAMPLE": true,
		"postgres://a:b,c@host": true,
		"app:debug":             false, `{"level":"debug"}`: false, "0.01": false, "info,app=debug": false, "PublicKeyToken=b77a5c561934e089": false,
	} {
		if Credential(value) != want {
			t.Errorf("Credential(%q) is not %v", value, want)
		}
	}
}

func TestSecretNames(t *testing.T) {
	for name, want := range map[string]bool{
		"OTEL_EXPORTER_OTLP_HEADERS": true, "DB_PASSWORD": true, "apiKey": true, "SENTRY_DSN": true, "x-honeycomb-team": true,
		"OTEL_TRACES_SAMPLER": false, "PublicKeyToken": false, "public_key": false, "SAMPLE_RATE": false,
	} {
		if Secret(name) != want {
			t.Errorf("Secret(%q) is not %v", name, want)
		}
	}
}
