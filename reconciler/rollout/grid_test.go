package rollout

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// The grid: what Verify says in many kinds of worlds of a fix that does nothing, and of one that works. The table of
// docs/remediation.md is made by
//
//	go test ./reconciler/rollout -run 'TestGrid$' -v -timeout 3h -grid.runs 200 -grid.more 2000
var (
	gridRuns    = flag.Int("grid.runs", 0, "rollouts played in each cell of the grid; 0: a sample of the cells, 25 in each")
	gridMore    = flag.Int("grid.more", 0, "rollouts played in each cell that comes near a limit")
	gridSeed    = flag.Uint64("grid.seed", 0, "seed of the grid; 0 draws one")
	gridCells   = flag.String("grid.cells", "", "only the cells whose names have these words, separated by commas")
	gridTraffic = flag.Bool("grid.traffic", false, "a metric counts the requests")
)

// The promises, and the shares from which on a cell is played more often.
const (
	effectiveLimit, effectiveNear = 0.06, 0.04
	worseLimit, worseNear         = 0.02, 0.01
	curedLeast                    = 0.9
)

func (c cell) String() string {
	start := "staggered"
	if c.together {
		start = "together"
	}
	return fmt.Sprintf("%s | %s | %g h | %s | %d | %s", c.nature.name, c.load.name, c.history, c.deployed, c.tasks, start)
}

func (c cell) matches(words string) bool {
	return !slices.ContainsFunc(strings.Split(words, ","), func(w string) bool { return !strings.Contains(c.String(), w) })
}

// tally counts how the rollouts of a cell went.
type tally struct{ runs, effective, worse, named, cured int }

func (t *tally) add(p played) {
	t.runs++
	t.effective += count(p.verdict == Effective)
	t.worse += count(p.verdict == Worse)
	t.named += count(p.named)
	t.cured += count(p.cured)
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// many plays rollouts of a cell. In some worlds a plan is rare, since too few tasks die; then it plays fewer.
func (c cell) many(seed uint64, runs int) (t tally) {
	for i := 0; t.runs < runs && i < 40+10*runs; i++ {
		if p, ok := c.play(rand.New(rand.NewPCG(seed, uint64(i)))); ok {
			t.add(p)
		}
	}
	return t
}

// low and high are the exact bounds of a share, each of which holds with 99 % (Clopper and Pearson, Biometrika 26, 1934).
func low(k, n int) float64 {
	if k == 0 {
		return 0
	}
	return distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(0.01)
}

func high(k, n int) float64 {
	if k == n {
		return 1
	}
	return distuv.Beta{Alpha: float64(k + 1), Beta: float64(n - k)}.Quantile(0.99)
}

// play plays all cells on all processors.
func playAll(cells []cell, seed uint64, runs int) []tally {
	out := make([]tally, len(cells))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				out[i] = cells[i].many(seed+uint64(i), runs)
			}
		})
	}
	for i := range cells {
		next <- i
	}
	close(next)
	wg.Wait()
	return out
}

// sample is one cell of each nature, traffic and time of deployment, and those in which earlier rules failed.
func sample(all []cell, r *rand.Rand) (out []cell) {
	groups := map[string][]cell{}
	for _, c := range all {
		k := c.nature.name + c.load.name + c.deployed
		groups[k] = append(groups[k], c)
		for _, failed := range []string{"leak by requests | weekdays and weekend | 336 h | Friday 18:05 | 40", "leak by requests | day and night | 336 h | Friday 18:05 | 40",
			"while there is traffic | day and night | 336 h | Friday 18:05 | 40", "while there is traffic | weekdays and weekend | 96 h | Friday 18:05 | 4 ", "common shocks | flat | 8 h | weeknight | 40"} {
			if strings.Contains(c.String(), failed) {
				out = append(out, c)
			}
		}
	}
	for _, g := range groups {
		out = append(out, g[r.IntN(len(g))])
	}
	return out
}

func TestGrid(t *testing.T) {
	seed := *gridSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-grid.seed %d", seed)
	var cells []cell
	for _, c := range grid() {
		if c.counted = *gridTraffic; c.matches(*gridCells) {
			cells = append(cells, c)
		}
	}
	runs := *gridRuns
	if runs == 0 {
		runs, cells = 25, sample(cells, rand.New(rand.NewPCG(seed, 1)))
	}
	tallies := playAll(cells, seed, runs)
	if *gridMore > 0 {
		again(t, cells, tallies, seed)
	}
	if *gridRuns > 0 {
		table(t, cells, tallies)
	}
	for i, c := range cells {
		x := tallies[i]
		if x.runs == 0 {
			continue
		}
		if low(x.effective, x.runs) > effectiveLimit {
			t.Errorf("%s: a fix that does nothing is called effective in %d of %d", c, x.effective, x.runs)
		}
		if low(x.worse, x.runs) > worseLimit {
			t.Errorf("%s: a fix that does nothing is called worse in %d of %d", c, x.worse, x.runs)
		}
		if x.named > 0 && high(x.cured, x.named) < curedLeast {
			t.Errorf("%s: a cure is called effective by the time that the plan names in %d of %d", c, x.cured, x.named)
		}
	}
}

// again plays the cells that came near a limit more often, with other seeds.
func again(t *testing.T, cells []cell, tallies []tally, seed uint64) {
	var near []int
	for i, x := range tallies {
		if float64(x.effective) > effectiveNear*float64(x.runs) || float64(x.worse) > worseNear*float64(x.runs) {
			near = append(near, i)
		}
	}
	t.Logf("%d cells came near a limit and are played %d times", len(near), *gridMore)
	var chosen []cell
	for _, i := range near {
		chosen = append(chosen, cells[i])
	}
	for n, x := range playAll(chosen, seed+1<<32, *gridMore) {
		tallies[near[n]] = x
		t.Logf("%s: effective %d of %d (%.1f to %.1f %%), worse %d (%.1f to %.1f %%)", chosen[n], x.effective, x.runs,
			100*low(x.effective, x.runs), 100*high(x.effective, x.runs), x.worse, 100*low(x.worse, x.runs), 100*high(x.worse, x.runs))
	}
}

// table prints the cells by nature, traffic and history, as docs/remediation.md shows them.
func table(t *testing.T, cells []cell, tallies []tally) {
	type row struct {
		sum          tally
		cells, plans int
		worst        float64 // share of effective in the worst cell
		bound        float64 // its 99 % lower bound
		harm         float64
		low          float64 // least share of cured
	}
	rows, order := map[string]*row{}, []string{}
	for i, c := range cells {
		k := fmt.Sprintf("| %s | %s | %g h |", c.nature.name, c.load.name, c.history)
		r := rows[k]
		if r == nil {
			r = &row{low: 1}
			rows[k], order = r, append(order, k)
		}
		x := tallies[i]
		r.cells++
		if x.runs == 0 {
			continue
		}
		r.plans++
		r.sum = tally{r.sum.runs + x.runs, r.sum.effective + x.effective, r.sum.worse + x.worse, r.sum.named + x.named, r.sum.cured + x.cured}
		r.worst, r.bound = max(r.worst, float64(x.effective)/float64(x.runs)), max(r.bound, low(x.effective, x.runs))
		r.harm = max(r.harm, float64(x.worse)/float64(x.runs))
		if x.named > 0 {
			r.low = min(r.low, float64(x.cured)/float64(x.named))
		}
	}
	var all tally
	for _, k := range order {
		r := rows[k]
		n := float64(max(1, r.sum.runs))
		t.Logf("%s %d of %d | %.2f %% | %.1f %% (≥ %.1f %%) | %.2f %% | %.0f %% | %.0f %% |", k, r.plans, r.cells, 100*float64(r.sum.effective)/n, 100*r.worst, 100*r.bound,
			100*r.harm, 100*float64(r.sum.named)/n, 100*r.low)
		all.runs, all.effective, all.worse, all.named, all.cured = all.runs+r.sum.runs, all.effective+r.sum.effective, all.worse+r.sum.worse, all.named+r.sum.named, all.cured+r.sum.cured
	}
	t.Logf("%d rollouts: effective %d, worse %d, a time named in %d, by which a cure is called effective in %d", all.runs, all.effective, all.worse, all.named, all.cured)
}
