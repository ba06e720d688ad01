package rollout

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestVerifyIsTotal: odd lives, an empty baseline, one of an older version, no tasks and odd clocks give an answer that is a
// number, and no proof without a death before.
func TestVerifyIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		life := rapid.Custom(func(t *rapid.T) Life {
			at := wednesday.Add(time.Duration(rapid.Int64Range(int64(-400*time.Hour), int64(100*time.Hour)).Draw(t, "start")))
			age := time.Duration(rapid.SampledFrom([]int64{0, 1, int64(time.Second), int64(time.Hour), int64(90 * time.Hour)}).Draw(t, "age"))
			return Life{Start: at, Age: age, End: rapid.SampledFrom([]Ending{Alive, Culprit, Other, ""}).Draw(t, "end")}
		})
		var traffic *Traffic
		if rapid.Bool().Draw(t, "requests") {
			traffic = &Traffic{From: wednesday.Add(-336 * time.Hour), To: wednesday.Add(time.Hour),
				Hours: rapid.SliceOfN(rapid.Float64Range(0, 1000), 0, 400).Draw(t, "hours")}
		}
		base := newBaseline(rapid.SliceOfN(life, 0, 30).Draw(t, "old"), wednesday.Add(-336*time.Hour), wednesday, nil, traffic)
		if rapid.Bool().Draw(t, "older version") {
			lives := base.Lives
			for i := range lives {
				lives[i].Start, lives[i].Counted = time.Time{}, 0
			}
			base = Baseline{Lives: lives}
		}
		a := Verify(Trial{Base: base, New: rapid.SliceOfN(life, 0, 30).Draw(t, "new"), Traffic: traffic,
			Spent: rapid.Float64Range(0, deathsChance).Draw(t, "spent"), Elapsed: rapid.Float64Range(-1, 5).Draw(t, "elapsed")})
		if math.IsNaN(a.Chance) || math.IsInf(a.Chance, 0) || math.IsNaN(a.Spent) {
			t.Fatalf("%+v", a)
		}
		if _, err := json.Marshal(a); err != nil {
			t.Fatal(err)
		}
		if a.Verdict == Effective && base.Moments == 0 {
			t.Fatalf("effective without a known death: %+v", a)
		}
		f := base.comparison(nil).forecast(rapid.IntRange(-1, 50).Draw(t, "desired"), Soak{Max: time.Duration(rapid.Int64Range(0, int64(maxSoak)).Draw(t, "max"))}, wednesday)
		_ = f.power(base, 0, Soak{Max: maxSoak})
		if _, expected := base.comparison(nil).since(a.lives(), wednesday); math.IsNaN(expected) {
			t.Fatal("expected is no number")
		}
	})
}

// lives are none: since is asked for nothing as well.
func (Assessment) lives() []Life { return nil }
