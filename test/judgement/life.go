package judgement

import (
	"fmt"
	"math"
	"slices"
	"time"

	"taskwarden/reconciler/fleet"
)

// life is one service as it lives: an event at a time, by a clock of its own.
type life struct {
	spec
	world     World
	rng       dice
	now       time.Time
	agenda    agenda
	awake     bool // a look of the scheduler is on the agenda
	desired   int
	revision  int
	born      uint32
	backoff   int // starts that failed in a row
	notBefore time.Time
	faults    []*fault

	deployments []*deployment // primary first
	tasks       []*task       // those alive, and those stopped that AWS still shows
	definitions map[string]fleet.Definition
	version     int // grows whenever AWS would show something else

	// What only the truth knows.
	begun  []time.Time // deployments
	levels []level
	stops  []*Stop
	tails  map[string][]string // by log stream
}

// level is how many tasks run from a time on, and whether those wanted of the primary deployment all do.
type level struct {
	at      time.Time
	running int
	whole   bool
}

func (w World) life(i int) *life {
	l := &life{world: w, rng: throw(w.Seed, uint64(i)), now: epoch, definitions: map[string]fleet.Definition{}}
	l.spec = w.specOf(i, l.rng)
	l.faults = w.faultsOf(l.spec, l.rng)
	l.desired, l.revision = l.size, 1
	first := l.newDeployment(1)
	first.good = true
	l.plan()
	return l
}

// until lets the service live on to a time.
func (l *life) until(t time.Time) {
	for {
		e, due := l.agenda.next(t)
		if !due {
			l.now = t
			return
		}
		l.now = e.at
		e.do()
	}
}

func (l *life) after(d time.Duration, do func()) { l.agenda.at(l.now.Add(d), do) }

// every has something happen again and again, by chance, one in every mean.
func (l *life) every(mean time.Duration, do func()) {
	l.after(l.rng.exponential(mean), func() {
		do()
		l.every(mean, do)
	})
}

// daily has something happen each day at an hour, give or take.
func (l *life) daily(hour int, do func()) {
	first := epoch.Add(time.Duration(hour)*time.Hour + l.rng.between(0, 30*time.Minute))
	for at := first; at.Before(l.world.end()); at = at.Add(24 * time.Hour) {
		l.agenda.at(at, do)
	}
}

// wake puts the scheduler's next look a few seconds ahead.
func (l *life) wake() {
	if l.awake {
		return
	}
	l.awake = true
	l.after(l.rng.between(time.Second, 5*time.Second), func() {
		l.awake = false
		l.reconcile()
	})
}

// touch notes that AWS shows something else from now on.
func (l *life) touch() {
	l.version++
	is := level{at: l.now, running: count(l.tasks, (*task).running)}
	is.whole = count(l.tasks, func(t *task) bool { return t.running() && t.dep == l.primary() }) >= l.desired
	if n := len(l.levels); n > 0 && l.levels[n-1].running == is.running && l.levels[n-1].whole == is.whole {
		return
	}
	l.levels = append(l.levels, is)
}

func (l *life) scale(to int) {
	if to != l.desired {
		l.desired = to
		l.touch()
		l.wake()
	}
}

// follow is autoscaling: the desired count follows the traffic of the hour.
func (l *life) follow() {
	hour := l.now.Sub(epoch).Hours()
	load := 1 + l.swing*math.Sin(2*math.Pi*(hour-9)/24) + 0.1*l.rng.NormFloat64()
	l.scale(max(1, int(math.Round(float64(l.size)*load))))
}

func (l *life) definitionARN(revision int) string {
	arn := fmt.Sprintf("%stask-definition/%s:%d", arns, l.key.Service, revision)
	if _, known := l.definitions[arn]; known || l.undefined {
		return arn
	}
	d := fleet.Definition{ARN: arn, Family: l.key.Service, Revision: revision, NetworkMode: "awsvpc"}
	helped := slices.IndexFunc(l.boxes, func(b box) bool { return b.helper })
	for i, b := range l.boxes {
		if b.injected {
			continue
		}
		c := fleet.ContainerDefinition{Name: b.name, Image: b.image, Essential: b.essential}
		if b.logged {
			c.LogDriver = "awslogs"
			c.LogOptions = map[string]string{"awslogs-group": "/ecs/" + l.key.Service, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs"}
		}
		if i == 0 && helped > 0 {
			c.DependsOn = []fleet.Dependency{{Container: l.boxes[helped].name, Condition: "SUCCESS"}}
		}
		d.Containers = append(d.Containers, c)
	}
	l.definitions[arn] = d
	return arn
}
