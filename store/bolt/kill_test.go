package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"taskwarden/store"
)

const (
	childWorkers = 4
	childItems   = 5 // items that each commit of a worker adds beside its counter
)

// child commits for ever, from several goroutines, and says each commit on
// standard output once it was acknowledged.
func child(dir string) int {
	s, err := Open(dir, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var wg sync.WaitGroup
	for w := range childWorkers {
		wg.Go(func() {
			for {
				n, err := childCommit(s, w)
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Printf("%d %d\n", w, n) // one write call a line
			}
		})
	}
	wg.Wait()
	return 0
}

// childCommit counts a worker's counter up and adds items of that number, the
// bodies of which need more than one page.
func childCommit(s *Store, worker int) (int, error) {
	ctx := context.Background()
	name := strconv.Itoa(worker)
	counter, err := s.Get(ctx, "counter", name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	n := int(counter.Version) + 1
	up := store.Write{Item: store.Item{Kind: "counter", Key: name, Version: counter.Version}, If: store.IfVersion}
	if n == 1 {
		up.If = store.Absent
	}
	writes := []store.Write{up}
	for i := range childItems {
		key := fmt.Sprintf("%s/%d/%d", name, n, i)
		writes = append(writes, store.Write{Item: store.Item{Kind: "part", Key: key, Body: childBody(key)}, If: store.Absent})
	}
	return n, s.Commit(ctx, writes...)
}

func childBody(key string) []byte { return []byte(strings.Repeat(key+" ", 300)) }

// TestKill kills a process that commits, many times over the same file: each
// acknowledged commit is there after it, and of each other one all or nothing.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	for round := range 12 {
		acked := killAfter(t, dir, 1+round*37)
		s := mustOpen(t, dir, Options{})
		want := 0
		for w := range childWorkers {
			counter, err := s.Get(t.Context(), "counter", strconv.Itoa(w))
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			n := int(counter.Version)
			if n < acked[w] {
				t.Errorf("round %d: worker %d has %d commits, %d were acknowledged", round, w, n, acked[w])
			}
			for i := 1; i <= n; i++ {
				for k := range childItems {
					key := fmt.Sprintf("%d/%d/%d", w, i, k)
					part, err := s.Get(t.Context(), "part", key)
					if err != nil || string(part.Body) != string(childBody(key)) {
						t.Fatalf("round %d: part %s of a commit: %d bytes, error %v", round, key, len(part.Body), err)
					}
				}
			}
			want += n * childItems
		}
		// With the loop above: nothing of a commit that did not take place.
		if got := len(contents(t, s, "part")); got != want {
			t.Errorf("round %d: %d parts, want the %d of whole commits", round, got, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter runs a child until it has acknowledged n commits, kills it, and
// returns the last number that each worker acknowledged.
func killAfter(t *testing.T, dir string, n int) map[int]int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked, lines := map[int]int{}, 0
	for in := bufio.NewScanner(out); in.Scan(); lines++ { // on after the kill, to what was said before it
		var worker, number int
		if _, err := fmt.Sscan(in.Text(), &worker, &number); err != nil {
			continue // cut by the kill
		}
		acked[worker] = number
		if lines == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	if lines <= n {
		t.Fatalf("child ended by itself after %d commits: %v\n%s", lines, err, &stderr)
	}
	return acked
}
