package mask

import (
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// format is one public secret format.
type format struct {
	id     string
	shape  bool // known by itself; otherwise only by the words around it
	secret *rapid.Generator[string]
}

// formats reads testdata/gitleaks.txt.
func formats(t *testing.T) []format {
	t.Helper()
	raw, err := os.ReadFile("testdata/gitleaks.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []format
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		id, expr, ok := strings.Cut(rest, "\t")
		if !ok {
			t.Fatalf("%q is no format", line)
		}
		out = append(out, format{id, kind == "shape", rapid.StringMatching(strings.NewReplacer("(?i)", "", "(?i:", "(?:").Replace(expr))})
	}
	if len(out) < 200 {
		t.Fatalf("only %d formats were read", len(out))
	}
	return out
}

// piece is how much of a secret in a row may not be seen: more than the beginning that tells the vendor.
const piece = 16

// survives gives a piece of the secret that is still in the text, or "".
func survives(text, secret string) string {
	for i := 0; i+piece <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+piece]) {
			return secret[i : i+piece]
		}
	}
	if strings.Contains(text, secret) {
		return secret
	}
	return ""
}

// Where a secret may stand. In those of told, words or signs around it say that it is one.
var (
	toldInValues = []string{
		"https://%@collector.example.com/v1/traces", "http://user:%@host:2000", "user:%@host:4317", "%@host",
		"endpoint=http://user:%@host:2000,polling_interval=10",
		"endpoint=user:%@host:2000", "https://otel.example.com/v1/traces?api_key=%", "https://otel.example.com/?token=%&x=1",
		"https://otel.example.com/?%",
		"https://otel.example.com/#%", "x-api-key=%", "tenant=a,authorization=Bearer %", "Authorization=Basic %,x=y",
		"signoz-access-token=%,tenant=b",
	}
	untoldInValues = []string{
		"%", "service.name=%", "https://otel.example.com/%/v1/traces", "%.example.com", "http://%:4318", "parentbased_%", "a,%", "\"%\"",
		"Bearer %", "x: %", "endpoint=http://h:2000,x=%",
	}
	toldInLines = []string{
		"dial https://user:%@host/x failed", "GET /v1/traces?api_key=% 401", "x-api-key: \"%\"", `{"token":"%"}`, "password='%'",
		"Authorization: Bearer %",
		"OTEL_EXPORTER_OTLP_HEADERS=team=a,x-honeycomb=%", "exporting with OTEL_EXPORTER_OTLP_TRACES_HEADERS: a=%", "GET /?key=%&page=2",
	}
	untoldInLines = []string{"push with % failed", "%", "header x: %", `{"x":"%"}`, "url https://host/?x=%&y=1", "token(%)"}
)

// Secrets of every public format, in every position, in the value of every variable that is kept, never survive.
func TestNoFormatSurvivesInAValue(t *testing.T) {
	for _, f := range formats(t) {
		t.Run(f.id, func(t *testing.T) {
			places := toldInValues
			if f.shape {
				places = append(places, untoldInValues...)
			}
			rapid.Check(t, func(t *rapid.T) {
				secret := f.secret.Draw(t, "secret")
				value := strings.ReplaceAll(rapid.SampledFrom(places).Draw(t, "place"), "%", secret)
				kept, ok := Value(value)
				if left := survives(kept, secret); left != "" {
					t.Fatalf("Value(%q) = %q, %v keeps %q", value, kept, ok, left)
				}
			})
		})
	}
}

func TestNoFormatSurvivesInALine(t *testing.T) {
	for _, f := range formats(t) {
		t.Run(f.id, func(t *testing.T) {
			places := toldInLines
			if f.shape {
				places = append(places, untoldInLines...)
			}
			rapid.Check(t, func(t *rapid.T) {
				secret := f.secret.Draw(t, "secret")
				line := strings.ReplaceAll(rapid.SampledFrom(places).Draw(t, "place"), "%", secret)
				if len(line) > MaxLine {
					t.Skip("cut")
				}
				if left := survives(Line(line), secret); left != "" {
					t.Fatalf("Line(%q) = %q keeps %q", line, Line(line), left)
				}
			})
		})
	}
}
