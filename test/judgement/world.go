package judgement

import (
	"fmt"
	"time"

	"taskwarden/reconciler/fleet"
)

// World is one fleet over a time. The same World is the same fleet, whoever judges it.
type World struct {
	Seed     uint64
	Services int
	Days     int
	// Sick multiplies the share of services that have a fault; 0 is 1, the world as docs/judgement.md describes it.
	Sick float64
	// Largest bounds the services' sizes; 0: 200. Judging large ones costs most, and small ones make the same mistakes.
	Largest int
	// EveryLook judges at each look; otherwise looks at which nothing can happen are passed over (Watch says how).
	EveryLook bool
}

// clusterSize is how many services share a cluster, and with it their looks.
const clusterSize = 25

// epoch is a Monday, so that days of the week mean something.
var epoch = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// start is when the controller first looks: services have lived for four days by then.
func (w World) start() time.Time { return epoch.Add(96 * time.Hour) }

func (w World) end() time.Time { return w.start().Add(time.Duration(w.Days) * 24 * time.Hour) }

// Streams of the seed, so that what one part draws changes nothing in another.
const (
	streamLooks   = 1 << 40
	streamOutages = 2 << 40
	streamZones   = 3 << 40
	streamViews   = 4 << 40
)

// key names a service. Every team has a cluster.
func (w World) key(i int) fleet.Key {
	return fleet.Key{Target: "prod", Cluster: fmt.Sprintf("team-%02d", i/clusterSize), Service: fmt.Sprintf("service-%04d", i)}
}

var zones = []string{"us-east-1a", "us-east-1b", "us-east-1c"}

// zoneLoss is an Availability Zone that fails, once in the month: when, and which. Half of the clusters live in its region.
func (w World) zoneLoss(cluster int) (at time.Time, zone string, struck bool) {
	d := throw(w.Seed, streamZones)
	at = w.start().Add(d.between(24*time.Hour, w.end().Sub(w.start())))
	zone = pick(d, zones...)
	return at, zone, cluster%2 == 0
}
