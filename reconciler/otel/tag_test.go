package otel

import "testing"

func TestTag(t *testing.T) {
	for in, want := range map[string]string{
		`{"family":"web"}`:  `{"family":"web","tags":[{"key":"k","value":"<1>"}]}`,
		`{ "family":"web"}`: `{ "family":"web", "tags":[{"key":"k","value":"<1>"}]}`,
		`{"tags":[{"key":"team","value":"a"}],"x":1e2}`:                               `{"tags":[{"key":"team","value":"a"},{"key":"k","value":"<1>"}],"x":1e2}`,
		`{"tags":[{"key":"k","value":"0"}, {"key":"team","value":"a"}],"family":"w"}`: `{"tags":[{"key":"team","value":"a"},{"key":"k","value":"<1>"}],"family":"w"}`,
		`{"tags":[{"key":"k","value":"0"}]}`:                                          `{"tags":[{"key":"k","value":"<1>"}]}`,
	} {
		got, err := Tag([]byte(in), "k", "<1>")
		if err != nil || string(got) != want {
			t.Errorf("%s\ngot  %s %v\nwant %s", in, got, err, want)
		}
	}
	for _, in := range []string{``, `{"tags":{}}`, `{"tags":[],"tags":[]}`} {
		if got, err := Tag([]byte(in), "k", "1"); err == nil {
			t.Errorf("%s became %s", in, got)
		}
	}
}
