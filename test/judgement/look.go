package judgement

import (
	"time"
)

// look is one look of the controller at a cluster.
type look struct {
	at       time.Time
	kind     lookKind
	restarts bool // the first one of a new process: only what was recorded is remembered
}

// lookKind is how whole a look is.
type lookKind int

const (
	whole  lookKind = iota // every page and batch was read
	partly                 // some tasks could not be described
	blank                  // nothing could be read
)

const (
	resync  = 5 * time.Minute // the shipped configuration's
	visible = time.Hour       // stopped tasks stay visible at least so long (DescribeTasks)
)

// outage is a time in which no controller ran.
type outage struct{ from, to time.Time }

// outages are a month's: six short ones, such as its own deployments, and two that last longer than AWS remembers.
func (w World) outages() []outage {
	d := throw(w.Seed, streamOutages)
	span := w.end().Sub(w.start())
	var out []outage
	for i := range max(2, w.Days*8/30) {
		length := d.between(2*time.Minute, 50*time.Minute)
		if i%4 == 3 {
			length = d.between(90*time.Minute, 5*time.Hour)
		}
		from := w.start().Add(d.between(12*time.Hour, span))
		out = append(out, outage{from, from.Add(length)})
	}
	return out
}

// looks are the controller's looks at one cluster, jittered by a tenth as its own are. One in fifty is partial, one in two
// hundred shows nothing, and now and then the API fails for up to an hour: then all are blank.
func (w World) looks(cluster int) []look {
	d := throw(w.Seed, streamLooks+uint64(cluster))
	outages := w.outages()
	var out []look
	var failing time.Time
	down := false
	for at := w.start(); at.Before(w.end()); at = at.Add(resync + d.between(-resync/10, resync/10)) {
		if d.chance(1.0 / 4000) {
			failing = at.Add(d.between(10*time.Minute, time.Hour))
		}
		l := look{at: at, kind: lookKind(d.weighted(0.975, 0.02, 0.005))}
		if at.Before(failing) {
			l.kind = blank
		}
		if during(outages, at) {
			down = true
			continue
		}
		l.restarts, down = down, false
		out = append(out, l)
	}
	return out
}

func during(outages []outage, at time.Time) bool {
	for _, o := range outages {
		if !at.Before(o.from) && at.Before(o.to) {
			return true
		}
	}
	return false
}
