package conformance

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// root is the repository's: the next directory up with a go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("no go.mod in any directory above")
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal(err)
	return ""
}

// within asks again and again whether something has come true.
func within(t *testing.T, d time.Duration, is func() bool) bool {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(d); time.Now().Before(deadline); {
		if is() {
			return true
		}
		<-tick.C
	}
	return false
}
