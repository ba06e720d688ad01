package cloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"taskwarden/contain"
	"taskwarden/reconciler/fleet"
)

// What one call takes (Amazon ECS API reference).
const (
	listPage      = 100
	servicesACall = 10
	tasksACall    = 100
)

// stoppedTasks are the stopped tasks of one cluster that AWS still lists, by ARN. A stopped task never changes again, so
// one seen with last status STOPPED is not described twice. nil: of no watched service.
type stoppedTasks map[string]*fleet.Task

// look is one look at one cluster.
type look struct {
	account *Account
	cluster clusterRef
	names   *names
	known   known // of the look before
}

// look reads services and tasks side by side: they draw on different buckets. A cluster that does not exist (any more)
// is an answer: complete, with nothing in it.
func (a *Account) look(ctx context.Context, ref clusterRef, n *names) fleet.Cluster {
	out := fleet.Cluster{ARN: ref.arn, Name: ref.name, Seen: fleet.Seen{At: time.Now()}}
	l := look{a, ref, n, a.knownIn(ref.name)}
	var (
		group               = contain.NewGroup(0)
		ofServices, ofTasks error
		listed              map[string]bool
	)
	group.Go(contain.Look, "services of "+ref.name, func() (err error) { out.Services, listed, err = l.services(ctx); return err },
		func(err error) { ofServices = err })
	group.Go(contain.Look, "tasks of "+ref.name, func() (err error) { out.Tasks, err = l.tasks(ctx); return err },
		func(err error) { ofTasks = err })
	_ = group.Wait()                               // ofServices and ofTasks have the errors
	if vanished(ofServices) && vanished(ofTasks) { // one alone contradicts the other: nothing can be concluded
		return fleet.Cluster{ARN: ref.arn, Name: ref.name, Seen: fleet.Seen{At: out.Seen.At, Complete: true}}
	}
	if ofServices == nil {
		ofServices = l.missServices(ctx, &out, listed)
	}
	out.Err = cmp.Or(ofServices, ofTasks)
	out.Seen.Complete = out.Err == nil
	a.keepKnown(out, l.known)
	if out.ARN == "" && len(out.Services) > 0 {
		out.ARN = out.Services[0].ClusterARN
	}
	slices.SortFunc(out.Services, func(x, y fleet.Service) int { return cmp.Compare(x.Name, y.Name) })
	slices.SortFunc(out.Tasks, func(x, y fleet.Task) int { return cmp.Compare(x.ARN, y.ARN) })
	return out
}

func vanished(err error) bool {
	f, ok := errors.AsType[*fleet.Fault](err)
	return ok && f.Code == "ClusterNotFoundException"
}

// services reads what it can, and names what was listed; the error is the first reason why that is not all.
func (l look) services(ctx context.Context) ([]fleet.Service, map[string]bool, error) {
	var out []fleet.Service
	listed := map[string]bool{}
	describe := batch{size: servicesACall, do: func(arns []string) error {
		read, err := l.describeServices(ctx, arns, listed)
		out = append(out, read...)
		return err
	}}
	pages := ecs.NewListServicesPaginator(l.account.ecs, &ecs.ListServicesInput{
		Cluster: &l.cluster.name, MaxResults: aws.Int32(listPage), // AWS's default is 10
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			ofRest := describe.rest()
			return out, listed, cmp.Or(fmt.Errorf("list services of %s: %w", l.cluster.name, plain(err)), ofRest)
		}
		for _, arn := range page.ServiceArns {
			if name := fleet.NameOf(arn); l.account.o.Scope.Watches(l.cluster.name, name) {
				listed[name] = true
				describe.add(arn)
			}
		}
	}
	err := describe.rest()
	return out, listed, err
}

func (l look) describeServices(ctx context.Context, arns []string, listed map[string]bool) ([]fleet.Service, error) {
	answer, err := call(ctx, l.account.ecs.DescribeServices, &ecs.DescribeServicesInput{Cluster: &l.cluster.name, Services: arns})
	if err != nil {
		return nil, fmt.Errorf("describe services of %s: %w", l.cluster.name, err)
	}
	out := make([]fleet.Service, 0, len(answer.Services))
	for _, s := range answer.Services {
		out = append(out, serviceOf(s, l.names))
		if told := l.account.o.Events; told != nil {
			told(aws.ToString(s.ServiceArn), eventsOf(s.Events))
		}
	}
	err = cmp.Or(l.unread("DescribeServices", len(arns)-len(out), answer.Failures),
		contradicted("DescribeServices", l.cluster.name, failed(answer.Failures), l.known.services, listed))
	return out, err
}

// tasks lists the running ones first: one that stops between the two lists is then in both, where the other order would
// have it in neither. The error is the first reason why the tasks returned are not all.
func (l look) tasks(ctx context.Context) ([]fleet.Task, error) {
	was := l.account.stoppedIn(l.cluster.name)
	now := stoppedTasks{}
	var out []fleet.Task
	var lacking []string
	seen, unlisted := map[string]bool{}, map[string]bool{}
	keep := func(t *fleet.Task) {
		if t != nil {
			out = append(out, *t)
		}
	}
	describe := batch{size: tasksACall, do: func(arns []string) error {
		read, err := l.describeTasks(ctx, arns, seen)
		for _, t := range read {
			if unlisted[t.ID()] && lingering(t, time.Now()) {
				lacking = append(lacking, t.ID())
			}
			watched := &t
			if name := t.ServiceName(); name == "" || !l.account.o.Scope.Watches(l.cluster.name, name) {
				watched = nil
			}
			if t.Stopped() {
				now[t.ARN] = watched
			}
			keep(watched)
		}
		return err
	}}
	listed := func(arn string) {
		seen[fleet.NameOf(arn)] = true
		known, ok := was[arn]
		if !ok {
			describe.add(arn)
		} else if _, twice := now[arn]; !twice {
			now[arn] = known
			keep(known)
		}
	}
	err := l.listTasks(ctx, types.DesiredStatusRunning, listed)
	ofStopped := l.listTasks(ctx, types.DesiredStatusStopped, listed)
	if err = cmp.Or(err, ofStopped); err == nil {
		for _, id := range l.known.tasks {
			if !seen[id] {
				unlisted[id] = true
				describe.add(id)
			}
		}
	}
	err = cmp.Or(err, describe.rest())
	if err == nil && len(lacking) > 0 {
		err = notWhole("ListTasks", l.cluster.name, lacking)
	}
	l.account.keepStopped(l.cluster.name, was, now, err == nil)
	return out, err
}

func (l look) listTasks(ctx context.Context, desired types.DesiredStatus, each func(arn string)) error {
	pages := ecs.NewListTasksPaginator(l.account.ecs, &ecs.ListTasksInput{
		Cluster: &l.cluster.name, DesiredStatus: desired, MaxResults: aws.Int32(listPage),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list %s tasks of %s: %w", desired, l.cluster.name, plain(err))
		}
		for _, arn := range page.TaskArns {
			each(arn)
		}
	}
	return nil
}

func (l look) describeTasks(ctx context.Context, arns []string, listed map[string]bool) ([]fleet.Task, error) {
	answer, err := call(ctx, l.account.ecs.DescribeTasks, &ecs.DescribeTasksInput{Cluster: &l.cluster.name, Tasks: arns})
	if err != nil {
		return nil, fmt.Errorf("describe tasks of %s: %w", l.cluster.name, err)
	}
	out := make([]fleet.Task, 0, len(answer.Tasks))
	for _, t := range answer.Tasks {
		out = append(out, taskOf(t, l.names))
	}
	err = cmp.Or(l.unread("DescribeTasks", len(arns)-len(out), answer.Failures),
		contradicted("DescribeTasks", l.cluster.name, failed(answer.Failures), l.known.tasks, listed))
	return out, err
}

// unread is nil where each of the missing ones is told to be MISSING: what was listed a moment ago and is gone is an
// answer. Any other reason is not, and neither is silence.
func (l look) unread(op string, missing int, failures []types.Failure) error {
	for _, f := range failures {
		if reason := aws.ToString(f.Reason); reason != "MISSING" {
			return fmt.Errorf("%s in %s: %s could not be read: %s %s",
				op, l.cluster.name, fleet.NameOf(aws.ToString(f.Arn)), reason, aws.ToString(f.Detail))
		}
	}
	if missing > len(failures) {
		return fmt.Errorf("%s in %s: AWS says nothing about %d of those asked for", op, l.cluster.name, missing-len(failures))
	}
	return nil
}

// failed names what an answer could not give.
func failed(failures []types.Failure) []string {
	var out []string
	for _, f := range failures {
		out = append(out, fleet.NameOf(aws.ToString(f.Arn)))
	}
	return out
}

func (a *Account) stoppedIn(cluster string) stoppedTasks {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stopped[cluster]
}

// keepStopped replaces what is known of the cluster's stopped tasks; after a partial look it only adds.
func (a *Account) keepStopped(cluster string, was, now stoppedTasks, complete bool) {
	if !complete {
		for arn, t := range was {
			if _, ok := now[arn]; !ok {
				now[arn] = t
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped[cluster] = now
}
