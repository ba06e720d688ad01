package reconciler

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

// The settings of what runs are judged: a finding opens on an error of a running definition, stays while the next
// definition is not read, and closes on complete looks that show it right.
func TestMisconfiguredFollowsWhatRuns(t *testing.T) {
	const wrongARN, rightARN = "arn:aws:ecs:r:1:task-definition/shop:1", "arn:aws:ecs:r:1:task-definition/shop:2"
	definition := func(arn string, revision int, arg string) fleet.Definition {
		return fleet.Definition{ARN: arn, Family: "shop", Revision: revision, Containers: []fleet.ContainerDefinition{{Name: "app", Essential: true, Env: []fleet.EnvVar{
			{Name: otel.Sampler, Value: "parentbased_traceidratio", Kept: true}, {Name: otel.SamplerArg, Value: arg, Kept: true}}}}}
	}
	wrong, right := definition(wrongARN, 1, "endpoint=http://localhost:2000"), definition(rightARN, 2, "0.01")
	var is []finding.Finding
	at := noon
	look := func(complete bool, running string, known ...fleet.Definition) finding.Status {
		at = at.Add(time.Minute)
		o := fleet.Observation{Key: django, Seen: fleet.Seen{At: at, Complete: complete}, Service: fleet.Service{Name: "django", Desired: 1, Running: 1},
			Tasks: []fleet.Task{{ARN: "arn:aws:ecs:r:1:task/c/a", Group: "service:django", LastStatus: fleet.StatusRunning, TaskDefinition: running}}, Definitions: map[string]fleet.Definition{}}
		for _, d := range known {
			o.Definitions[d.ARN] = d
		}
		is = Decide(o, Memory{Key: django, Findings: is}, Policies{}, at).Findings
		if len(is) == 0 {
			return ""
		}
		return is[0].Status
	}
	var got []finding.Status
	for _, step := range []func() finding.Status{
		func() finding.Status { return look(true, wrongARN) },         // not read yet: unknown, and nothing is claimed
		func() finding.Status { return look(true, wrongARN, wrong) },  // opens
		func() finding.Status { return look(true, rightARN, wrong) },  // the next revision runs and is not read: it stays
		func() finding.Status { return look(false, rightARN, right) }, // a partial look concludes nothing
		func() finding.Status { return look(true, rightARN, right) },  // the first complete look without it
		func() finding.Status { return look(true, rightARN, right) },  // a minute of them
	} {
		got = append(got, step())
	}
	want := []finding.Status{"", finding.True, finding.True, finding.Unknown, finding.Unknown, finding.False}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if f := is[0]; f.Type != finding.OTELMisconfigured || f.Reason != "SamplerArgMismatch" || len(f.Evidence) != 1 {
		t.Errorf("%+v", f)
	}
}
