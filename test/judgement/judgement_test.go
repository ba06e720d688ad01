package judgement

import (
	"os"
	"testing"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/finding"
)

func TestScratch(t *testing.T) {
	p, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	w := World{Seed: 1, Services: 120, Days: 5}
	if os.Getenv("FULL") != "" {
		w = World{Seed: 1, Services: 1000, Days: 30}
	}
	began := time.Now()
	r := w.Run(p, reconciler.Decide)
	t.Log(r.Table())
	t.Log(r.Types[finding.SilentChurn].Misses())
	t.Log(r.Types[finding.SidecarCrash].Misses())
	t.Log(time.Since(began))
}
