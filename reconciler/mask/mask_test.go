package mask

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestLine(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain text stays: a.b.c@example.com 10.0.0.1:2000", "plain text stays: a.b.c@example.com 10.0.0.1:2000"},
		{"key AKIAIOSFODNN7EXAMPLE used", "key *** used"},
		{"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = ***"},
		{"got wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY back", "got *** back"},
		{"sha 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12 stays", "sha 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12 stays"},
		{`{"password":"hun\"ter2","user":"bob"}`, `{"password":"***","user":"bob"}`},
		{`msg="{\"password\":\"hunter2\"}" x=1`, `msg="{\"password\":\"***\"}" x=1`},
		{"GET /x?api_key=hunter2&page=3", "GET /x?api_key=***&page=3"},
		{"postgres://bob:hunter2@db:5432/app", "postgres://***@db:5432/app"},
		{"Authorization: Bearer abc.def-123", "Authorization: Bearer ***"},
		{"authorization=Basic Ym9iOmh1bnRlcjI=", "authorization=Basic ***"},
		{"basic authentication failed", "basic authentication failed"},
		{"Cookie: sid=1; theme=dark", "Cookie: ***"},
		{"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1 end", "jwt *** end"},
		{"-----BEGIN RSA PRIVATE KEY-----\\nMIIE", "***"},
		{"MIIEowIBAAKCAQEAwJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYMIIEowIBAAKCAQEA", "***"},
		{"push to ghp_0123456789abcdefABCDEF0123456789abcd failed", "push to *** failed"},
		{"DB_PASSWORD=hunter2 started", "DB_PASSWORD=*** started"},
		{"--token hunter2 -v", "--token *** -v"},
		{"syntax error, unexpected token: comma", "syntax error, unexpected token: comma"},
		{"\x1b[31mred\x1b[0m\ttab\x00\u202e", "red tab"},
		{"fatal error: concurrent map writes", "fatal error: concurrent map writes"},
		{"connect user:pa#s%s@db.internal:5432 failed", "connect ***@db.internal:5432 failed"},
		{"http://user:pa/s@s?@host/x", "http://***@host/x"},
		{"fetch http://proxy:8080/@scope/package", "fetch http://proxy:8080/@scope/package"},
		{"https://hooks.slack.com/services/T0/B0/x failed", "https://hooks.slack.com/services/*** failed"},
		{"OTEL_EXPORTER_OTLP_HEADERS=x-team=a, b=c", "OTEL_EXPORTER_OTLP_HEADERS=***"},
		{"Foo, Version=1.0.0.0, PublicKeyToken=b77a5c561934e089", "Foo, Version=1.0.0.0, PublicKeyToken=b77a5c561934e089"},
		{`{"publicKeyToken":"b77a5c561934e089","token":"b77a5c561934e089"}`, `{"publicKeyToken":"b77a5c561934e089","token":"***"}`},
		{"12:30:45,bob@example.com mailto:bob@example.com app:1.2@sha256:0a1b2c", "12:30:45,bob@example.com mailto:bob@example.com app:1.2@sha256:0a1b2c"},
		{"github.com/aws/amazon-cloudwatch-agent/plugins/processors/awsapplicationsignals/internal/cardinalitycontrol.go:310", "github.com/aws/amazon-cloudwatch-agent/plugins/processors/awsapplicationsignals/internal/cardinalitycontrol.go:310"},
	} {
		if got := Line(c.in); got != c.want {
			t.Errorf("Line(%q)\n got %q\nwant %q", c.in, got, c.want)
		}
	}
	if got := Line(strings.Repeat("ä", 1000)); len(got) > MaxLine || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("a long line became %d bytes, valid %v", len(got), utf8.ValidString(got))
	}
}

func TestLineProperties(t *testing.T) {
	frames := []string{"password=%", `{"token":"%"}`, "https://bob:%@host/", "?client_secret=%&x=1", "Authorization: Bearer %", `api_key: "%"`, "X-Amz-Signature=%&", "Cookie: session=%"}
	rapid.Check(t, func(t *rapid.T) {
		secret := "S3cr" + rapid.StringMatching(`[A-Za-z0-9]{8,20}`).Draw(t, "secret")
		frame := rapid.SampledFrom(frames).Draw(t, "frame")
		head := rapid.StringMatching(`([a-z0-9 :,.\[\]-]{0,40} )?`).Draw(t, "head")
		tail := rapid.StringMatching(`( [ -~]{0,60})?`).Draw(t, "tail")
		line := head + strings.ReplaceAll(frame, "%", secret) + tail
		if got := Line(line); strings.Contains(got, secret) {
			t.Fatalf("Line(%q) = %q still holds the secret", line, got)
		}
	})
	rapid.Check(t, func(t *rapid.T) { checkLine(t, rapid.String().Draw(t, "line")) })
}

// What is not looked for must be what would not be found.
func TestLineSkipsNothing(t *testing.T) {
	plainly := func(s string) string {
		var found [][2]int
		for _, r := range tokens {
			found = append(found, r.find(s)...)
		}
		s = replace(s, found)
		for _, r := range places {
			s = replace(s, r.find(s))
		}
		return s
	}
	parts := []string{"password", "PassWd", "to\u212aen", "\u017fecret", "api-key", "Authorization", "bearer ", "BASIC ", "cookie", "://", "@", "=", ":", " ", "\\", `"`, "'", "--token ",
		"eyJhbGciOi.x", "AKIAIOSFODNN7EXAMPLE", "ghp_", "sk-", "sk_live_", "SG.", "-----BEGIN RSA PRIVATE KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "0123456789abcdefABCD", "hunter2", "x-amz-date", "sig", "e"}
	part := rapid.OneOf(rapid.SampledFrom(parts), rapid.StringMatching(`[ -~ä]{0,6}`))
	changed := 0
	rapid.Check(t, func(t *rapid.T) {
		line := strings.Join(rapid.SliceOfN(part, 0, 12).Draw(t, "parts"), "")
		want := plainly(line)
		if want != line {
			changed++
		}
		if got := once(line); got != want {
			t.Fatalf("once(%q)\n got %q\nwant %q", line, got, want)
		}
	})
	if changed == 0 {
		t.Error("no line held a secret: the test shows nothing")
	}
}

func checkLine(t interface{ Fatalf(string, ...any) }, line string) {
	once := Line(line)
	if len(once) > len(line) || len(once) > MaxLine {
		t.Fatalf("Line(%q) grew to %d bytes", line, len(once))
	}
	if !utf8.ValidString(once) {
		t.Fatalf("Line(%q) = %q is not UTF-8", line, once)
	}
	if twice := Line(once); twice != once {
		t.Fatalf("Line(%q): once %q, twice %q", line, once, twice)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("password=x AKIA0000000000000000 eyJabcdef.x.y://a:b@c")
	f.Add(strings.Repeat("password=", 80))
	f.Add("-----BEGIN PRIVATE KEY" + strings.Repeat("ä", 300))
	f.Add("secret=\"a\\\"b token='")
	f.Fuzz(func(t *testing.T, line string) { checkLine(t, line) })
}

// BenchmarkLine masks one line: an ordinary one, one that names words of secrets, one that holds a secret.
func BenchmarkLine(b *testing.B) {
	for _, c := range []struct{ name, line, want string }{
		{"plain", "task 0123456789abcdef0123456789abcdef stopped after 6 h 30 min in us-east-1", "task 0123456789abcdef0123456789abcdef stopped after 6 h 30 min in us-east-1"},
		{"words", "ResourceInitializationError: unable to pull secrets or registry auth: no route", "ResourceInitializationError: unable to pull secrets or registry auth: no route"},
		{"secret", `{"level":"error","password":"hunter2","msg":"login failed"}`, `{"level":"error","password":"***","msg":"login failed"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := Line(c.line); got != c.want {
					b.Fatalf("masked %q", got)
				}
			}
		})
	}
}
