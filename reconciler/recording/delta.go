package recording

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"

	"taskwarden/reconciler/fleet"
)

// sweep also forgets the clusters that a complete look did not list.
func (w *Writer) sweep(s Sweep) *sweepLine {
	if s.Sweep.Complete {
		for key := range w.shown {
			if key.Target == s.Target && !slices.Contains(s.Sweep.Clusters, key.Cluster) {
				delete(w.shown, key)
			}
		}
	}
	return &sweepLine{Target: s.Target, Seen: s.Sweep.At.UTC(), Complete: s.Sweep.Complete, Clusters: s.Sweep.Clusters,
		Calls: s.Sweep.Calls, Took: s.Sweep.Took, Floor: s.Sweep.Floor, Fault: faultOf(s.Sweep.Err)}
}

// look writes the services and tasks that are not as the file has them, and gives the line that ends them.
func (w *Writer) look(l Look) (*lookLine, error) {
	key := fleet.Key{Target: l.Target, Cluster: l.Cluster.Name}
	is := w.shown[key]
	if is == nil {
		is = &shown{map[string]uint64{}, map[string]uint64{}}
		w.shown[key] = is
	}
	c := l.Cluster
	services, tasks := make(map[string]bool, len(c.Services)), make(map[string]bool, len(c.Tasks))
	for _, s := range c.Services {
		services[s.Name] = true
		s = maskedService(s)
		if err := w.changed(is.services, s.Name, line{Service: &s}); err != nil {
			return nil, err
		}
	}
	for _, t := range c.Tasks {
		tasks[t.ID()] = true
		t = maskedTask(t)
		if err := w.changed(is.tasks, t.ID(), line{Task: &t}); err != nil {
			return nil, err
		}
	}
	out := &lookLine{Target: l.Target, Cluster: c.Name, ARN: c.ARN, Seen: c.Seen.At.UTC(), Complete: c.Seen.Complete, Fault: faultOf(c.Err)}
	if c.Seen.Complete {
		out.GoneServices, out.GoneTasks = lacking(is.services, services), lacking(is.tasks, tasks)
	}
	return out, nil
}

// readings writes what was read of each service, and gives the line that ends them. Each minute has new data, so nothing is
// left out as known.
func (w *Writer) readings(m Metrics) (*metricsLine, error) {
	for _, key := range slices.SortedFunc(maps.Keys(m.Read), fleet.Key.Compare) {
		if err := w.line(line{Reading: &readingLine{key, maskedMetrics(m.Read[key])}}); err != nil {
			return nil, err
		}
	}
	return &metricsLine{m.Target}, nil
}

// listing writes the alarms that are not as the file has them, and gives the line that ends them.
func (w *Writer) listing(a Alarms) (*alarmsLine, error) {
	out := &alarmsLine{Target: a.Target, Looked: a.Looked.UTC(), Fault: faultOf(a.Err)}
	if a.Err != nil {
		return out, nil //nolint:nilerr // the error is what is written
	}
	if w.alarms[a.Target] == nil {
		w.alarms[a.Target] = map[string]uint64{}
	}
	names := make(map[string]bool, len(a.Have))
	for _, h := range a.Have {
		names[h.Name] = true
		h = maskedAlarm(h)
		if err := w.changed(w.alarms[a.Target], h.Name, line{Alarm: &h}); err != nil {
			return nil, err
		}
	}
	out.Gone = lacking(w.alarms[a.Target], names)
	text, err := json.Marshal(a.Facts)
	if err != nil {
		return nil, fmt.Errorf("encode what is known of alarms: %w", err)
	}
	if hash := maphash.Bytes(w.seed, text); w.facts[a.Target] != hash {
		w.facts[a.Target], out.Facts = hash, &a.Facts
	}
	return out, nil
}

// changed writes a line where the file has another one under that name, or none.
func (w *Writer) changed(was map[string]uint64, name string, l line) error {
	text, err := w.encode(l)
	if err != nil {
		return err
	}
	hash := maphash.Bytes(w.seed, text)
	if had, ok := was[name]; ok && had == hash {
		return nil
	}
	was[string([]byte(name))] = hash // a copy: the name may be cut from a whole answer
	_, err = w.gz.Write(text)
	return err
}

// lacking takes out of was what is not there any more, and names it.
func lacking(was map[string]uint64, is map[string]bool) []string {
	var out []string
	for name := range was {
		if !is[name] {
			out = append(out, name)
			delete(was, name)
		}
	}
	slices.Sort(out)
	return out
}
