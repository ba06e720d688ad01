package conformance

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/cloud"
)

// reads is a small product.
var reads = fields{
	"ecs.DescribeTasksOutput.Tasks": true, "ecs/types.Task.TaskArn": true, "ecs/types.Task.StoppedAt": true, "ecs/types.Task.Containers": true,
	"ecs/types.Container.ExitCode": true, "ecs/types.Container.Name": true,
}

func described(exit *int32, names ...string) *ecs.DescribeTasksOutput {
	task := types.Task{TaskArn: aws.String("arn:aws:ecs:us-east-1:1:task/c/0123456789abcdef0123456789abcdef"), StoppedReason: aws.String("not read"), Version: 7}
	for _, n := range names {
		task.Containers = append(task.Containers, types.Container{Name: &n, ExitCode: exit})
	}
	return &ecs.DescribeTasksOutput{Tasks: []types.Task{task}}
}

func TestAnAnswerIsWhatTheProductReads(t *testing.T) {
	want := answer{
		errorPath: {absent}, "Tasks[]": {"1"}, "Tasks[].TaskArn": {"arn:aws:ecs:us-east-1:1:task/c/<hex32>"}, "Tasks[].StoppedAt": {absent},
		"Tasks[].Containers[]": {"2"}, "Tasks[].Containers[].Name": {"a", "b"}, "Tasks[].Containers[].ExitCode": {"0", "0"},
	}
	got := reads.read(described(aws.Int32(0), "b", "a"), nil)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.empty("Tasks[].Containers[].ExitCode") || !got.empty("Tasks[].StoppedAt") {
		t.Error("exit code 0 is a value, a time that is not there is none")
	}
	if got := reads.read((*ecs.DescribeTasksOutput)(nil), errors.New("cut")); !cmp.Equal(got, answer{errorPath: {"cut"}}) {
		t.Errorf("%v", got)
	}
}

func TestWhatDiffers(t *testing.T) {
	base := reads.read(described(aws.Int32(0), "a", "b"), nil)
	for name, tc := range map[string]struct {
		other answer
		want  []string
	}{
		"nothing":          {reads.read(described(aws.Int32(0), "b", "a"), nil), nil},
		"no code at all":   {reads.read(described(nil, "a", "b"), nil), []string{"Tasks[].Containers[].ExitCode"}},
		"one fewer":        {reads.read(described(aws.Int32(0), "a"), nil), []string{"Tasks[].Containers[]"}},
		"none at all":      {reads.read(&ecs.DescribeTasksOutput{}, nil), []string{"Tasks[]"}},
		"refused":          {reads.read(nil, errors.New("no")), []string{errorPath}},
		"another name too": {reads.read(described(aws.Int32(3), "a", "c"), nil), []string{"Tasks[].Containers[].ExitCode", "Tasks[].Containers[].Name"}},
	} {
		if got := differing(base, tc.other); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestTheChecksFail: each check finds the fault that it is for.
func TestTheChecksFail(t *testing.T) {
	const op = "ecs:DescribeTasks"
	out := reflect.TypeFor[ecs.DescribeTasksOutput]()
	p := pair{row{operation: op, when: "x"}, reads.read(described(aws.Int32(0), "a"), nil), reads.read(described(nil, "a"), nil), out}
	exit := difference{op, "Tasks[].Containers[].ExitCode", "0", absent, "ours", "because"}
	blinds := []blind{{op, "Tasks[].StoppedAt", "none has stopped"}, {op, "Tasks[].Containers[].ExitCode", "none"}}
	unread := fields{"ecs/types.Service.ServiceArn": true}
	for name := range reads {
		unread[name] = true
	}
	for name, tc := range map[string]struct {
		wrong []string
		want  string
	}{
		"listed":           {checkDifferences([]pair{p}, []difference{exit}), ""},
		"not listed":       {checkDifferences([]pair{p}, nil), "not listed"},
		"gone":             {checkDifferences([]pair{p}, []difference{exit, {op, "Tasks[]", "1", "0", "ours", "because"}}), "differs no more"},
		"another value":    {checkDifferences([]pair{p}, []difference{{op, exit.path, "1", absent, "ours", "because"}}), "not listed"},
		"without a reason": {checkDifferences([]pair{p}, []difference{{op, exit.path, "0", absent, "ours", ""}}), "who is right"},
		"all compared":     {checkFields(reads, []pair{p}, blinds), ""},
		"never compared":   {checkFields(reads, []pair{p}, blinds[:1]), "no call got a value from both sides"},
		"compared after all": {checkFields(reads, []pair{p}, append(slices.Clone(blinds), blind{op, "Tasks[].TaskArn", "no"})),
			"is compared now"},
		"never answered": {checkFields(unread, []pair{p}, blinds), "no call of the table answers with it"},
		"no such call":   {checkOperations([]pair{p}, []cloud.Operation{{Service: "ecs", Name: "NewOne"}}), "both belong into the table"},
		"never refused":  {checkOperations([]pair{p}, []cloud.Operation{{Service: "ecs", Name: "DescribeTasks"}}), "refused: false"},
	} {
		said := strings.Join(tc.wrong, "\n")
		if tc.want == "" && said != "" || !strings.Contains(said, tc.want) {
			t.Errorf("%s: %q, want %q", name, said, tc.want)
		}
	}
}

func TestTimesOutOfPlaceShow(t *testing.T) {
	for want, at := range map[string]time.Time{
		"<time>": time.Now().Add(-time.Hour), absent: {}, "1970-01-21T00:00:00Z": time.Unix(20*24*3600, 0), "2999-01-01T00:00:00Z": time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got := moment(at); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}
