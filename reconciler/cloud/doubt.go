package cloud

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/fleet"
)

// A list can lie without an error: a page that is lost behind a dropped token, an empty answer of a replica that lags. So
// nothing is gone because one list does not name it. What the last look read, and what running tasks belong to, is asked
// for by name where a list lacks it; what then answers proves the list not whole, and the look not complete. In a steady
// state nothing is lacking, and this costs no call.

// stoppedShown is how long AWS surely lists a stopped task (DescribeTasks: "at least one hour"), less the time of a look.
const stoppedShown = 55 * time.Minute

// known is what the last look at a cluster read, by what DescribeServices and DescribeTasks take beside an ARN: names and
// ids.
type known struct {
	services nameSet // that were ACTIVE
	tasks    nameSet // that had not stopped
}

// nameSet is sorted, and its names share one block of memory: there is one for each task of an account.
type nameSet []string

func nameSetOf(set map[string]bool) nameSet {
	block := strings.Join(slices.Sorted(maps.Keys(set)), "\n")
	if block == "" {
		return nil
	}
	return strings.Split(block, "\n")
}

func (n nameSet) has(name string) bool {
	_, ok := slices.BinarySearch(n, name)
	return ok
}

// notWhole is the fault of a list that lacks what is there.
func notWhole(list, cluster string, lacking []string) error {
	slices.Sort(lacking)
	shown := strings.Join(lacking[:min(len(lacking), 5)], ", ")
	where := ""
	if cluster != "" {
		where = " of " + cluster
	}
	return &fleet.Fault{Operation: "ecs:" + list, Action: "ecs:" + list,
		Err: fmt.Errorf("the list%s was not whole: it lacks %d that answer when asked for (%s)", where, len(lacking), shown)}
}

// missServices asks for the services that must be there and were not listed.
func (l look) missServices(ctx context.Context, c *fleet.Cluster, listed map[string]bool) error {
	ask := map[string]bool{}
	for _, name := range l.known.services {
		ask[name] = !listed[name]
	}
	for _, t := range c.Tasks {
		if name := t.ServiceName(); t.DesiredStatus == fleet.StatusRunning {
			ask[name] = !listed[name]
		}
	}
	var lacking []string
	describe := batch{size: servicesACall, do: func(names []string) error {
		read, err := l.describeServices(ctx, names, nil)
		for _, s := range read {
			if s.Status != "ACTIVE" { // a deleted service is listed no more, and answers for a while
				continue
			}
			c.Services = append(c.Services, s)
			if l.known.services.has(s.Name) { // or it was made since the list
				lacking = append(lacking, s.Name)
			}
		}
		return err
	}}
	for _, name := range slices.Sorted(maps.Keys(ask)) {
		if ask[name] {
			describe.add(name)
		}
	}
	if err := describe.rest(); err != nil {
		return err
	}
	if len(lacking) > 0 {
		return notWhole("ListServices", l.cluster.name, lacking)
	}
	return nil
}

// lingering tells an answer about a task that no list named and one of them should have.
func lingering(t fleet.Task, now time.Time) bool {
	return !t.Stopped() || now.Sub(t.EndedAt()) < stoppedShown
}

// contradicted finds what was read last time, was listed now, and is told to be MISSING: one of the two answers is wrong,
// or it went between them, which the next list tells.
func contradicted(op, cluster string, missing []string, was nameSet, listed map[string]bool) error {
	for _, name := range missing {
		if listed[name] && was.has(name) {
			return fmt.Errorf("%s in %s: %s is listed, was there before, and is told to be MISSING", op, cluster, name)
		}
	}
	return nil
}

// keepKnown replaces what is known of the cluster; after a partial look it only adds.
func (a *Account) keepKnown(c fleet.Cluster, was known) {
	services, tasks := map[string]bool{}, map[string]bool{}
	if !c.Seen.Complete {
		for _, name := range was.services {
			services[name] = true
		}
		for _, id := range was.tasks {
			tasks[id] = true
		}
	}
	for _, s := range c.Services {
		if s.Status == "ACTIVE" {
			services[s.Name] = true
		}
	}
	for _, t := range c.Tasks {
		if t.Stopped() {
			delete(tasks, t.ID())
		} else {
			tasks[t.ID()] = true
		}
	}
	is := known{nameSetOf(services), nameSetOf(tasks)}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known[c.Name] = is
}

func (a *Account) knownIn(cluster string) known {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known[cluster]
}

// missClusters gives the clusters of the last listing that this one lacks.
func missClusters(was, listed []clusterRef) []clusterRef {
	return slices.DeleteFunc(slices.Clone(was), func(r clusterRef) bool {
		return slices.ContainsFunc(listed, func(l clusterRef) bool { return l.name == r.name })
	})
}

// departed tells that a cluster which is listed no more has nothing in it, or cannot be asked for any more.
func departed(c fleet.Cluster) bool {
	if c.Err != nil {
		return errors.Is(c.Err, fleet.ErrNotFound) || errors.Is(c.Err, fleet.ErrTerminal)
	}
	return len(c.Services) == 0 && len(c.Tasks) == 0
}
