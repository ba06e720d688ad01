package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sdk is where the types of AWS's answers live.
const sdk = "github.com/aws/aws-sdk-go-v2/service/"

// fields is a set of fields of the SDK's types: "ecs/types.Service.ServiceArn".
type fields map[string]bool

// bySDK are fields that the SDK reads for the product: its paginators the tokens, its credentials provider the credentials.
var bySDK = []string{
	"ecs.ListClustersOutput.NextToken", "ecs.ListServicesOutput.NextToken", "ecs.ListTasksOutput.NextToken",
	"cloudwatch.DescribeAlarmsOutput.NextToken", "cloudwatch.GetMetricDataOutput.NextToken", "cloudwatch.ListMetricsOutput.NextToken",
	"sts.AssumeRoleOutput.Credentials", "sts.AssumeRoleOutput.AssumedRoleUser", "sts/types.AssumedRoleUser.Arn",
	"sts/types.Credentials.AccessKeyId", "sts/types.Credentials.SecretAccessKey", "sts/types.Credentials.SessionToken", "sts/types.Credentials.Expiration",
	"sts.GetCallerIdentityOutput.Account", "sts.GetCallerIdentityOutput.Arn", // which account the ambient credentials are of
}

// inUnions are fields of members of unions, which the SDK has as interfaces: none is reached by an answer's type. MiniStack has
// neither PromQL alarms nor windows by the clock, so there is nothing to compare them with.
var inUnions = []string{
	"cloudwatch/types.EvaluationCriteriaMemberPromQLCriteria.Value", "cloudwatch/types.AlarmPromQLCriteria.Query",
	"cloudwatch/types.EvaluationWindowMemberWallClockWindow.Value", "cloudwatch/types.WallClockWindow.Timezone",
}

// mapped finds, by type-checking package cloud, every field of the SDK's types that it reads. So a field that is mapped
// tomorrow is compared tomorrow, or fails here.
func mapped(t *testing.T) fields {
	t.Helper()
	listed := compiled(t, "taskwarden/reconciler/cloud")
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range listed.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(listed.Dir, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	exported := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(listed.exports[path]) })
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
	if _, err := (&types.Config{Importer: exported}).Check(listed.ImportPath, fset, files, info); err != nil {
		t.Fatal(err)
	}
	found := fields{}
	for _, s := range info.Selections {
		if owner := ownerOf(s); owner != "" {
			found[owner+"."+s.Obj().Name()] = true
		}
	}
	if len(found) < 80 {
		t.Fatalf("package cloud reads only %d fields of the SDK's types: the search is broken", len(found))
	}
	for _, f := range bySDK {
		found[f] = true
	}
	for _, f := range inUnions {
		if !found[f] {
			t.Errorf("package cloud does not read %s: take it out of the list", f)
		}
		delete(found, f)
	}
	return found
}

// ownerOf names the SDK's type that a field was selected from; "" where it is none, a request's or a client's options.
func ownerOf(s *types.Selection) string {
	if s.Kind() != types.FieldVal {
		return ""
	}
	from := s.Recv()
	if p, ok := from.(*types.Pointer); ok {
		from = p.Elem()
	}
	named, ok := from.(*types.Named)
	if !ok || named.Obj().Pkg() == nil || strings.HasSuffix(named.Obj().Name(), "Input") || named.Obj().Name() == "Options" {
		return ""
	}
	if path, ok := strings.CutPrefix(named.Obj().Pkg().Path(), sdk); ok && !strings.Contains(named.Obj().Name(), "Paginator") {
		return path + "." + named.Obj().Name()
	}
	return ""
}

type listing struct {
	Dir, ImportPath string
	GoFiles         []string
	exports         map[string]string // where the compiler put each dependency's types
}

// compiled has the go command compile the package's dependencies, which it has done for this test already.
func compiled(t *testing.T, pkg string) listing {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=Dir,ImportPath,GoFiles,Export", pkg)
	var errs bytes.Buffer
	cmd.Dir, cmd.Stderr = root(t), &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, errs.String())
	}
	var last listing
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			listing
			Export string
		}
		switch err := d.Decode(&p); err {
		case nil:
			exports[p.ImportPath], last = p.Export, p.listing // the package itself comes last
		case io.EOF:
			last.exports = exports
			return last
		default:
			t.Fatal(fmt.Errorf("read go list: %w", err))
		}
	}
}
