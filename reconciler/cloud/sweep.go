package cloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"taskwarden/contain"
	"taskwarden/reconciler/fleet"
)

// clustersAtOnce are looked at side by side. The budget, not this, bounds the pace while calls take less than 0.2 s (at a
// quarter of the documented rates: 0.8 s), and each holds its tasks until its look ends: 8 took about 25 MiB more RSS at 50,000
// tasks, and no less time (docs/performance.md).
const clustersAtOnce = 4

type clusterRef struct {
	name string
	arn  string // "": only the name is known
}

// Sweep looks at every service and task of the scope with as few calls as AWS's pages and batches allow. visit gets
// each cluster as soon as it was read, one at a time; a cluster that failed comes with what was read and is not
// complete, and never stops the others. A task with no watched service is left out. Containers of stopped tasks are
// shared between sweeps and must not be changed. A panic in a look, or in visit, leaves its cluster and the sweep incomplete.
//
// Where the clusters cannot be listed, the sweep is not complete, and those of the last complete listing are still
// looked at, unless there are no credentials; a cluster that a listing lacks is gone only when it does not answer either. Where listing is merely denied and the scope names its clusters without
// wildcards, those names are the listing.
func (a *Account) Sweep(ctx context.Context, visit func(fleet.Cluster)) fleet.Sweep {
	began := time.Now()
	ctx, calls := withTally(ctx)
	refs, unlisted, err := a.listClusters(ctx)
	out := fleet.Sweep{Err: err, Clusters: make([]string, 0, len(refs))}
	var (
		mu      sync.Mutex
		group   = contain.NewGroup(clustersAtOnce)
		seen    = newNames()
		there   []clusterRef
		lacking []string
	)
	for n, ref := range slices.Concat(refs, unlisted) {
		var c fleet.Cluster
		began := time.Now()
		group.Go(contain.Look, ref.name, func() error { c = a.look(ctx, ref, seen); return nil }, func(panicked error) {
			if panicked != nil {
				c = unreadCluster(ref, began, panicked)
			}
			mu.Lock()
			defer mu.Unlock()
			if n >= len(refs) {
				if departed(c) {
					return
				}
				lacking = append(lacking, ref.name)
			}
			there = append(there, ref)
			ofVisit := contained(visit, c)
			out.Err = cmp.Or(out.Err, c.Err, ofVisit)
		})
	}
	_ = group.Wait() // no function returns an error: each cluster carries its own
	slices.SortFunc(there, func(x, y clusterRef) int { return cmp.Compare(x.name, y.name) })
	for _, ref := range there {
		out.Clusters = append(out.Clusters, ref.name)
	}
	if err == nil {
		a.remain(there)
	}
	if out.Err == nil && len(lacking) > 0 {
		out.Err = notWhole("ListClusters", "", lacking)
	}
	out.Seen = fleet.Seen{At: began, Complete: out.Err == nil}
	out.Calls, out.Took, out.Floor = calls.total(), time.Since(began), calls.floor(a.budgets)
	return out
}

// unreadCluster is a cluster of which nothing was read: neither healthy nor gone.
func unreadCluster(ref clusterRef, at time.Time, err error) fleet.Cluster {
	return fleet.Cluster{ARN: ref.arn, Name: ref.name, Seen: fleet.Seen{At: at}, Err: err}
}

// contained visits c. After a panic it visits c once more as a cluster that could not be read, so that what was known of it
// before is marked stale.
func contained(visit func(fleet.Cluster), c fleet.Cluster) error {
	err := contain.Do(contain.Intake, c.Name, func() error { visit(c); return nil })
	if err != nil {
		// A second panic adds nothing: the first one made the sweep incomplete.
		_ = contain.Do(contain.Intake, c.Name, func() error { visit(unreadCluster(clusterRef{c.Name, c.ARN}, c.Seen.At, err)); return nil })
	}
	return err
}

// listClusters names the clusters to look at, also beside an error, and those that a whole listing lacks and that were
// there at the last look.
func (a *Account) listClusters(ctx context.Context) (refs, unlisted []clusterRef, err error) {
	refs, err = a.readClusters(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		return refs, missClusters(a.clusters, refs), nil
	}
	if fleet.DeniedAction(err) == "ecs:ListClusters" {
		if named, ok := literal(a.o.Scope); ok {
			return named, nil, nil
		}
	}
	_, noCredentials := errors.AsType[*CredentialsError](err)
	if noCredentials || ctx.Err() != nil {
		return nil, nil, err
	}
	return a.clusters, nil, err
}

// remain keeps what a whole listing and the looks after it found to be there, and drops what is known of other clusters.
func (a *Account) remain(there []clusterRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clusters = there
	a.forget(there)
}

func (a *Account) readClusters(ctx context.Context) ([]clusterRef, error) {
	var refs []clusterRef
	pages := ecs.NewListClustersPaginator(a.ecs, &ecs.ListClustersInput{MaxResults: aws.Int32(100)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list clusters: %w", plain(err))
		}
		for _, arn := range page.ClusterArns {
			a.budgets.learn(a.account, fleet.AccountOf(arn))
			if name := fleet.NameOf(arn); a.o.Scope.Cluster(name) {
				refs = append(refs, clusterRef{name, arn})
			}
		}
	}
	slices.SortFunc(refs, func(x, y clusterRef) int { return cmp.Compare(x.name, y.name) })
	return refs, nil
}

// forget drops what is kept of clusters that are gone. a.mu is held.
func (a *Account) forget(listed []clusterRef) {
	for name := range a.stopped {
		if !slices.ContainsFunc(listed, func(r clusterRef) bool { return r.name == name }) {
			delete(a.stopped, name)
		}
	}
	for name := range a.known {
		if !slices.ContainsFunc(listed, func(r clusterRef) bool { return r.name == name }) {
			delete(a.known, name)
		}
	}
}

// literal is the scope's clusters, if all are named without wildcards.
func literal(s fleet.Scope) ([]clusterRef, bool) {
	var refs []clusterRef
	for _, name := range s.Clusters {
		if strings.ContainsAny(name, `*?[\`) {
			return nil, false
		}
		if s.Cluster(name) {
			refs = append(refs, clusterRef{name: name})
		}
	}
	return refs, len(s.Clusters) > 0
}
