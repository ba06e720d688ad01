package reconciler

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"taskwarden/reconciler/fleet"
)

// view is the world as the sweepers last saw it, per target and cluster, with how whole and how old each part is. A
// cluster that failed keeps its last state.
type view struct {
	mu       sync.RWMutex
	clusters map[fleet.Key]*clusterView // keys without a service
	sweeps   map[string]fleet.Sweep     // by target, the last one
	whole    map[string]fleet.Sweep     // by target, the last complete one
	first    map[string]time.Time       // by target, the first complete one since the start
	logs     map[fleet.Key]map[fleet.LogRef]fleet.Tail
	metrics  map[fleet.Key]*fleet.Metrics // of services that need any; most of a cluster share one
}

type clusterView struct {
	seen     fleet.Seen
	err      error
	learned  bool // a look at it was complete
	services map[string]fleet.Service
	tasks    map[string]taskSet   // by service name
	bare     map[string]time.Time // families (ARNs without the revision) of tasks that no service runs, and when one was last shown
}

func newView() *view {
	return &view{
		clusters: map[fleet.Key]*clusterView{}, sweeps: map[string]fleet.Sweep{}, whole: map[string]fleet.Sweep{}, first: map[string]time.Time{},
		logs: map[fleet.Key]map[fleet.LogRef]fleet.Tail{}, metrics: map[fleet.Key]*fleet.Metrics{},
	}
}

// update takes in one look at a cluster and returns the services it knows there now and those it knew before.
func (v *view) update(target string, c fleet.Cluster) []fleet.Key {
	v.mu.RLock()
	key := fleet.Key{Target: target, Cluster: c.Name}
	was := v.clusters[key]
	v.mu.RUnlock()
	is := clusterOf(c, was) // one sweeper a target: nobody else replaces this cluster meanwhile
	v.mu.Lock()
	v.clusters[key] = is
	v.mu.Unlock()
	return keysOf(key, was, is)
}

// clusterOf is the view of a cluster after a look at it. A partial look replaces only what it showed.
func clusterOf(c fleet.Cluster, was *clusterView) *clusterView {
	is := &clusterView{seen: c.Seen, err: c.Err, learned: c.Seen.Complete || was != nil && was.learned,
		services: make(map[string]fleet.Service, len(c.Services)), tasks: map[string]taskSet{}, bare: map[string]time.Time{}}
	tasks := map[string][]fleet.Task{}
	if was != nil && !c.Seen.Complete {
		maps.Copy(is.services, was.services)
		tasks = stale(was.tasks, c.Tasks)
	}
	if was != nil {
		maps.Copy(is.bare, was.bare)
		maps.DeleteFunc(is.bare, func(_ string, last time.Time) bool { return c.Seen.At.Sub(last) >= bareKept })
	}
	for _, s := range c.Services {
		is.services[s.Name] = s
	}
	for _, t := range c.Tasks {
		if name := t.ServiceName(); name != "" {
			tasks[name] = append(tasks[name], t)
		} else {
			is.bare[familyARN(t.TaskDefinition)] = c.Seen.At
		}
	}
	for name, of := range tasks {
		slices.SortStableFunc(of, func(a, b fleet.Task) int { return cmp.Compare(a.ARN, b.ARN) }) // AWS lists them in any order
		is.tasks[name] = pack(of)
	}
	return is
}

// stale is the tasks of the last look that the new, partial one did not show.
func stale(was map[string]taskSet, read []fleet.Task) map[string][]fleet.Task {
	fresh := make(map[string]bool, len(read))
	for _, t := range read {
		fresh[t.ARN] = true
	}
	out := make(map[string][]fleet.Task, len(was))
	for name, tasks := range was {
		kept := slices.DeleteFunc(tasks.all(), func(t fleet.Task) bool { return fresh[t.ARN] })
		if len(kept) > 0 {
			out[name] = kept
		}
	}
	return out
}

func keysOf(cluster fleet.Key, views ...*clusterView) []fleet.Key {
	names := map[string]bool{}
	for _, c := range views {
		if c == nil {
			continue
		}
		for name := range c.services {
			names[name] = true
		}
	}
	var out []fleet.Key
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, fleet.Key{Target: cluster.Target, Cluster: cluster.Cluster, Service: name})
	}
	return out
}

// finish takes in the end of a sweep. After a complete one the clusters that it did not list are gone: they become
// empty, complete views, and the keys of their services are returned.
func (v *view) finish(target string, s fleet.Sweep) []fleet.Key {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sweeps[target] = s
	if !s.Complete {
		return nil
	}
	v.whole[target] = s
	if v.first[target].IsZero() {
		v.first[target] = s.At
	}
	var gone []fleet.Key
	for key, c := range v.clusters {
		if key.Target == target && !slices.Contains(s.Clusters, key.Cluster) {
			gone = append(gone, keysOf(key, c)...)
			v.clusters[key] = &clusterView{seen: s.Seen, learned: true}
		}
	}
	slices.SortFunc(gone, fleet.Key.Compare)
	return gone
}

// observe is what is known of one service; definitions come from elsewhere.
func (v *view) observe(key fleet.Key) fleet.Observation {
	v.mu.RLock()
	defer v.mu.RUnlock()
	o := fleet.Observation{Key: key, Logs: maps.Clone(v.logs[key])}
	if m := v.metrics[key]; m != nil {
		o.Metrics = *m
	}
	c := v.clusters[fleet.Key{Target: key.Target, Cluster: key.Cluster}]
	if c == nil {
		// Of a cluster never seen a complete sweep says that it is gone; a partial one says nothing.
		o.Seen = v.whole[key.Target].Seen
		o.Gone = o.Complete
		return o
	}
	o.Seen = c.seen
	service, ok := c.services[key.Service]
	o.Gone = !ok && c.seen.Complete
	o.Service, o.Tasks = service, c.tasks[key.Service].all()
	return o
}

// learned tells whether the service's cluster was ever seen whole since the start.
func (v *view) learned(key fleet.Key) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	c := v.clusters[fleet.Key{Target: key.Target, Cluster: key.Cluster}]
	return c != nil && c.learned || c == nil && v.whole[key.Target].Complete
}

// setLogs keeps a tail for the next pass; dropLogs lets go of what was judged.
func (v *view) setLogs(key fleet.Key, ref fleet.LogRef, t fleet.Tail) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.logs[key] == nil {
		v.logs[key] = map[fleet.LogRef]fleet.Tail{}
	}
	v.logs[key][ref] = t
}

func (v *view) dropLogs(key fleet.Key, used map[fleet.LogRef]fleet.Tail) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for ref := range used {
		delete(v.logs[key], ref)
	}
	if len(v.logs[key]) == 0 {
		delete(v.logs, key)
	}
}

// setMetrics keeps what was read of a target's services, instead of all that was read before.
func (v *view) setMetrics(target string, read map[fleet.Key]fleet.Metrics) {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.metrics, func(key fleet.Key, _ *fleet.Metrics) bool { return key.Target == target })
	var last *fleet.Metrics
	for _, key := range slices.SortedFunc(maps.Keys(read), fleet.Key.Compare) {
		if m := read[key]; last == nil || !reflect.DeepEqual(*last, m) {
			last = &m
		}
		v.metrics[key] = last
	}
}

// running gives the task definition of each service of a target.
func (v *view) running(target string) map[fleet.Key]string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	out := map[fleet.Key]string{}
	for key, c := range v.clusters {
		if key.Target != target {
			continue
		}
		for name, s := range c.services {
			out[fleet.Key{Target: target, Cluster: key.Cluster, Service: name}] = s.TaskDefinition
		}
	}
	return out
}

// sweep gives a target's last sweep and its last complete one; zero values where there was none.
func (v *view) sweep(target string) (last, whole fleet.Sweep) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.sweeps[target], v.whole[target]
}

// services lists all services in the view, in order.
func (v *view) services() []fleet.Observation {
	keys := v.keys()
	out := make([]fleet.Observation, 0, len(keys))
	for _, k := range keys {
		out = append(out, v.observe(k))
	}
	return out
}

// service is one service in view, without its tasks; zero where there is none.
func (v *view) service(key fleet.Key) fleet.Service {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if c := v.clusters[fleet.Key{Target: key.Target, Cluster: key.Cluster}]; c != nil {
		return c.services[key.Service]
	}
	return fleet.Service{}
}

// overview lists all services in the view, in order, without their tasks, logs and metrics: it costs the same however many tasks
// run.
func (v *view) overview() []fleet.Observation {
	v.mu.RLock()
	defer v.mu.RUnlock()
	n := 0
	for _, c := range v.clusters {
		n += len(c.services)
	}
	out := make([]fleet.Observation, 0, n)
	for key, c := range v.clusters {
		for name, s := range c.services {
			key.Service = name
			out = append(out, fleet.Observation{Key: key, Seen: c.seen, Service: s})
		}
	}
	slices.SortFunc(out, func(a, b fleet.Observation) int { return a.Key.Compare(b.Key) })
	return out
}

// has reports whether a service is in the view.
func (v *view) has(key fleet.Key) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	c := v.clusters[fleet.Key{Target: key.Target, Cluster: key.Cluster}]
	if c == nil {
		return false
	}
	_, ok := c.services[key.Service]
	return ok
}

// keys lists the keys of all services in the view, in order.
func (v *view) keys() []fleet.Key {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var out []fleet.Key
	for key, c := range v.clusters {
		out = append(out, keysOf(key, c)...)
	}
	slices.SortFunc(out, fleet.Key.Compare)
	return out
}

// servicesOf are the services of a target in view, without their tasks.
func (v *view) servicesOf(target string) map[fleet.Key]fleet.Service {
	v.mu.RLock()
	defer v.mu.RUnlock()
	out := map[fleet.Key]fleet.Service{}
	for key, c := range v.clusters {
		if key.Target != target {
			continue
		}
		for name, s := range c.services {
			key.Service = name
			out[key] = s
		}
	}
	return out
}

// troubles lists the clusters of a target whose last look was not complete, with why.
func (v *view) troubles(target string) map[string]error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	out := map[string]error{}
	for key, c := range v.clusters {
		if key.Target == target && c.err != nil {
			out[key.Cluster] = c.err
		}
	}
	return out
}

// count is how many services and tasks of a target are in view.
func (v *view) count(target string) (services, tasks int) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for key, c := range v.clusters {
		if key.Target != target {
			continue
		}
		services += len(c.services)
		for _, t := range c.tasks {
			tasks += t.len()
		}
	}
	return services, tasks
}
