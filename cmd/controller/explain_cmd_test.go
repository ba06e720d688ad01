package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// explain runs the verb in process.
func explain(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	a := &app{stdin: strings.NewReader(stdin), stdout: &out, stderr: &errOut, env: func(string) (string, bool) { return "", false }}
	root := &cobra.Command{Use: "taskwarden", SilenceErrors: true, SilenceUsage: true}
	a.addFlags(root)
	root.AddCommand(newExplainCmd(a))
	markVerbs(root)
	root.SetArgs(append([]string{"explain"}, args...))
	cmd, err := root.ExecuteContextC(t.Context())
	if err == nil {
		return result{0, out.String(), errOut.String()}
	}
	err = usageUnlessVerb(err)
	printError(&errOut, err, cmd.CommandPath())
	return result{exitCode(err), out.String(), errOut.String()}
}

const twoTasks = `{"tasks":[
  {"taskArn":"arn:aws:ecs:us-east-1:111122223333:task/c/t1","group":"service:web","lastStatus":"STOPPED","stopCode":"EssentialContainerExited","stoppedReason":"Essential container in task exited",
   "containers":[{"name":"app","lastStatus":"STOPPED","exitCode":143},{"name":"cwagent","lastStatus":"STOPPED","exitCode":2}]},
  {"taskArn":"arn:aws:ecs:us-east-1:111122223333:task/c/t2","group":"service:web","lastStatus":"RUNNING","desiredStatus":"RUNNING"}]}
`

func TestExplainLines(t *testing.T) {
	in := twoTasks + "garbage\n" + `{"id":"x","logs":{"cwagent":["token=hunter2","fatal error: concurrent map writes"]}}` + "\n" + `{"id":"y","task":null}` + "\n"
	got := explain(t, in, "-o", "jsonl", "-")
	if got.code != exitFailed || !strings.Contains(got.errOut, "left out 1 task(s) that have not stopped") || !strings.Contains(got.errOut, "2 document(s)") {
		t.Errorf("exit %d, stderr %q", got.code, got.errOut)
	}
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines:\n%s", len(lines), got.out)
	}
	if want := `{"taskArn":"arn:aws:ecs:us-east-1:111122223333:task/c/t1","planned":false,"cause":"essential_container_exited","culprit":{"container":"cwagent","exitCode":2},"sidecar":true,"signatures":[],"confidence":"high","evidence":["rule essential-exit:`; !strings.HasPrefix(lines[0], want) {
		t.Errorf("first line\n got %s\nwant %s…", lines[0], want)
	}
	if !strings.HasPrefix(lines[1], `{"line":5,"error":"`) || !strings.HasPrefix(lines[3], `{"id":"y","error":"`) {
		t.Errorf("errors: %s, %s", lines[1], lines[3])
	}
	if want := `"culprit":null,"sidecar":false,"signatures":[{"container":"cwagent","name":"go-concurrent-map-writes","fatal":true,"line":"fatal error: concurrent map writes"}],"confidence":"low"`; !strings.Contains(lines[2], want) || strings.Contains(got.out, "hunter2") {
		t.Errorf("logs only: %s", lines[2])
	}
}

func TestExplainFormats(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tasks.json")
	if err := os.WriteFile(file, []byte(twoTasks), 0o600); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Items []struct{ Cause, Confidence string }
	}
	got := explain(t, "", "-o", "json", file)
	if err := json.Unmarshal([]byte(got.out), &doc); err != nil || got.code != 0 || len(doc.Items) != 1 || doc.Items[0].Cause != "essential_container_exited" {
		t.Errorf("json: exit %d, %v\n%s", got.code, err, got.out)
	}
	if got := explain(t, "", "-o", "yaml", file); got.code != 0 || !strings.Contains(got.out, "cause: essential_container_exited") {
		t.Errorf("yaml: %+v", got)
	}
	want := "TASK  PLANNED  CAUSE                       CULPRIT  EXIT  SIDECAR  SIGNATURE  CONFIDENCE\n" +
		"t1    false    essential_container_exited  cwagent  2     true     -          high\n"
	if d := cmp.Diff(want, explain(t, "", "-o", "table", file).out); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
	if got := explain(t, "", "-o", "wide", file); !strings.Contains(got.out, "rule essential-exit") {
		t.Errorf("wide: %s", got.out)
	}
	if got := explain(t, "", "-o", "json"); got.code != 0 || strings.Join(strings.Fields(got.out), "") != `{"items":[]}` {
		t.Errorf("nothing: %+v", got)
	}
}

func TestExplainArguments(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	text := "apiVersion: taskwarden/v1\nkind: ControllerConfig\ndetect:\n  sidecars: [corp-*]\n  signatures: [{name: licence, pattern: licence expired, fatal: true}]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in := `{"id":"a","task":{"taskArn":"t","group":"service:w","stopCode":"EssentialContainerExited","containers":[{"name":"app","exitCode":143},{"name":"corp-agent","exitCode":1}]},"logs":{"corp-agent":["licence expired"]}}`
	got := explain(t, in, "-o", "jsonl", "--config", config)
	if got.code != 0 || !strings.Contains(got.out, `"sidecar":true`) || !strings.Contains(got.out, `"name":"licence"`) {
		t.Errorf("with a configuration: %+v", got)
	}
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"a", "b"}, exitUsage},
		{[]string{"--config", "-"}, exitUsage},
		{[]string{"/nowhere/tasks.json"}, exitFailed},
		{[]string{"--config", "/nowhere/config.yaml"}, exitConfig},
		{[]string{"--fail-on", "warning"}, exitUsage},
	} {
		if got := explain(t, "", c.args...); got.code != c.code {
			t.Errorf("explain %q: exit %d, want %d: %s", c.args, got.code, c.code, got.errOut)
		}
	}
}
