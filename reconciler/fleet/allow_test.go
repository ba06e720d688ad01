package fleet

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReduce(t *testing.T) {
	list := NewAllowList().With("APP_CONFIG", `{"a":1}`).With("DB_PASSWORD").With("LOG_LEVEL")
	for _, tt := range []struct {
		name, value string
		want        EnvVar
		shown       string
	}{
		{"OTHER", "x", EnvVar{}, ""},
		{"OTEL_TRACES_SAMPLER", "xray", EnvVar{Value: "xray", Kept: true}, "xray"},
		{"OTEL_TRACES_SAMPLER_ARG", "endpoint=http://u:p@host:1", EnvVar{Value: "endpoint=http://***@host:1", Kept: true, Masked: true},
			"endpoint=http://***@host:1"},
		{"OTEL_TRACES_SAMPLER_ARG", "u:p", EnvVar{Masked: true}, "***"},
		{"OTEL_RESOURCE_ATTRIBUTES", "team=x,service.name=a", EnvVar{Value: "service.name=a", Kept: true}, "service.name=a"},
		{"APP_CONFIG", `{"a":1}`, EnvVar{Value: `{"a":1}`, Kept: true}, `{"a":1}`},
		{"APP_CONFIG", `{"a":2}`, EnvVar{Masked: true}, "***"},
		{"DB_PASSWORD", "plainword", EnvVar{Masked: true}, "***"},
		{"LOG_LEVEL", "debug", EnvVar{Value: "debug", Kept: true}, "debug"},
	} {
		tt.want.Name = tt.name
		got := list.Reduce(tt.name, tt.value)
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s=%s (-want +got):\n%s", tt.name, tt.value, d)
		}
		if shown, _ := got.Shown(); shown != tt.shown {
			t.Errorf("%s=%s is shown as %q, want %q", tt.name, tt.value, shown, tt.shown)
		}
	}
}

// No built-in variable has a name by which the mask would drop its value.
func TestBuiltInNamesAreNoSecrets(t *testing.T) {
	for _, name := range builtin {
		if got := NewAllowList().Reduce(name, "service.name=a"); !got.Kept || got.Masked {
			t.Errorf("%+v", got)
		}
	}
}

// What another list would keep is read again, and a list is not changed by what is made of it.
func TestHashNamesTheList(t *testing.T) {
	plain := NewAllowList()
	seen := map[string]bool{plain.Hash(): true}
	for _, l := range []AllowList{NewAllowList("A"), plain.With("A", "x"), plain.With("A", "y"), plain.With("A", "x").With("A", "y"),
		plain.With("B", "x")} {
		if seen[l.Hash()] {
			t.Errorf("%+v has the hash of another list", l)
		}
		seen[l.Hash()] = true
	}
	if plain.Hash() != NewAllowList().Hash() || plain.With("A", "x").With("A", "y").Hash() != plain.With("A", "y", "x").Hash() {
		t.Error("one list has two hashes")
	}
}
