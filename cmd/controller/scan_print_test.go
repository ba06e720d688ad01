package main

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/scan"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; if that is meant, run with -update (-want +got):\n%s", name, diff)
	}
}

func TestScanGoldens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := opened(t, scenario(t, "incident", map[string]string{"history": "48h"}))
		golden(t, "scan-incident.txt", scanned(t, w, "-o", "table").out)
	})
	synctest.Test(t, func(t *testing.T) {
		w := opened(t, scenario(t, "incident", map[string]string{"history": "48h"}))
		golden(t, "scan-incident.json", scanned(t, w, "-o", "json").out)
	})
}

// TestScanIsDocumented: every field of the document is explained.
func TestScanIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/scan.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(v reflect.Type) {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct || v == reflect.TypeFor[time.Time]() || seen[v] {
			return
		}
		seen[v] = true
		for i := range v.NumField() {
			f := v.Field(i)
			if !f.IsExported() {
				continue
			}
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" && !strings.Contains(string(text), "`"+name+"`") && !strings.Contains(string(text), "`"+name+"[]`") {
				t.Errorf("docs/scan.md does not explain %s of %s", name, v)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[scan.Report]())
	if len(seen) < 10 {
		t.Errorf("only %d types", len(seen))
	}
}
