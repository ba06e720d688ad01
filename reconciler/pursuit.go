package reconciler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"k8s.io/client-go/util/workqueue"

	"taskwarden/contain"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
)

const (
	// tries is how often a log read that fails in passing is repeated before its stop goes without.
	tries = 5
	// sayAfter is how often a definition is asked for in vain, each time with the SDK's own retries, before that is said.
	sayAfter = 1
)

// queues holds one rate-limited queue per target, so that one slow target never holds up another.
type queues[K comparable] struct {
	mu   sync.Mutex
	all  map[string]workqueue.TypedRateLimitingInterface[K]
	shut bool
}

func (q *queues[K]) of(target string) workqueue.TypedRateLimitingInterface[K] {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.all == nil {
		q.all = map[string]workqueue.TypedRateLimitingInterface[K]{}
	}
	if q.all[target] == nil {
		q.all[target] = workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[K](time.Second, time.Minute))
		if q.shut {
			q.all[target].ShutDown()
		}
	}
	return q.all[target]
}

func (q *queues[K]) shutDown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut = true
	for _, one := range q.all {
		one.ShutDown()
	}
}

// work runs one target's queue until it is shut down: try reports whether an item is to be tried again. Once ctx has ended the
// queue is only emptied.
func (q *queues[K]) work(ctx context.Context, target string, try func(K) (again bool)) {
	queue := q.of(target)
	for {
		item, shutdown := queue.Get()
		if shutdown {
			return
		}
		workOn(ctx, queue, item, try)
	}
}

func workOn[K comparable](ctx context.Context, queue workqueue.TypedRateLimitingInterface[K], item K, try func(K) (again bool)) {
	defer queue.Done(item)
	if ctx.Err() == nil && try(item) {
		queue.AddRateLimited(item)
	} else {
		queue.Forget(item)
	}
}

// definitions fetches each task definition revision once, behind the sweeps, and keeps it for ever.
type definitions struct {
	c      *Controller
	queues queues[string]
	mu     sync.RWMutex
	byARN  map[string]fleet.Definition
	texts  texts                         // of byARN
	users  map[string]map[fleet.Key]bool // who waits for a definition not yet there
	absent absences                      // those that AWS does not know
}

func newDefinitions(c *Controller) *definitions {
	return &definitions{c: c, byARN: map[string]fleet.Definition{}, texts: texts{}, users: map[string]map[fleet.Key]bool{}, absent: absences{}}
}

// need queues the definitions that a cluster's services and tasks use and that are not there yet.
func (d *definitions) need(target string, cl fleet.Cluster) {
	key := fleet.Key{Target: target, Cluster: cl.Name}
	for _, t := range cl.Tasks {
		if key.Service = t.ServiceName(); key.Service != "" {
			d.ask(target, t.TaskDefinition, key)
		}
	}
	for _, s := range cl.Services {
		key.Service = s.Name
		d.ask(target, s.TaskDefinition, key)
	}
}

func (d *definitions) ask(target, arn string, user fleet.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.byARN[arn]; ok || arn == "" || d.absent.still(arn, d.c.now()) {
		return
	}
	if d.users[arn] == nil {
		d.users[arn] = map[fleet.Key]bool{}
		d.queues.of(target).Add(arn)
	}
	d.users[arn][user] = true
}

// known gives the definitions of an observation's service and tasks and of its open findings' causes, as far as they are
// there.
func (d *definitions) known(o fleet.Observation, findings []finding.Finding) map[string]fleet.Definition {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := map[string]fleet.Definition{}
	if def, ok := d.byARN[o.Service.TaskDefinition]; ok {
		out[def.ARN] = def
	}
	for _, t := range o.Tasks {
		if def, ok := d.byARN[t.TaskDefinition]; ok {
			out[t.TaskDefinition] = def
		}
	}
	for _, f := range findings {
		if f.Cause == nil || !f.Open() {
			continue
		}
		if def, ok := d.byARN[f.Cause.TaskDefinition]; ok {
			out[def.ARN] = def
		}
	}
	return out
}

// of gives one definition, if it is there.
func (d *definitions) of(arn string) (fleet.Definition, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	def, ok := d.byARN[arn]
	return def, ok
}

func (d *definitions) loop(ctx context.Context, t Target) {
	d.queues.work(ctx, t.Name, func(arn string) (again bool) {
		return d.c.attempt(contain.Definition, t.Name, arn, func() (again bool, err error) {
			def, err := d.fetch(ctx, t, arn)
			if ctx.Err() != nil {
				return false, err
			}
			return d.answered(recording.Definition{Target: t.Name, ARN: arn, Definition: def, Err: err, Tries: d.queues.of(t.Name).NumRequeues(arn)}), err
		})
	})
}

// answered takes in a definition, or why there is none, and tells whether it is worth another try.
func (d *definitions) answered(a recording.Definition) (again bool) {
	d.c.record(recording.Event{Definition: &a})
	if a.Err == nil {
		d.arrived(a.ARN, a.Definition)
		d.c.settled(a.Target, "DefinitionsUnreadable")
		return false
	}
	// One that AWS does not know (any more) is no trouble of the target: nothing would ever settle it.
	if errors.Is(a.Err, fleet.ErrDenied) || !fleet.Permanent(a.Err) && a.Tries >= sayAfter {
		d.c.trouble(a.Target, "DefinitionsUnreadable", "task definitions cannot be read, so essential containers cannot be told from helping ones", a.Err)
	}
	if !fleet.Permanent(a.Err) {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.users, a.ARN) // a later look asks again
	if errors.Is(a.Err, fleet.ErrNotFound) {
		d.absent.note(a.ARN, d.c.now())
	}
	return false
}

func (d *definitions) fetch(ctx context.Context, t Target, arn string) (def fleet.Definition, err error) {
	err = contain.Do(contain.Definition, arn, func() error {
		kept, ok, err := d.c.book.Definition(ctx, d.c.o.AllowHash, arn)
		if err != nil || ok {
			def = kept
			return err
		}
		if def, err = t.Observer.Definition(ctx, arn); err != nil {
			return fmt.Errorf("read definition: %w", err)
		}
		return d.c.book.KeepDefinition(ctx, d.c.o.AllowHash, def)
	})
	return def, err
}

func (d *definitions) arrived(arn string, def fleet.Definition) {
	users := d.put(arn, def)
	d.c.enqueue(slices.SortedFunc(maps.Keys(users), fleet.Key.Compare))
}

// put keeps a definition and returns who waited for it.
func (d *definitions) put(arn string, def fleet.Definition) map[fleet.Key]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byARN[arn] = d.texts.slim(def)
	delete(d.absent, arn)
	users := d.users[arn]
	delete(d.users, arn)
	return users
}

// evidence reads the log lines that judgements asked for.
type evidence struct {
	c      *Controller
	queues queues[logKey]
	mu     sync.Mutex
	wants  map[logKey]churn.Want
}

type logKey struct {
	service fleet.Key
	ref     fleet.LogRef
}

func newEvidence(c *Controller) *evidence {
	return &evidence{c: c, wants: map[logKey]churn.Want{}}
}

func (e *evidence) want(key fleet.Key, wants []churn.Want) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range wants {
		k := logKey{key, w.Ref}
		if _, asked := e.wants[k]; !asked {
			e.wants[k] = w
			e.queues.of(key.Target).Add(k)
		}
	}
}

func (e *evidence) loop(ctx context.Context, t Target) {
	e.queues.work(ctx, t.Name, func(k logKey) (again bool) {
		return e.c.attempt(contain.Log, t.Name, k.service.String(), func() (again bool, err error) {
			tail, err := e.read(ctx, t, k)
			if ctx.Err() != nil {
				return false, err
			}
			return e.answered(recording.Tail{Service: k.service, Ref: k.ref, Tail: tail, Err: err, Tries: e.queues.of(t.Name).NumRequeues(k)}), err
		})
	})
}

func (e *evidence) read(ctx context.Context, t Target, k logKey) (tail fleet.Tail, err error) {
	e.mu.Lock()
	w := e.wants[k]
	e.mu.Unlock()
	err = contain.Do(contain.Log, k.service.String(), func() (err error) {
		tail, err = t.Observer.Tail(ctx, w.Ref, w.From, w.To, e.c.o.Policies.Churn.LogLines)
		return err
	})
	return tail, err
}

// answered takes in log lines, or why there are none, and tells whether that is worth another try.
func (e *evidence) answered(a recording.Tail) (again bool) {
	e.c.record(recording.Event{Tail: &a})
	tail, target := a.Tail, a.Service.Target
	switch {
	case a.Err == nil:
		e.c.settled(target, "LogsUnreadable")
	case !fleet.Permanent(a.Err) && a.Tries < tries:
		return true
	default:
		if errors.Is(a.Err, fleet.ErrDenied) {
			e.c.trouble(target, "LogsUnreadable", "log lines of dead containers cannot be read, so crashes go unnamed", a.Err)
		} else { // the next read may well succeed, and may be days away: the stop's own evidence says it
			e.c.o.Log.Warn("a log was not read", zap.Stringer("service", a.Service), zap.String("stream", a.Ref.Stream), zap.Error(a.Err))
		}
		tail = fleet.Tail{Missing: a.Err.Error()}
	}
	e.mu.Lock()
	delete(e.wants, logKey{a.Service, a.Ref})
	e.mu.Unlock()
	e.c.view.setLogs(a.Service, a.Ref, tail)
	e.c.queue.Add(a.Service)
	return false
}

// count is how many definitions are known, and how many are waited for.
func (d *definitions) count() (known, waiting int) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.byARN), len(d.users)
}
