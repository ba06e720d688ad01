package permission

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/cloud"
)

var update = flag.Bool("update", false, "write docs/permissions.md's table anew")

// Every row of the operation table is described here, and nothing else is.
func TestEveryOperationIsDescribed(t *testing.T) {
	for _, o := range cloud.Operations() {
		i := slices.IndexFunc(rows, func(n Need) bool { return n.Operation == o.String() && n.Action == "" })
		if i < 0 && o.Class != cloud.Access {
			t.Errorf("%s has no row in need.go: say which modes need it, why, and what is lost without", o)
		}
	}
	sids := map[string]bool{}
	for _, g := range grants {
		if sids[g.sid] || !regexp.MustCompile(`^[A-Za-z0-9]+$`).MatchString(g.sid) {
			t.Errorf("Sid %q: twice, or not of letters and digits alone (IAM, Sid)", g.sid)
		}
		sids[g.sid] = true
	}
	for _, n := range rows {
		if !slices.ContainsFunc(cloud.Operations(), func(o cloud.Operation) bool { return o.String() == n.Operation }) {
			t.Errorf("%s is no operation any more", n.Operation)
		}
		if n.Why == "" || n.Without == "" || len(n.Modes) == 0 || !sids[n.statement] {
			t.Errorf("%+v is not whole", n)
		}
	}
}

// A row that is new in the operation table is granted by its class, so that nothing is denied in silence.
func TestANewOperationIsGrantedByItsClass(t *testing.T) {
	operations := append(cloud.Operations(), cloud.Operation{Service: "sqs", Name: "ReceiveMessage", Action: "sqs:ReceiveMessage", Class: cloud.Read})
	p := document(Scope{}, slices.DeleteFunc(needs(rows, operations), func(n Need) bool { return !n.In(Observe) }))
	last := p.Statement[len(p.Statement)-1]
	if d := cmp.Diff(Statement{Sid: anything, Effect: "Allow", Action: []string{"sqs:ReceiveMessage"}, Resource: []string{"*"}}, last); d != "" {
		t.Error(d)
	}
}

// changing are the verbs by which AWS names what changes something.
var changing = regexp.MustCompile(`:(Put|Delete|Create|Update|Register|Deregister|Tag|Untag|Start|Stop|Run|Set|Enable|Disable|Execute|Pass|Attach|Detach|Modify|Add|Remove|Publish|Send)`)

// classOf are the classes that a mode may have calls of.
var classOf = map[Mode][]cloud.Class{
	Scan: {cloud.Read, cloud.Evidence}, Observe: {cloud.Read, cloud.Metrics}, Evidence: {cloud.Read, cloud.Metrics, cloud.Evidence},
	Alarms: {cloud.Read, cloud.Metrics, cloud.Alarms}, Remediate: {cloud.Read, cloud.Metrics, cloud.Remediate},
}

// A name that changes something is of a class that has to be switched on, and each mode holds those of its classes alone:
// neither a wrong class in the operation table nor a wrong mode here gives observe a write too many.
func TestNoModeWritesMoreThanItsName(t *testing.T) {
	class := map[string]cloud.Class{}
	for _, o := range cloud.Operations() {
		class[o.String()] = o.Class
		if writes := changing.MatchString(":" + o.Name); writes != slices.Contains([]cloud.Class{cloud.Metrics, cloud.Alarms, cloud.Remediate}, o.Class) && o.Class != cloud.Access {
			t.Errorf("%s changes something: %t, and its class is %s", o, writes, o.Class)
		}
	}
	for _, m := range Modes() {
		for _, n := range For(m) {
			if !slices.Contains(classOf[m], class[n.Operation]) {
				t.Errorf("%s has %s, of the class %s", m, n.Action, class[n.Operation])
			}
		}
	}
	for m, want := range map[Mode][]string{Scan: nil, Observe: {"cloudwatch:PutMetricData"}, Evidence: {"cloudwatch:PutMetricData"}} {
		got := slices.DeleteFunc(Document(Scope{}, m).Actions(), func(a string) bool { return !changing.MatchString(a) })
		if !slices.Equal(got, want) {
			t.Errorf("%s may change by %v, want %v", m, got, want)
		}
	}
}

func TestScopeNarrows(t *testing.T) {
	s := Scope{Partition: "aws-cn", Clusters: []string{"prod"}, LogGroups: []string{"/ecs/*", "/app"}, PassRoles: []string{"arn:aws-cn:iam::111122223333:role/tasks/*"},
		TargetRoles: []string{"arn:aws-cn:iam::*:role/taskwarden-observe"}}
	p := Document(s, Evidence, Remediate)
	want := map[string]string{
		"AssumeTargetRoles":  "[sts:AssumeRole] [arn:aws-cn:iam::*:role/taskwarden-observe] map[]",
		"ReadLastLogLines":   "[logs:GetLogEvents] [arn:aws-cn:logs:*:*:log-group:/ecs/*:log-stream:* arn:aws-cn:logs:*:*:log-group:/app:log-stream:*] map[]",
		"PassTaskRolesToEcs": "[iam:PassRole] [arn:aws-cn:iam::111122223333:role/tasks/*] map[StringEquals:map[iam:PassedToService:[ecs-tasks.amazonaws.com]]]",
		"DeployTheFix":       "[ecs:StopServiceDeployment ecs:UpdateService] [arn:aws-cn:ecs:*:*:service/prod/* arn:aws-cn:ecs:*:*:service-deployment/prod/*] map[]",
		"PutOwnMetrics":      "[cloudwatch:PutMetricData] [*] map[StringEquals:map[cloudwatch:namespace:[TaskWarden]]]",
	}
	got := map[string]string{}
	for _, st := range p.Statement {
		if want[st.Sid] != "" {
			got[st.Sid] = fmt.Sprintf("%v %v %v", st.Action, st.Resource, st.Condition)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if text, _ := json.Marshal(p); strings.Contains(string(text), "arn:aws:") || len(text) > 6144 {
		t.Errorf("%d bytes (a managed policy takes 6,144): %s", len(text), text)
	}
}

// docs/permissions.md has one row for each action, as described here.
func TestDocumentedTable(t *testing.T) {
	const file, begin, end = "../../docs/permissions.md", "<!-- table: go test ./reconciler/permission -update -->\n", "<!-- end -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	table, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no table between %q and %q", file, begin, end)
	}
	want := "| action | modes | why | without it |\n| --- | --- | --- | --- |\n"
	for _, n := range Needs() {
		var modes []string
		for _, m := range n.Modes {
			modes = append(modes, string(m))
		}
		want += fmt.Sprintf("| `%s` | %s | %s | %s |\n", n.Action, strings.Join(modes, ", "), n.Why, n.Without)
	}
	if *update {
		if err := os.WriteFile(file, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, table); d != "" {
		t.Errorf("%s (-want +has); `go test ./reconciler/permission -update` writes it:\n%s", file, d)
	}
}
