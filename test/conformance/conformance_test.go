// Package conformance compares the simulated account with MiniStack, an AWS emulator that others wrote: each operation that
// the product calls goes through the real SDK to both, and both answers are compared on every field that the product reads.
// Known differences are rows (differences_test.go) which say who is right and why; one that is not listed fails, and so does
// one that is listed and gone.
package conformance

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"taskwarden/reconciler/cloud"
)

// pair is the two answers to one call.
type pair struct {
	row
	ours, theirs answer
	out          reflect.Type // of the operation's output
}

func TestConformance(t *testing.T) {
	f := mapped(t)
	pairs := compare(t, f)
	for name, wrong := range map[string][]string{
		"differences": checkDifferences(pairs, differences()), "fields": checkFields(f, pairs, uncompared()), "operations": checkOperations(pairs, cloud.Operations()),
	} {
		for _, w := range wrong {
			t.Errorf("%s: %s", name, w)
		}
	}
}

// compare makes every call at both sides.
func compare(t *testing.T, f fields) []pair {
	t.Helper()
	now := time.Now()
	a, b := ours(t, now), theirs(t, now)
	var out []pair
	for _, c := range calls() {
		x, errX := c.do(t, a)
		y, errY := c.do(t, b)
		out = append(out, pair{c, f.read(x, errX), f.read(y, errY), reflect.TypeOf(x).Elem()})
	}
	return out
}

// checkDifferences holds what differs against what is known to differ.
func checkDifferences(pairs []pair, known []difference) (wrong []string) {
	met := map[int]bool{}
	for _, p := range pairs {
		for _, path := range differing(p.ours, p.theirs) {
			x, y := p.ours.kinds(path), p.theirs.kinds(path)
			i := slices.IndexFunc(known, func(d difference) bool {
				return d.operation == p.operation && d.path == path && d.ours == x && d.theirs == y
			})
			if met[i] = true; i < 0 {
				wrong = append(wrong, fmt.Sprintf("%s, %s: not listed, %s against %s:\n\t{%q, %q, %q, %q, …},",
					p.operation, p.when, p.ours.at(path), p.theirs.at(path), p.operation, path, x, y))
			}
		}
	}
	for i, d := range known {
		if !met[i] {
			wrong = append(wrong, fmt.Sprintf("%s differs no more on %s as listed (%s against %s): take the row out", d.operation, d.path, d.ours, d.theirs))
		}
		if !slices.Contains(verdicts, d.right) || d.why == "" {
			wrong = append(wrong, fmt.Sprintf("%s, %s: a row says who is right (%v) and why", d.operation, d.path, verdicts))
		}
	}
	return wrong
}

// checkFields makes sure that each field the product reads was compared: that some call got a value there from both sides.
func checkFields(f fields, pairs []pair, known []blind) (wrong []string) {
	reached, held := fields{}, map[[2]string]bool{} // by operation and path
	for _, p := range pairs {
		f.reach(reached, p.out)
		for _, path := range f.paths(p.out) {
			at := [2]string{p.operation, path}
			held[at] = held[at] || !p.ours.empty(path) && !p.theirs.empty(path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if !reached[name] {
			wrong = append(wrong, "package cloud reads "+name+", and no call of the table answers with it")
		}
	}
	met := map[int]bool{}
	for at, is := range held {
		i := slices.IndexFunc(known, func(b blind) bool { return b.operation == at[0] && b.covers(at[1]) })
		if met[i] = met[i] || !is; !is && i < 0 {
			wrong = append(wrong, at[0]+" "+at[1]+": the product reads it, and no call got a value from both sides to compare")
		}
	}
	for i, b := range known {
		if !met[i] {
			wrong = append(wrong, b.operation+" "+b.path+" is compared now: take the row out")
		}
	}
	slices.Sort(wrong)
	return wrong
}

// neverRefused takes no parameter and needs no permission, so no call of it is refused.
const neverRefused = "sts:GetCallerIdentity"

// notAtThePeer is what MiniStack does not know: it cannot be compared, and has tests on the simulated account alone.
const notAtThePeer = "ecs:StopServiceDeployment"

// checkOperations makes sure that every operation of the product is in the table, with a call that succeeds at both and
// one that is refused.
func checkOperations(pairs []pair, operations []cloud.Operation) (wrong []string) {
	for _, o := range operations {
		if o.String() == notAtThePeer {
			continue
		}
		var well, ill bool
		for _, p := range pairs {
			if p.operation == o.String() {
				well = well || p.ours.at(errorPath) == absent && p.theirs.at(errorPath) == absent
				ill = ill || p.ours.at(errorPath) != absent
			}
		}
		if !well || !ill && o.String() != neverRefused {
			wrong = append(wrong, fmt.Sprintf("%s: a call that succeeds at both: %t; a call that is refused: %t; both belong into the table", o, well, ill))
		}
	}
	return wrong
}
