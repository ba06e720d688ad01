package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// finding is what a linter says of a template.
type finding struct{ Linter, Check, Resource string }

// accepted is deploy/accepted.yaml.
func accepted(t *testing.T, linter string) map[finding]bool {
	t.Helper()
	var rows []struct{ Linter, Check, Resource, Reason string }
	if err := yaml.UnmarshalWithOptions(file(t, "deploy/accepted.yaml"), &rows, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	out := map[finding]bool{}
	for _, r := range rows {
		if len(r.Reason) < 20 {
			t.Errorf("%s %s is accepted without a reason", r.Check, r.Resource)
		}
		if r.Linter == linter {
			out[finding{r.Linter, r.Check, r.Resource}] = true
		}
	}
	return out
}

// tool finds a linter where make puts it, and runs it in deploy/.
func tool(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(root, "bin", name, "bin", name)
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%s, which reads the templates, is not installed: make bin/%s", name, name)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = filepath.Join(root, "deploy")
	cmd.Env = append(os.Environ(), "LOG_LEVEL=ERROR", "BC_API_KEY=", "CKV_DISABLE_TELEMETRY=true")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output() // findings end it with another code than 0
	if len(out) == 0 {
		t.Fatalf("%s says nothing: %v %s", name, err, said.String())
	}
	return out
}

// compare holds what was found against what is accepted, both ways.
func compare(t *testing.T, linter string, found map[finding]string) {
	t.Helper()
	want := accepted(t, linter)
	for f, says := range found {
		if !want[f] {
			t.Errorf("%s %s: %s", f.Check, f.Resource, says)
		}
	}
	for f := range want {
		if _, ok := found[f]; !ok {
			t.Errorf("%s %s is accepted in deploy/accepted.yaml and not found any more", f.Check, f.Resource)
		}
	}
}

// The templates are good CloudFormation: types, values, references, resource schemas.
func TestCfnLint(t *testing.T) {
	t.Parallel()
	var says []struct {
		Filename, Message string
		Rule              struct{ ID string }
		Location          struct{ Path []any }
	}
	if err := json.Unmarshal(tool(t, "cfn-lint", "--format", "json", "ops.yaml", "member.yaml"), &says); err != nil {
		t.Fatal(err)
	}
	found := map[finding]string{}
	for _, s := range says {
		var path []string
		for _, p := range s.Location.Path[:min(2, len(s.Location.Path))] {
			path = append(path, p.(string))
		}
		found[finding{"cfn-lint", s.Rule.ID, s.Filename + " " + strings.Join(path, "/")}] = s.Message
	}
	compare(t, "cfn-lint", found)
}

// The templates are safe by the rules of a security linter.
func TestCheckov(t *testing.T) {
	t.Parallel()
	var says struct {
		Results struct {
			Passed []any `json:"passed_checks"`
			Failed []struct {
				Check    string `json:"check_id"`
				Name     string `json:"check_name"`
				File     string `json:"file_path"`
				Resource string `json:"resource"`
			} `json:"failed_checks"`
			Unread []any `json:"parsing_errors"`
		} `json:"results"`
		Summary struct {
			Passed int `json:"passed"`
			Errors int `json:"parsing_errors"`
		} `json:"summary"`
	}
	if err := json.Unmarshal(tool(t, "checkov", "--framework", "cloudformation", "-f", "ops.yaml", "-f", "member.yaml", "--compact", "--skip-download", "-o", "json"), &says); err != nil {
		t.Fatal(err)
	}
	if says.Summary.Passed < 20 || says.Summary.Errors > 0 {
		t.Errorf("%d checks passed, %d files could not be read", says.Summary.Passed, says.Summary.Errors)
	}
	found := map[finding]string{}
	for _, f := range says.Results.Failed {
		found[finding{"checkov", f.Check, strings.TrimPrefix(f.File, "/") + " " + f.Resource[strings.LastIndexByte(f.Resource, '.')+1:]}] = f.Name
	}
	compare(t, "checkov", found)
}
