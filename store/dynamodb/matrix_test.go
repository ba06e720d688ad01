package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"taskwarden/store"
	"taskwarden/store/lease"
	"taskwarden/store/memory"
	"taskwarden/test/faulty"
	"taskwarden/test/peer"
)

const (
	faultLasts = 20 * time.Second
	// healsWithin is how long after a fault everything may take to work again: the time of a lease and two looks.
	healsWithin = 12 * time.Second
)

// matrixFault is what goes wrong between the first replica and the table, or in the table.
type matrixFault struct {
	name string
	rule func(faulty.Call) faulty.Fate
	do   func(*scene) // once, at the beginning
	undo func(*scene) // once, at the end
	says string       // what an error must name
}

func always(f faulty.Fate) func(faulty.Call) faulty.Fate {
	return func(faulty.Call) faulty.Fate { return f }
}

func matrixFaults() []matrixFault {
	refuse := func(code, message string) func(faulty.Call) faulty.Fate {
		return always(faulty.Fate{Answer: faulty.Exception(code, message)})
	}
	return []matrixFault{
		{name: "denied", rule: refuse("AccessDeniedException", "not authorized to perform: dynamodb:Some on resource: x"), says: "allow the IAM action dynamodb:Some"},
		{name: "throttled", rule: refuse("ThrottlingException", "slow down"), says: "throttled"},
		{name: "conflict", rule: conflicts, says: "Conflict"},
		{name: "500", rule: always(faulty.Fate{Status: 500, Answer: faulty.Exception("InternalServerError", "sorry")}), says: "InternalServerError"},
		{name: "reset", rule: always(faulty.Fate{Reset: true}), says: "no answer from DynamoDB"},
		{name: "slow 1.6 s", rule: always(faulty.Fate{After: 1600 * time.Millisecond})},
		{name: "slow 20 s", rule: always(faulty.Fate{After: 20 * time.Second}), says: "no answer"},
		{name: "sent late", rule: always(faulty.Fate{Before: 20 * time.Second}), says: "no answer"},
		{name: "lost reply", rule: always(faulty.Fate{Lose: true}), says: "no answer from DynamoDB"},
		{name: "lost, then throttled", rule: lostThenThrottled, says: "throttled"},
		{name: "credentials expired", rule: refuse("ExpiredTokenException", "expired"), says: "did not accept the credentials"},
		{name: "lease deleted", do: func(s *scene) { s.remove(leaseKey) }, says: "was deleted"},
		{name: "fence deleted", do: func(s *scene) { s.remove(fenceKey) }, says: "was deleted"},
		{name: "lease and fence deleted", do: func(s *scene) { s.remove(leaseKey); s.remove(fenceKey) }, says: "was deleted"},
		{name: "table deleted", do: (*scene).drop, undo: func(s *scene) { peer.TableBy(s.t, s.plain, s.name) }, says: "there is no table"},
	}
}

// conflicts cancels each write since another one has its item.
func conflicts(c faulty.Call) faulty.Fate {
	switch c.Op {
	case "TransactWriteItems":
		return faulty.Fate{Answer: cancelled(c, reasonConflict)}
	case "Query", "GetItem":
		return faulty.Fate{}
	}
	return faulty.Fate{Answer: faulty.Exception("TransactionConflictException", "Transaction is ongoing for the item")}
}

// lostThenThrottled carries the first attempt out, and says of the later ones that they are too many.
func lostThenThrottled(c faulty.Call) faulty.Fate {
	if c.N == 1 {
		return faulty.Fate{Lose: true}
	}
	return faulty.Fate{Answer: faulty.Exception("ThrottlingException", "slow down")}
}

// scene is a table with two replicas, of which the first has a way that fails.
type scene struct {
	t     *testing.T
	name  string
	way   *faulty.Way
	plain aws.Config // that never fails
	a, b  *replica
	fault matrixFault
}

// replica owns the table whenever it can, as a controller does.
type replica struct {
	name  string
	table *Table
	stop  context.CancelFunc
	ended chan struct{}

	mu    sync.Mutex
	store *Store // nil: it stands by
	said  []string
}

func newReplica(t *testing.T, cfg aws.Config, table, name string) *replica {
	t.Helper()
	tb, err := Open(t.Context(), cfg, table, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &replica{name: name, table: tb}
}

func (r *replica) start(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r.stop, r.ended = stop, make(chan struct{})
	go func() {
		defer close(r.ended)
		var before *lease.Lease
		for ctx.Err() == nil {
			// Without Settle a moment in which two may act would show.
			s, err := r.table.Own(ctx, lease.Options{ID: "c", Holder: r.name, Before: before, Settle: 1, Waiting: func(s lease.Seen) { r.hear(s.Err) }})
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("%s gave up: %v", r.name, err)
				}
				return
			}
			r.set(s)
			select {
			case <-s.Lease().Done():
				r.hear(s.Lease().Err())
			case <-ctx.Done():
			}
			before = s.Lease()
			r.set(nil)
			r.hear(s.Close())
		}
	}()
}

func (r *replica) hear(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.said = append(r.said, err.Error())
	}
}

func (r *replica) set(s *Store) { r.mu.Lock(); defer r.mu.Unlock(); r.store = s }

func (r *replica) owned() *Store { r.mu.Lock(); defer r.mu.Unlock(); return r.store }

func (r *replica) acts() bool {
	s := r.owned()
	if s == nil {
		return false
	}
	from, until := s.Lease().Acts()
	return !time.Now().Before(from) && time.Now().Before(until)
}

func (s *scene) remove(key string) {
	db := dynamodb.NewFromConfig(s.plain)
	if _, err := db.DeleteItem(s.t.Context(), &dynamodb.DeleteItemInput{TableName: &s.name, Key: own(key)}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) drop() {
	if _, err := dynamodb.NewFromConfig(s.plain).DeleteTable(s.t.Context(), &dynamodb.DeleteTableInput{TableName: &s.name}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) begin() {
	if s.fault.do != nil {
		s.fault.do(s)
	}
	s.way.Set(s.fault.rule)
}

func (s *scene) end() {
	s.way.Set(nil)
	if s.fault.undo != nil {
		s.fault.undo(s)
	}
}

// owner is the store of the replica that owns the table; nil: none does.
func (s *scene) owner() *Store {
	for _, r := range []*replica{s.a, s.b} {
		if o := r.owned(); o != nil && o.Lease().Err() == nil {
			return o
		}
	}
	return nil
}

func (s *scene) eventually(what string, within time.Duration, ok func() bool) {
	s.t.Helper()
	for began := time.Now(); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > within {
			s.t.Fatalf("%s: not after %s; a heard %q, b heard %q", what, within, s.a.said, s.b.said)
		}
	}
}

// works reports whether the owner can write and read.
func (s *scene) works() bool {
	o := s.owner()
	if o == nil {
		return false
	}
	if err := o.Commit(s.t.Context(), put("alive", "v", store.Any, 0)); err != nil {
		return false
	}
	_, err := o.Get(s.t.Context(), "stop", "alive")
	return err == nil
}

// names demands that an error of the faulted replica names what is wrong.
func (s *scene) names(err error) {
	s.t.Helper()
	if err != nil && s.fault.says != "" && !strings.Contains(err.Error(), s.fault.says) && !errors.Is(err, store.ErrFenced) && !errors.Is(err, store.ErrClosed) {
		s.t.Errorf("error %q does not name %q", err, s.fault.says)
	}
}

// alone demands, all the while, that no two replicas may act.
func (s *scene) alone(ctx context.Context) {
	for ctx.Err() == nil {
		if s.a.acts() && s.b.acts() {
			s.t.Error("two replicas own the table")
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// matrixOps are what a fault strikes. Each runs while the fault does.
var matrixOps = map[string]func(*scene){
	"take": func(s *scene) { // the replicas begin amid the fault
		s.a.start(s.t)
		time.Sleep(faultLasts)
	},
	"renew":     func(s *scene) { time.Sleep(faultLasts) },
	"hand over": func(s *scene) { s.a.stop(); <-s.a.ended; time.Sleep(faultLasts) },
	"commit":    commitAmid,
	"read": func(s *scene) {
		for began := time.Now(); time.Since(began) < faultLasts; time.Sleep(time.Second) {
			if o := s.a.owned(); o != nil {
				it, err := o.Get(s.t.Context(), "stop", "there")
				s.names(err)
				if err == nil && string(it.Body) != "v" || errors.Is(err, store.ErrNotFound) && s.fault.name != "table deleted" {
					s.t.Errorf("read %q, error %v", it.Body, err)
				}
			}
		}
	},
	"range": func(s *scene) {
		for began := time.Now(); time.Since(began) < faultLasts; time.Sleep(time.Second) {
			if o := s.a.owned(); o != nil {
				items, err := o.Range(s.t.Context(), "many", "", "", 0)
				s.names(err)
				if err == nil && len(items) != 30 {
					s.t.Errorf("%d items of 30", len(items))
				}
			}
		}
	},
	"copy": copyAmid,
}

// commitAmid commits two items at a time, and looks at the end what was told of each.
func commitAmid(s *scene) {
	type told struct {
		key string
		err error
	}
	var all []told
	for began := time.Now(); time.Since(began) < faultLasts; time.Sleep(500 * time.Millisecond) {
		o := s.a.owned()
		if o == nil {
			continue
		}
		key := fmt.Sprintf("c%03d", len(all))
		err := o.Commit(s.t.Context(), put(key, "v", store.Absent, 0), put(key+" also", "v", store.Absent, 0))
		s.names(err)
		all = append(all, told{key, err})
	}
	if s.fault.name == "table deleted" {
		return // what was committed went with it
	}
	time.Sleep(faultLasts) // what was sent late has arrived
	for _, c := range all {
		there := s.there(c.key)
		if also := s.there(c.key + " also"); also != there {
			s.t.Errorf("%s is half there: %v", c.key, c.err)
		}
		nothing := false
		for _, class := range []error{store.ErrConflict, store.ErrInvalid, store.ErrTooLarge, store.ErrClosed, store.ErrFenced, store.ErrThrottled} {
			nothing = nothing || errors.Is(c.err, class)
		}
		if c.err == nil && !there || nothing && there {
			s.t.Errorf("%s: there: %v, and told: %v", c.key, there, c.err)
		}
	}
}

// there reads past the store.
func (s *scene) there(key string) bool {
	out, err := dynamodb.NewFromConfig(s.plain).GetItem(s.t.Context(), &dynamodb.GetItemInput{TableName: &s.name, Key: keyOf("stop", key), ConsistentRead: aws.Bool(true)})
	if err != nil {
		s.t.Fatal(err)
	}
	return len(out.Item) > 0
}

// copyAmid reads and fills stores while the fault lasts: a copy that fails leaves a store that says so.
func copyAmid(s *scene) {
	for began := time.Now(); time.Since(began) < faultLasts; time.Sleep(time.Second) {
		o := s.a.owned()
		if o == nil {
			continue
		}
		to := memory.New(time.Now)
		done, err := store.Copy{From: o, To: to, Name: "x"}.Run(s.t.Context())
		s.names(err)
		if whole := store.Whole(s.t.Context(), to); (err == nil) != (whole == nil) && done.Items > 0 {
			s.t.Errorf("copied with error %v, and the copy is whole: %v", err, whole)
		}
		if err == nil && done.Items < 31 {
			s.t.Errorf("%d items copied", done.Items)
		}
	}
}

// TestFaultMatrix plays each fault at each thing that a replica does with the table, on Amazon's own emulator and in virtual time:
// a commit's outcome is never told wrong, no two replicas own the table, no replica gives up, the errors name what is wrong, and
// everything works again soon after.
func TestFaultMatrix(t *testing.T) {
	url, bridge := peer.DynamoDBLocal(t), faulty.NewBridge(t)
	for _, fault := range matrixFaults() {
		for op, run := range matrixOps {
			t.Run(fault.name+"/"+op, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { play(t, url, bridge, fault, op, run) })
			})
		}
	}
}

func play(t *testing.T, url string, bridge *faulty.Bridge, fault matrixFault, op string, run func(*scene)) {
	s := &scene{t: t, way: &faulty.Way{Bridge: bridge}, plain: peer.Config(url), fault: fault}
	s.name = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(t.Name(), "/", "."), " ", "-"), ",", "")
	s.plain.HTTPClient = &faulty.Way{Bridge: bridge}
	cfg := peer.Config(url)
	cfg.HTTPClient = s.way
	peer.TableBy(t, s.plain, s.name)
	s.a, s.b = newReplica(t, cfg, s.name, "a"), newReplica(t, s.plain, s.name, "b")
	ctx, cancel := context.WithCancel(t.Context())
	looked := make(chan struct{})
	go func() { s.alone(ctx); close(looked) }()
	t.Cleanup(func() {
		cancel()
		<-looked
		s.way.Set(nil)
		for _, r := range []*replica{s.a, s.b} {
			if r.stop != nil {
				r.stop()
				<-r.ended
			}
		}
		time.Sleep(faultLasts) // what was sent late arrives in the bubble's time
	})
	if op != "take" {
		s.a.start(t)
		s.eventually("the first replica owns the table", 3*time.Second, func() bool { return s.a.owned() != nil })
		s.fill()
		s.b.start(t)
		time.Sleep(10 * time.Second)
	}
	s.begin()
	run(s)
	s.end()
	s.eventually("all works again", healsWithin, s.works)
	if said := slices.Concat(s.a.said, s.b.said); fault.says != "" && (op == "take" || op == "renew") &&
		len(said) > 0 && !strings.Contains(fmt.Sprint(said), fault.says) {
		t.Errorf("a heard %q, b heard %q: none names %q", s.a.said, s.b.said, fault.says)
	}
}

// fill makes something to read.
func (s *scene) fill() {
	o := s.a.owned()
	writes := []store.Write{put("there", "v", store.Any, 0)}
	for i := range 30 {
		writes = append(writes, store.Write{Item: store.Item{Kind: "many", Key: fmt.Sprint(i), Body: []byte("v")}})
	}
	if err := o.Commit(s.t.Context(), writes...); err != nil {
		s.t.Fatal(err)
	}
}
