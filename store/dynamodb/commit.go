package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"taskwarden/contain"
	"taskwarden/store"
)

const (
	// commitWithin bounds one transaction with all its repeats.
	commitWithin = 30 * time.Second
	// busyTries is how often a transaction is made again that DynamoDB cancelled since another one had an item, or since it
	// was asked too much; with backoff between, up to 6 seconds in all.
	busyTries = 10
)

// Commit is store.Store's. A context that ends while the commit waits for its turn takes it back; one that ends later
// leaves it unknown whether the commit takes place.
func (s *Store) Commit(ctx context.Context, writes ...store.Write) error {
	if err := store.ValidateCommit(writes); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	defer s.calls.Done()
	if len(writes) == 0 {
		return nil
	}
	err := s.list(ctx, writes)
	if err == nil {
		err = s.await(ctx, newRequest(writes))
	}
	if _, conflict := errors.AsType[*store.Conflict](err); conflict || err == nil {
		return err
	}
	return fmt.Errorf("commit %d writes, first %s %q: %w", len(writes), writes[0].Kind, writes[0].Key, err)
}

// await returns the answer to r.
func (s *Store) await(ctx context.Context, r *request) error {
	if s.queue.add(r) {
		s.calls.Add(1) // this call is under way, so Close has not passed yet
		contain.Go(contain.Commit, "the queue", func() error { s.empty(); return nil }, func(panicked error) {
			if panicked != nil {
				s.queue.fail(panicked)
			}
			s.calls.Done()
		})
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		if s.queue.withdraw(r) {
			return ended(ctx)
		}
		return fmt.Errorf("the commit is under way: %w", ended(ctx))
	}
}

// empty commits what waits until nothing does. A panic while a group is committed answers those of the group that have no
// answer yet, and the next group is committed.
func (s *Store) empty() {
	for group := s.queue.take(); len(group) > 0; group = s.queue.take() {
		if err := contain.Do(contain.Commit, fmt.Sprintf("a group of %d", len(group)), func() error { s.commit(group); return nil }); err != nil {
			answer(group, err)
		}
	}
}

// answer gives those of a group that have no answer yet an error after a panic.
func answer(group []*request, panicked error) {
	for _, r := range group {
		select {
		case <-r.done:
		default:
			r.answer(fmt.Errorf("whether it was written is unknown: %w", panicked))
		}
	}
}

// commit answers a group of requests. Those whose conditions do not hold get their conflict, and the others are tried again
// without them.
func (s *Store) commit(group []*request) {
	ctx, cancel := context.WithTimeout(context.Background(), commitWithin)
	defer cancel()
	for busy := 0; len(group) > 0; {
		now := s.table.now()
		err := s.transact(ctx, group, now)
		canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
		if !ok {
			s.conclude(group, err)
			return
		}
		v := judge(canceled.CancellationReasons, group, now)
		if v.err != nil { // nobody's own
			s.conclude(group, v.err)
			return
		}
		group = v.again
		if len(group) == 0 || v.busy == "" && v.odd == "" {
			continue
		}
		if busy++; busy >= busyTries || !sleep(ctx, backoff(busy)) {
			s.conclude(group, v.gaveUp(busy))
			return
		}
	}
}

// conclude answers all requests of a group alike. When DynamoDB calls a group invalid, each is tried alone, so that nobody
// pays for another's.
func (s *Store) conclude(group []*request, err error) {
	if errors.Is(err, store.ErrFenced) {
		s.lease.Lose(err)
	}
	if code := codeOf(err); code == "ValidationException" && len(group) > 1 {
		for _, r := range group {
			s.commit([]*request{r})
		}
		return
	}
	err = s.table.explain("TransactWriteItems", err)
	for _, r := range group {
		r.answer(err)
	}
}

// transact makes one transaction of a group, behind the fence. The SDK gives it a client token, so that its repeats of a
// call that was not answered count once.
func (s *Store) transact(ctx context.Context, group []*request, now time.Time) error {
	select {
	case <-s.lease.Done():
		return fmt.Errorf("%w: nothing was sent: %w", store.ErrFenced, s.lease.Err())
	default:
	}
	actions := []types.TransactWriteItem{s.table.fenced(s.lease.Epoch())}
	for _, r := range group {
		for i, w := range r.writes {
			actions = append(actions, s.table.action(w, r.over[i], now))
		}
	}
	doubt := false
	ctx = context.WithValue(ctx, doubtKey{}, &doubt)
	_, err := s.table.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: actions})
	if doubt && throttles.IsErrorThrottle(err) == aws.TrueTernary {
		return fmt.Errorf("%w: an attempt was not answered and may have taken place, and later ones were throttled: %s",
			store.ErrUnavailable, s.table.explain("TransactWriteItems", err))
	}
	return err
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
