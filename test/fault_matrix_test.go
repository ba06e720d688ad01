package test

import (
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"taskwarden/reconciler/cloud"
	"taskwarden/test/account"
)

// faultable is one operation of the controller with the silent faults that its answers can have. Every operation can
// have every loud one.
type faultable struct {
	op     string
	silent []account.FaultKind
	once   []account.FaultKind // of these a single answer
	void   bool                // the answer holds nothing, so that a spoilt body spoils nothing
	looks  bool                // a look needs it
}

var (
	loud = []account.FaultKind{account.Fault500, account.Fault503, account.FaultThrottle, account.FaultDeny, account.FaultTimeout,
		account.FaultReset, account.FaultCut, account.FaultGarbage, account.FaultHalfBody}
	spoilt = []account.FaultKind{account.FaultGarbage, account.FaultHalfBody}
	lists  = []account.FaultKind{account.FaultHalf, account.FaultNoToken, account.FaultRepeat, account.FaultStale, account.FaultUnknown}
	empty  = []account.FaultKind{account.FaultEmpty}
)

var faultables = []faultable{
	{op: "ecs:ListClusters", silent: lists, once: empty, looks: true},
	{op: "ecs:ListServices", silent: lists, once: empty, looks: true},
	{op: "ecs:ListTasks", silent: lists, once: empty, looks: true},
	{op: "ecs:DescribeServices", looks: true, once: empty, silent: []account.FaultKind{
		account.FaultHalf, account.FaultRepeat, account.FaultMissing, account.FaultFailure, account.FaultStale, account.FaultSkew, account.FaultUnknown}},
	{op: "ecs:DescribeTasks", looks: true, once: empty, silent: []account.FaultKind{
		account.FaultHalf, account.FaultRepeat, account.FaultMissing, account.FaultFailure, account.FaultStale, account.FaultSkew, account.FaultUnknown}},
	{op: "ecs:DescribeTaskDefinition", silent: []account.FaultKind{account.FaultMissing, account.FaultSkew, account.FaultUnknown}},
	{op: "logs:GetLogEvents", silent: []account.FaultKind{account.FaultEmpty, account.FaultHalf, account.FaultUnknown}},
	{op: "cloudwatch:DescribeAlarms", silent: lists, once: empty},
	{op: "cloudwatch:ListTagsForResource", silent: []account.FaultKind{account.FaultEmpty, account.FaultStale, account.FaultUnknown}},
	{op: "sns:GetTopicAttributes"},
	{op: "cloudwatch:PutMetricAlarm", void: true},
	{op: "cloudwatch:TagResource", void: true},
	{op: "cloudwatch:PutMetricData", void: true},
	{op: "ecs:DescribeClusters", silent: []account.FaultKind{account.FaultEmpty, account.FaultUnknown}}, // once an hour: no older answer to give again
	{op: "cloudwatch:ListMetrics", silent: []account.FaultKind{account.FaultEmpty, account.FaultHalf, account.FaultNoToken, account.FaultRepeat, account.FaultUnknown}},
	{op: "cloudwatch:GetMetricData", silent: []account.FaultKind{account.FaultEmpty, account.FaultRepeat, account.FaultUnknown}},
	{op: "sts:AssumeRole"},
}

// notLoops are operations of the table that the loop does not make: scan's, those of a rollout, the one of mode sync alone
// (alarms_test.go), and the one that is asked before the loop begins (overlap_test.go).
var notLoops = []string{"cloudwatch:DeleteAlarms", "ecs:ListServiceDeployments", "ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions", "logs:DescribeLogStreams",
	"ecs:ListTaskDefinitions", "ecs:RegisterTaskDefinition", "ecs:UpdateService", "ecs:StopServiceDeployment", "cloudformation:DescribeStackResources", "ecr:BatchGetImage",
	"sts:GetCallerIdentity"}

// The matrix knows every operation of the table.
func TestFaultMatrixIsWhole(t *testing.T) {
	for _, o := range cloud.Operations() {
		in := slices.ContainsFunc(faultables, func(f faultable) bool { return f.op == o.String() })
		if in == slices.Contains(notLoops, o.String()) {
			t.Errorf("%s is in the matrix: %t; an operation belongs there or among the others", o, in)
		}
	}
}

// Whatever goes wrong with any operation at any moment of an incident: every stop is recorded once and counted once,
// nothing is resolved, deleted or said to be gone because of it, the process goes on, and what is wrong is named.
func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	for _, m := range moments {
		cell(t, m, "no fault", faultable{}, account.Fault{Ops: []string{"none:*"}, Kind: account.Fault500}, false)
		for _, f := range faultables {
			for _, kind := range loud {
				cell(t, m, f.op+" "+string(kind), f, account.Fault{Ops: []string{f.op}, Kind: kind}, !f.void || !slices.Contains(spoilt, kind))
			}
			for _, kind := range f.silent {
				cell(t, m, f.op+" "+string(kind), f, account.Fault{Ops: []string{f.op}, Kind: kind}, false)
			}
			for _, kind := range f.once {
				cell(t, m, f.op+" "+string(kind)+" once", f, account.Fault{Ops: []string{f.op}, Kind: kind, Calls: 1}, false)
			}
		}
	}
}

// inRace is the share of cells, one in so many, that run under the race detector: it looks for races, and those the
// cells have in common. `make test` runs every cell without it as well.
const inRace = 6

func cell(t *testing.T, m moment, name string, f faultable, fault account.Fault, isLoud bool) {
	if raceDetector && crc32.ChecksumIEEE([]byte(name+m.name))%inRace != 0 {
		return
	}
	t.Run(name+" "+m.name, func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T) {
			scenario, err := account.ParseScenario([]byte(faultStory+m.timeline), nil)
			if err != nil {
				t.Fatal(err)
			}
			c := faultCell{world: newWorld(t, scenario), t: t, op: f.op, fault: fault, m: m, loud: isLoud, blinding: isLoud && f.looks}
			c.clusters = c.blinding && f.op != "ecs:ListClusters" // a service resolves on a whole view of its cluster
			if f.op == "" {
				c.fault.Kind, c.fault.Ops = account.FaultUnknown, []string{"ecs:ListClusters"} // harmless, so that the cell shows something
			}
			if f.op == "sts:AssumeRole" { // whose credentials last a quarter of an hour
				c.m.lasts = 25 * time.Minute
			}
			if f.op == "cloudwatch:GetMetricData" { // which is only asked when a put is in doubt
				c.extra = []account.Fault{{Ops: []string{"cloudwatch:PutMetricData"}, Kind: account.FaultCut}}
			}
			c.play()
		})
	})
}
