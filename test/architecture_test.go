// Package test holds what is tested from outside: the architecture, and the whole binary against the simulated account.
package test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the import path's head.
const module = "taskwarden/"

// arrows says which packages of ours each package may import. A package that is not here is new: give it a place.
var arrows = map[string][]string{
	"contain":                  {}, // below everything, the stores too: no goroutine starts without it
	"reconciler/regex":         {},
	"reconciler/mask":          {"reconciler/regex"},
	"reconciler/fleet":         {"reconciler/mask"},
	"reconciler/finding":       {"reconciler/fleet"},
	"reconciler/churn":         {"reconciler/regex", "reconciler/mask", "reconciler/fleet", "reconciler/finding"},
	"reconciler/otel":          {"reconciler/fleet", "reconciler/finding"},
	"reconciler/template":      {"reconciler/fleet"},
	"reconciler/alarm":         {"reconciler/fleet", "reconciler/finding"},
	"reconciler/rollout":       {"reconciler/mask", "reconciler/fleet", "reconciler/finding", "reconciler/churn", "reconciler/otel", "reconciler/alarm"},
	"reconciler/export":        {"reconciler/fleet", "reconciler/otel", "reconciler/rollout"},
	"reconciler/scan":          {"reconciler/fleet", "reconciler/finding", "reconciler/churn", "reconciler/otel", "reconciler/alarm"},
	"reconciler/cloud":         {"contain", "reconciler/mask", "reconciler/fleet", "reconciler/alarm"},
	"reconciler/registry":      {"reconciler/fleet"},
	"reconciler/permission":    {"reconciler/cloud"},
	"reconciler/recording":     {"contain", "reconciler/mask", "reconciler/fleet", "reconciler/finding", "reconciler/churn", "reconciler/alarm"},
	"reconciler":               {"contain", "reconciler/fleet", "reconciler/finding", "reconciler/churn", "reconciler/otel", "reconciler/alarm", "reconciler/rollout", "reconciler/recording", "store", "store/memory"},
	"store":                    {},
	"store/bolt":               {"contain", "store"},
	"store/memory":             {"store"},
	"store/lease":              {"contain"},
	"store/dynamodb":           {"contain", "store", "store/lease"},
	"store/storetest":          {"store"},
	"console":                  {"contain", "reconciler", "reconciler/fleet", "reconciler/finding", "reconciler/churn", "reconciler/alarm", "reconciler/rollout", "reconciler/export"},
	"cmd/controller/config":    {"", "reconciler/fleet", "reconciler/mask"},
	"test/faulty":              {},
	"test/peer":                {},
	"test/account/wire":        {},
	"test/account/cloudwatch":  {"test/account/wire"},
	"test/account":             {"test/account/wire", "test/account/cloudwatch"},
	"test/account/cmd/account": {"test/account"},
	"test/judgement":           {"reconciler", "reconciler/fleet", "reconciler/finding", "reconciler/churn"},
	"":                         {},
}

// pure packages decide: values in, values out. They know no clock, no context, no I/O and no log.
var pure = []string{"reconciler/regex", "reconciler/mask", "reconciler/fleet", "reconciler/finding", "reconciler/churn", "reconciler/otel", "reconciler/template", "reconciler/alarm", "reconciler/scan", "reconciler/rollout", "reconciler/export"}

// impure are the imports that would end that.
var impure = []string{"context", "net", "net/http", "os", "log", "log/slog", "sync", "go.uber.org/zap"}

// clock are the functions of package time that read or wait for the clock.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

type pkg struct {
	dir     string
	imports []string
	files   []*ast.File
}

// packages parses every package of the repository, without its tests.
func packages(t *testing.T) []pkg {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	var out []pkg
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
			return filepath.SkipDir
		}
		b, err := build.ImportDir(path, 0)
		if err != nil || len(b.GoFiles) == 0 {
			return nil // no Go here, or tests only
		}
		rel, _ := filepath.Rel(root, path)
		p := pkg{dir: strings.TrimPrefix(filepath.ToSlash(rel), "."), imports: b.Imports}
		for _, name := range b.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(path, name), nil, parser.ParseComments)
			if err != nil {
				return err
			}
			p.files = append(p.files, f)
		}
		out = append(out, p)
		return nil
	})
	if err != nil || len(out) < 8 {
		t.Fatalf("found %d packages: %v", len(out), err)
	}
	return out
}

func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		if p.dir == "cmd/controller" || strings.HasPrefix(p.dir, "test/demo") {
			continue // wiring sees everything below it
		}
		allowed, known := arrows[p.dir]
		if !known {
			t.Errorf("package %q has no place in the arrows of this test", p.dir)
			continue
		}
		for _, imp := range p.imports {
			ours, is := strings.CutPrefix(imp, module)
			if imp == strings.TrimSuffix(module, "/") {
				ours, is = "", true
			}
			if is && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s: not among its arrows %q", p.dir, imp, allowed)
			}
		}
	}
}

func TestOnlyCloudKnowsTheSDK(t *testing.T) {
	for _, p := range packages(t) {
		// store/dynamodb is an engine: that DynamoDB is AWS too is its own affair, and it knows nothing else of AWS.
		if p.dir == "reconciler/cloud" || p.dir == "store/dynamodb" || p.dir == "cmd/controller" || strings.HasPrefix(p.dir, "test/") {
			continue
		}
		for _, imp := range p.imports {
			if strings.HasPrefix(imp, "github.com/aws/") {
				t.Errorf("%s imports %s: only reconciler/cloud talks to AWS", p.dir, imp)
			}
		}
	}
}

func TestPurePackagesKnowNoWorld(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.dir) {
			continue
		}
		for _, imp := range p.imports {
			if slices.Contains(impure, imp) {
				t.Errorf("%s imports %s: it decides, so it takes values and gives values", p.dir, imp)
			}
		}
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, sel.Sel.Name) {
					t.Errorf("%s calls time.%s: `now` is an argument there", p.dir, sel.Sel.Name)
				}
				return true
			})
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		documented := slices.ContainsFunc(p.files, func(f *ast.File) bool { return f.Doc != nil })
		if !documented {
			t.Errorf("package %q has no package comment", p.dir)
		}
	}
}
