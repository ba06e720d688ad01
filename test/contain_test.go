package test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// uncontained are the places outside of package contain that may start a goroutine, or have a library start one, with why.
var uncontained = map[string]string{
	"cmd/controller main: AfterFunc": "it calls os/signal's own stop",
	"cmd/controller String: Go":      "a field: the version of Go",
	"reconciler job: FuncJob":        "it contains the job",
}

// goroutines lists what in a file starts a goroutine that no containment surrounds: go statements, the Go of sync.WaitGroup and
// of errgroup (they take a function alone, where package contain's take a place first), functions for timers and for cron.
func goroutines(f *ast.File) []string {
	var out []string
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		name := "a variable"
		if ok {
			name = fn.Name.Name
		}
		contained := map[ast.Node]bool{} // selectors that are called as package contain's are
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				out = append(out, name+": go")
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Go" && len(n.Args) >= 3 {
					contained[sel] = true
				}
			case *ast.SelectorExpr:
				starts := slices.Contains([]string{"Go", "TryGo", "AfterFunc", "AddFunc", "AddJob", "FuncJob", "DoChan"}, n.Sel.Name)
				if starts && !contained[n] {
					out = append(out, name+": "+n.Sel.Name)
				}
			}
			return true
		})
	}
	for _, imp := range f.Imports {
		if strings.Trim(imp.Path.Value, `"`) == "golang.org/x/sync/errgroup" {
			out = append(out, "import errgroup")
		}
	}
	return out
}

// A panic in a goroutine that nothing contains ends the process, and every other target's watch with it.
func TestEveryGoroutineIsContained(t *testing.T) {
	used := map[string]bool{}
	for _, p := range packages(t) {
		if p.dir == "contain" || strings.HasPrefix(p.dir, "test") || strings.HasSuffix(p.dir, "storetest") {
			continue
		}
		for _, f := range p.files {
			for _, found := range goroutines(f) {
				place := p.dir + " " + found
				used[place] = true
				if uncontained[place] == "" {
					t.Errorf("%s: a panic there ends the process. Start it with package contain", place)
				}
			}
		}
	}
	for place, why := range uncontained {
		if !used[place] {
			t.Errorf("nothing is at %q any more (%s)", place, why)
		}
	}
}

// The test above can fail: each of these starts a goroutine that nothing contains.
func TestUncontainedGoroutinesAreFound(t *testing.T) {
	for _, body := range []string{
		"go f()", "go func() { f() }()", "var wg sync.WaitGroup; wg.Go(f)", "g := errgroup.Group{}; g.Go(func() error { return nil })",
		"g.TryGo(f)", "run := wg.Go; run(f)", "time.AfterFunc(d, f)", "context.AfterFunc(ctx, f)", "c.AddFunc(s, f)", "cron.FuncJob(f)",
		"defer func() { go f() }()", "x := func() { go f() }; x()",
	} {
		if found := goroutines(parsed(t, body)); len(found) == 0 {
			t.Errorf("not found: %s", body)
		}
	}
	for _, body := range []string{"contain.Go(contain.Log, key, f, nil)", "group.Go(contain.Look, name, f, done)", "group.Keep(ctx, contain.Loop, name, f, nil)", "f()"} {
		if found := goroutines(parsed(t, body)); len(found) > 0 {
			t.Errorf("%s: found %v", body, found)
		}
	}
}

func parsed(t *testing.T, body string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", fmt.Sprintf("package x\nfunc y() {\n%s\n}\n", body), 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// calm are the calls between a Lock and its Unlock that cannot panic.
var calm = []string{"delete", "append", "len", "cap", "min", "max", "make", "Unlock", "RUnlock", "Clone", "Now", "now", "Add", "Sub", "Err", "DeleteFunc"}

// heldLocks lists the locks of a file whose Unlock is not deferred although something between them may panic: a panic that is
// contained would leave them locked for ever.
func heldLocks(f *ast.File) []string {
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		var body []ast.Stmt
		switch n := n.(type) {
		case *ast.BlockStmt:
			body = n.List
		case *ast.CaseClause:
			body = n.Body
		case *ast.CommClause:
			body = n.Body
		}
		for i, stmt := range body {
			on := lockOf(stmt)
			if on == "" {
				continue
			}
			if unlocksLater(body[i+1:]) {
				continue
			}
			for _, between := range body[i+1:] {
				if risk := riskIn(between); risk != "" {
					out = append(out, on+" while "+risk+" is called")
				}
				if unlocks(between) {
					break
				}
			}
		}
		return true
	})
	return out
}

func lockOf(s ast.Stmt) string {
	e, ok := s.(*ast.ExprStmt)
	if !ok {
		return ""
	}
	if c, ok := e.X.(*ast.CallExpr); ok {
		if sel, ok := c.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Lock" || sel.Sel.Name == "RLock") {
			return nameOf(sel)
		}
	}
	return ""
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	}
	return "?"
}

// unlocksLater reports whether the statement after a Lock defers its Unlock, also in a function.
func unlocksLater(after []ast.Stmt) bool {
	if len(after) == 0 {
		return false
	}
	d, ok := after[0].(*ast.DeferStmt)
	return ok && unlocks(d)
}

func unlocks(n ast.Node) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && strings.HasSuffix(sel.Sel.Name, "Unlock") {
			found = true
		}
		return true
	})
	return found
}

func riskIn(n ast.Node) (risk string) {
	ast.Inspect(n, func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := nameOf(c.Fun)
		if i := strings.LastIndex(name, "."); !slices.Contains(calm, name[i+1:]) {
			risk = name
		}
		return true
	})
	return risk
}

// A contained panic must not leave a lock behind: whoever takes it next would wait for ever.
func TestNoPanicLeavesALockBehind(t *testing.T) {
	for _, p := range packages(t) {
		if strings.HasPrefix(p.dir, "test") || strings.HasSuffix(p.dir, "storetest") {
			continue
		}
		for _, f := range p.files {
			for _, held := range heldLocks(f) {
				t.Errorf("%s holds %s: defer its Unlock", p.dir, held)
			}
		}
	}
}

// The test above can fail.
func TestLocksLeftBehindAreFound(t *testing.T) {
	if held := heldLocks(parsed(t, "m.mu.Lock()\nx := f(y)\nm.mu.Unlock()\nuse(x)")); len(held) != 1 {
		t.Errorf("found %v", held)
	}
	for _, body := range []string{"m.mu.Lock()\ndefer m.mu.Unlock()\nf()", "m.mu.Lock()\nx := m.all[k]\nm.mu.Unlock()\nf(x)"} {
		if held := heldLocks(parsed(t, body)); len(held) > 0 {
			t.Errorf("%s: found %v", body, held)
		}
	}
}
