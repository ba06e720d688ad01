package rollout

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
)

var (
	gridRuns    = flag.Int("grid.runs", 2, "rollouts played in each cell of the grid")
	gridSeed    = flag.Uint64("grid.seed", 0, "seed of the grid; 0 draws one")
	gridTraffic = flag.Bool("grid.traffic", false, "the requests are counted by a metric")
	gridMore    = flag.Int("grid.more", 0, "rollouts played in each cell that comes near its limit")
	gridCell    = flag.String("grid.cell", "", "only cells whose name has these words")
)

type tally struct{ runs, effective, worse, named, cured, noPlan int }

func (c cell) String() string {
	start := "staggered"
	if c.together {
		start = "together"
	}
	return fmt.Sprintf("%s | %s | %g h | %s | %d | %s", c.nature.name, c.load.name, c.history, c.deployed, c.tasks, start)
}

func (c cell) matches(words string) bool {
	for _, w := range strings.Split(words, ",") {
		if !strings.Contains(c.String(), w) {
			return false
		}
	}
	return true
}

func (c cell) many(seed uint64, runs int) (t tally) {
	for i := 0; t.runs < runs && t.noPlan < 20+10*runs; i++ {
		p, ok := c.play(rand.New(rand.NewPCG(seed, uint64(i))))
		if !ok {
			t.noPlan++
			continue
		}
		t.runs++
		switch p.verdict {
		case Effective:
			t.effective++
		case Worse:
			t.worse++
		}
		if p.named {
			t.named++
		}
		if p.cured {
			t.cured++
		}
	}
	return t
}

func TestGrid(t *testing.T) {
	seed := *gridSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	cells := grid()
	for i := range cells {
		cells[i].counted = *gridTraffic
	}
	tallies := make([]tally, len(cells))
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				tallies[i] = cells[i].many(seed+uint64(i), *gridRuns)
			}
		})
	}
	for i := range cells {
		if cells[i].matches(*gridCell) {
			next <- i
		}
	}
	close(next)
	wg.Wait()
	byNature := map[string]tally{}
	sums := map[string][2]int{}
	type row struct {
		c cell
		t tally
	}
	var rows []row
	for i, c := range cells {
		x := byNature[c.nature.name]
		y := tallies[i]
		x.runs += y.runs
		x.effective += y.effective
		x.worse += y.worse
		x.named += y.named
		x.cured += y.cured
		if y.runs == 0 {
			x.noPlan++
		}
		byNature[c.nature.name] = x
		k := fmt.Sprintf("%3g h | %d", c.history, c.tasks)
		sums[k] = [2]int{sums[k][0] + y.runs, sums[k][1] + y.named}
		k = fmt.Sprintf("%3g h | %s", c.history, c.deployed)
		sums[k] = [2]int{sums[k][0] + y.runs, sums[k][1] + y.named}
		rows = append(rows, row{c, y})
	}
	for _, k := range slices.Sorted(maps.Keys(sums)) {
		t.Logf("%s: named %.0f %%", k, 100*float64(sums[k][1])/float64(max(1, sums[k][0])))
	}
	for n, x := range byNature {
		if x.runs == 0 {
			continue
		}
		t.Logf("%-50s runs %d effective %.2f %% worse %.2f %% named %.1f %% cured of named %.1f %%; %d cells without a plan", n, x.runs,
			100*float64(x.effective)/float64(max(x.runs, 1)), 100*float64(x.worse)/float64(max(x.runs, 1)), 100*float64(x.named)/float64(max(x.runs, 1)), 100*float64(x.cured)/float64(max(x.named, 1)), x.noPlan)
	}
	sort.Slice(rows, func(i, j int) bool {
		return float64(rows[i].t.effective)/float64(max(1, rows[i].t.runs)) > float64(rows[j].t.effective)/float64(max(1, rows[j].t.runs))
	})
	for _, r := range rows[:min(25, len(rows))] {
		if r.t.runs == 0 {
			continue
		}
		t.Logf("E %3d/%d W %d  %s", r.t.effective, r.t.runs, r.t.worse, r.c)
	}
	sort.Slice(rows, func(i, j int) bool {
		return float64(rows[i].t.worse)/float64(max(1, rows[i].t.runs)) > float64(rows[j].t.worse)/float64(max(1, rows[j].t.runs))
	})
	for _, r := range rows[:min(15, len(rows))] {
		if r.t.runs == 0 {
			continue
		}
		t.Logf("W %3d/%d E %d  %s", r.t.worse, r.t.runs, r.t.effective, r.c)
	}
	_ = gridMore
}
