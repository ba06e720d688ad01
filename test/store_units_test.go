package test

import (
	"testing"
	"testing/synctest"
	"time"

	"taskwarden/store/dynamodb"
	"taskwarden/store/lease"
	"taskwarden/test/account"
	"taskwarden/test/faulty"
	"taskwarden/test/peer"
)

// TestStoreUnits measures what the table costs, as AWS bills it: the whole controller on Amazon's own emulator, through a way that
// meters, in simulated time. docs/store.md has the figures.
func TestStoreUnits(t *testing.T) {
	url, bridge := peer.DynamoDBLocal(t), faulty.NewBridge(t)
	quiet := storeUnits(t, url, bridge, "quiet", 0)
	if quiet.Writes < 1100 || quiet.Writes > 1500 || quiet.Reads > 10 {
		t.Errorf("a quiet hour takes %.0f write and %.0f read units, docs/store.md says about 1,200 and 0", quiet.Writes, quiet.Reads)
	}
	for _, c := range []struct {
		name     string
		lifetime time.Duration
		most     float64 // write units a stop
	}{{"storm", 2 * time.Minute, 32}, {"now and then", 40 * time.Minute, 40}} {
		units := storeUnits(t, url, bridge, c.name, c.lifetime)
		each := (units.Writes - quiet.Writes) / units.stops
		t.Logf("%s: %.0f stops an hour, %.1f write units each", c.name, units.stops, each)
		if units.stops < 30 || each < 5 || each > c.most {
			t.Errorf("%s: %.0f stops an hour of %.1f write units each, at most %v are expected", c.name, units.stops, each, c.most)
		}
	}
}

type hourly struct {
	faulty.Units
	stops float64
}

// storeUnits runs a controller on 30 services for an hour to settle, and measures the next one. lifetime is after what their tasks
// die; 0: they live.
func storeUnits(t *testing.T, url string, bridge *faulty.Bridge, name string, lifetime time.Duration) (out hourly) {
	t.Helper()
	table := "units-" + name[:3]
	synctest.Test(t, func(t *testing.T) {
		s := account.Bulk(1, 30, 30)
		if lifetime > 0 {
			for i := range s.Clusters[0].Services {
				dies := account.Case{Lifetime: account.Between(lifetime*8/10, lifetime*12/10), Exit: 2,
					Log: account.Lines{"panic: something went wrong in the worker of the queue at 0x1234567890abcdef"}}
				s.Clusters[0].Services[i].Models = map[string]account.Model{"app": {Cases: []account.Case{dies}}}
			}
		}
		way := &faulty.Way{Bridge: bridge}
		cfg := peer.Config(url)
		cfg.HTTPClient = way
		peer.TableBy(t, cfg, table)
		tb, err := dynamodb.Open(t.Context(), cfg, table, dynamodb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		db, err := tb.Own(t.Context(), lease.Options{ID: "tw", Holder: "a"})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, s)
		w.store = db
		c := w.run(nil)
		time.Sleep(time.Hour)
		way.Units()
		before := len(w.account.Stops())
		time.Sleep(time.Hour)
		out = hourly{way.Units(), float64(len(w.account.Stops()) - before)}
		c.stop()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%s: an hour: %.0f write units, %.0f read units, calls %v, %.0f stops", name, out.Writes, out.Reads, out.Calls, out.stops)
	return out
}
