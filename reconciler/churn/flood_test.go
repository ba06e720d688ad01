package churn

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// instrumented is a service of four tasks under Application Signals, of which a quarter of an hour was read: so many minutes
// with these requests of InternalOperation and of all operations, the others with none.
func instrumented(minutes int, internal, all float64) fleet.Observation {
	env := []fleet.EnvVar{{Name: "OTEL_AWS_APPLICATION_SIGNALS_ENABLED", Value: "true", Kept: true}}
	o := fleet.Observation{Key: fleet.Key{Target: "t", Cluster: "prod", Service: "django"}, Seen: fleet.Seen{At: midday.Add(5 * time.Minute), Complete: true},
		Service:     fleet.Service{Name: "django", TaskDefinition: "d:1", Desired: 4, Running: 4},
		Definitions: map[string]fleet.Definition{"d:1": {ARN: "d:1", Containers: []fleet.ContainerDefinition{{Name: "app", Env: env}}}}}
	o.Tasks = []fleet.Task{{ARN: "t1", Group: "service:django", LastStatus: fleet.StatusRunning, StartedAt: midday.Add(-10 * time.Hour)}}
	is := fleet.SignalCounts{Seen: fleet.Seen{At: midday, Complete: true}, From: midday.Add(-15 * time.Minute), Service: "django", Environment: "prod",
		Remote: []fleet.RemoteCall{{Service: "localhost:2000", Operation: "POST /SamplingTargets", Count: 45000}}}
	for i := range minutes {
		at := is.From.Add(time.Duration(i) * time.Minute)
		is.Internal, is.All = append(is.Internal, fleet.Point{At: at, Value: internal}), append(is.All, fleet.Point{At: at, Value: all})
	}
	o.Metrics.Signals = is
	return o
}

func floodOf(o fleet.Observation) (is string, claims []finding.Claim) {
	for _, c := range Judge(o, History{}, Policy{}, o.At).Claims {
		switch {
		case c.Type == finding.TelemetryFlood && c.Blind:
			is += "blind"
		case c.Type == finding.TelemetryFlood && c.Keeps:
			is += "keeps"
		case c.Type == finding.TelemetryFlood:
			is += "opens"
		}
		claims = append(claims, c)
	}
	return is, claims
}

func TestFloodOpensByVolumeAndShare(t *testing.T) {
	for name, tc := range map[string]struct {
		minutes       int
		internal, all float64
		want          string
	}{
		"the incident":                       {15, 3000, 3060, "opens"},
		"ten minutes of it":                  {10, 3000, 3060, "opens"},
		"nine minutes of it":                 {9, 3000, 3060, "keeps"},
		"four minutes of it":                 {4, 3000, 3060, ""},
		"just the volume":                    {15, 1200, 1300, "opens"},
		"just below it":                      {15, 1199, 1300, "keeps"},
		"half of it":                         {15, 600, 700, "keeps"},
		"below half":                         {15, 599, 700, ""},
		"half of all":                        {15, 3000, 6000, "opens"},
		"less than half of all":              {15, 3000, 6001, "keeps"},
		"a quarter of all":                   {15, 3000, 12000, "keeps"},
		"less":                               {15, 3000, 12001, ""},
		"all there is, and little":           {15, 28, 28, ""},
		"the others were not read: no share": {15, 3000, 0, ""},
		"nothing":                            {0, 0, 0, ""},
	} {
		if got, claims := floodOf(instrumented(tc.minutes, tc.internal, tc.all)); got != tc.want {
			t.Errorf("%s: %q, want %q: %+v", name, got, tc.want, claims)
		}
	}
}

func TestFloodWhenUnread(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*fleet.Observation)
		want   string
		unseen bool
	}{
		"never read":           {func(o *fleet.Observation) { o.Metrics = fleet.Metrics{} }, "blind", false},
		"read long ago":        {func(o *fleet.Observation) { o.At = o.At.Add(2 * time.Hour) }, "blind", false},
		"not whole":            {func(o *fleet.Observation) { o.Metrics.Signals.Complete = false }, "blind", false},
		"definition not known": {func(o *fleet.Observation) { o.Definitions = nil; o.Metrics = fleet.Metrics{} }, "blind", false},
		"just not listed":      {func(o *fleet.Observation) { o.Metrics.Signals.Absent = o.At.Add(-time.Minute) }, "blind", false},
		"not listed for long":  {func(o *fleet.Observation) { o.Metrics.Signals.Absent = o.At.Add(-time.Hour) }, "blind", true},
		"not listed, and just started": {func(o *fleet.Observation) {
			o.Metrics.Signals.Absent, o.Tasks[0].StartedAt = o.At.Add(-time.Hour), o.At.Add(-time.Minute)
		}, "blind", false},
		"switched off": {func(o *fleet.Observation) {
			o.Definitions = map[string]fleet.Definition{"d:1": {ARN: "d:1"}}
		}, "", false},
	} {
		o := instrumented(15, 3000, 3060)
		tc.change(&o)
		got, claims := floodOf(o)
		unseen := slices.ContainsFunc(claims, func(c finding.Claim) bool { return c.Type == finding.Unobservable && c.Severity == finding.Info })
		if got != tc.want || unseen != tc.unseen {
			t.Errorf("%s: %q, unseen %t: %+v", name, got, unseen, claims)
		}
	}
}

func TestFloodSaysWhatItIs(t *testing.T) {
	_, claims := floodOf(instrumented(15, 3000, 3060))
	text := claims[0].Message + strings.Join(claims[0].Evidence, " ")
	for _, must := range []string{"3000 requests a minute", "98 %", "localhost:2000 POST /SamplingTargets (45000)", "not these metrics", "unsampled", "DISABLED_INSTRUMENTATIONS"} {
		if !strings.Contains(text, must) {
			t.Errorf("no %q in %s", must, text)
		}
	}
}

func TestSignalNames(t *testing.T) {
	for name, tc := range map[string]struct {
		env  map[string]string
		have []string
		uses bool
		want string // service in environment
	}{
		"by attributes":           {map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "service.name=a%20b,deployment.environment=live"}, []string{"live", "ecs:prod"}, true, "a b in live"},
		"the name has precedence": {map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "service.name=x", "OTEL_SERVICE_NAME": "own"}, []string{"ecs:prod"}, true, "own in ecs:prod"},
		"the cluster's":           {map[string]string{"OTEL_SERVICE_NAME": "own"}, []string{"ecs:other", "ecs:prod"}, true, "own in ecs:prod"},
		"the default":             {map[string]string{"OTEL_SERVICE_NAME": "own"}, []string{"ecs:default", "ecs:other"}, true, "own in ecs:default"},
		"the only one":            {map[string]string{"OTEL_SERVICE_NAME": "own"}, []string{"generic:default", "generic:default"}, true, "own in generic:default"},
		"one of two, unknown":     {map[string]string{"OTEL_SERVICE_NAME": "own"}, []string{"a", "b"}, true, "own in "},
		"no name":                 {map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "nonsense,%%%=%zz"}, nil, true, " in "},
		"not enabled":             {map[string]string{"OTEL_SERVICE_NAME": "own", "OTEL_AWS_APPLICATION_SIGNALS_ENABLED": "false"}, nil, false, " in "},
	} {
		c := fleet.ContainerDefinition{Name: "app", Env: []fleet.EnvVar{{Name: "OTEL_AWS_APPLICATION_SIGNALS_ENABLED", Value: "True", Kept: true}}}
		for k, v := range tc.env {
			if k == "OTEL_AWS_APPLICATION_SIGNALS_ENABLED" {
				c.Env = nil
			}
			c.Env = append(c.Env, fleet.EnvVar{Name: k, Value: v, Kept: true})
		}
		o := fleet.Observation{Key: fleet.Key{Cluster: "prod"}, Service: fleet.Service{TaskDefinition: "d"}, Definitions: map[string]fleet.Definition{"d": {Containers: []fleet.ContainerDefinition{{Name: "agent"}, c}}}}
		is, uses, whole := SignalsOf(o)
		if d := cmp.Diff(tc.want, is.Service+" in "+is.Environment(tc.have)); d != "" || uses != tc.uses || !whole {
			t.Errorf("%s: uses %t, whole %t, %s", name, uses, whole, d)
		}
	}
}
