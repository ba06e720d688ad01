package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	logtest "go.uber.org/zap/zaptest/observer"

	"taskwarden/cmd/controller/config"
	"taskwarden/store"
	"taskwarden/store/lease"
	"taskwarden/store/memory"
)

// refusing is a store whose reads fail as a test says.
type refusing struct {
	store.Store
	mu  sync.Mutex
	err error
}

func (r *refusing) set(err error) { r.mu.Lock(); defer r.mu.Unlock(); r.err = err }

func (r *refusing) now() error { r.mu.Lock(); defer r.mu.Unlock(); return r.err }

func (r *refusing) Get(ctx context.Context, kind, key string) (store.Item, error) {
	if err := r.now(); err != nil {
		return store.Item{}, err
	}
	return r.Store.Get(ctx, kind, key)
}

func (r *refusing) Range(ctx context.Context, kind, prefix, after string, limit int) ([]store.Item, error) {
	if err := r.now(); err != nil {
		return nil, err
	}
	return r.Store.Range(ctx, kind, prefix, after, limit)
}

func (r *refusing) Close() error { return nil } // the next owner of it goes on

// stage is a process on a store, in a bubble.
type stage struct {
	*generations
	engine *refusing
	takes  int
	lost   chan struct{} // of the last take
	logs   *logtest.ObservedLogs
	cfg    config.Config
}

func newStage(t *testing.T) *stage {
	t.Helper()
	w := opened(t, scenario(t, "incident", nil))
	base := aws.Config{Region: w.Region(), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient: w.Transport(), BaseEndpoint: aws.String("http://account.invalid")}
	core, logs := logtest.New(zap.InfoLevel)
	cfg, err := config.Load("test", []byte("apiVersion: taskwarden/v1\nkind: ControllerConfig\nwatch: {resync: 1m}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{engine: &refusing{Store: memory.New(time.Now)}, logs: logs, cfg: cfg}
	k := &keeper{log: zap.New(core), owner: prometheus.NewGauge(prometheus.GaugeOpts{Name: "owner"})}
	k.own = func(context.Context) (held, error) {
		s.takes++
		s.lost = make(chan struct{})
		return held{Monitor: store.NewMonitor(s.engine, k.trouble), lost: s.lost}, nil
	}
	s.generations = &generations{keeper: k, a: newApp(), log: k.log, base: base, process: prometheus.NewRegistry(), reloads: newReloads(prometheus.NewRegistry())}
	return s
}

func (s *stage) begin(ctx context.Context) (ended chan error) {
	ended = make(chan error, 1)
	go func() { ended <- s.run(ctx, s.cfg, make(chan error)) }()
	return ended
}

// runs demands that the process has not ended, and says whether a controller runs in it.
func (s *stage) runs(t *testing.T, ended chan error) bool {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ended:
		t.Fatalf("the process ended: %v", err)
	default:
	}
	return s.current() != nil
}

// TestOpeningIsTriedAsLongAsTheLeaseLasts: reads that fail for a reason that passes keep an owner from starting, never end the
// process, and /readyz says so; where the lease ends meanwhile, the next take goes on.
func TestOpeningIsTriedAsLongAsTheLeaseLasts(t *testing.T) {
	for _, class := range []error{store.ErrThrottled, store.ErrUnavailable} {
		for _, lose := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.engine.set(class)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ended := s.begin(ctx)
				time.Sleep(20 * time.Second)
				if s.runs(t, ended) {
					t.Error("a controller runs on what it could not read")
				}
				if text := s.keeper.state.starting(); !strings.Contains(text, "reads what it remembers: "+class.Error()) || s.keeper.state.standby() != "" {
					t.Errorf("it says %q", text)
				}
				if lose {
					close(s.lost)
					time.Sleep(5 * time.Second)
					s.runs(t, ended)
				}
				s.engine.set(nil)
				time.Sleep(10 * time.Second)
				if !s.runs(t, ended) || s.takes != map[bool]int{false: 1, true: 2}[lose] {
					t.Errorf("after the fault no controller runs, or it was taken %d times", s.takes)
				}
				if n := s.logs.FilterMessageSnippet("the store cannot be read").Len(); n > 2 {
					t.Errorf("%d lines of one fault", n)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestReloadWaitsForTheStore: a reload whose reads are throttled waits, and nothing is shown of the controller that has ended.
func TestReloadWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var err error
		if s.held, err = s.keeper.take(ctx); err != nil {
			t.Fatal(err)
		}
		changed, ended := make(chan config.Config), make(chan error, 1)
		go func() { _, err := s.rule(ctx, s.cfg, changed, make(chan error)); ended <- err }()
		time.Sleep(5 * time.Minute)
		if !s.runs(t, ended) {
			t.Fatal("no controller runs")
		}
		next := s.cfg
		next.Detect.Threshold = 7
		s.engine.set(store.ErrThrottled)
		changed <- next
		time.Sleep(30 * time.Second)
		if s.runs(t, ended) {
			t.Error("the controller that has ended is still shown")
		}
		s.engine.set(nil)
		time.Sleep(15 * time.Second)
		if !s.runs(t, ended) {
			t.Error("no controller runs after the fault")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestOpeningEndsOnWhatCannotPass: a person has to act, so the process says what to do and ends.
func TestOpeningEndsOnWhatCannotPass(t *testing.T) {
	for _, err := range []error{store.ErrDenied, store.ErrHalfCopied, lease.ErrUnfit} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			s.engine.set(err)
			if got := <-s.begin(t.Context()); !errors.Is(got, err) {
				t.Errorf("error %v, want %v", got, err)
			}
		})
	}
}

// TestOwnershipIsNamed: what /readyz says of who owns the store, without what went wrong in detail.
func TestOwnershipIsNamed(t *testing.T) {
	var o ownership
	cfg, err := config.Load("test", []byte("apiVersion: taskwarden/v1\nkind: ControllerConfig\n"))
	if err != nil {
		t.Fatal(err)
	}
	o.allows(cfg)
	same := o.configuration()
	cfg.Alarms.Mode = config.AlarmsEnsure
	o.allows(cfg)
	if same == o.configuration() {
		t.Fatal("the mode of alarms does not show in what is compared")
	}
	for _, tt := range []struct {
		seen              lease.Seen
		standby, starting string
	}{
		{lease.Seen{Holder: "host-7/1", Note: o.configuration()}, "standby: host-7/1 owns the store", ""},
		{lease.Seen{Holder: "host-7/1", Note: same}, "standby: host-7/1 owns the store (its configuration allows other things than this replica's, see the log)", ""},
		{lease.Seen{Holder: "host-7/1"}, "standby: host-7/1 owns the store", ""}, // an older program says nothing of itself
		{lease.Seen{Err: store.ErrThrottled}, "", "waiting for the store: its owner cannot be found out: store is throttled, see the log"},
		{lease.Seen{Err: errors.New("role/secret")}, "", "waiting for the store: its owner cannot be found out: see the log"},
	} {
		o.waits(tt.seen)
		if o.standby() != tt.standby || o.starting() != tt.starting {
			t.Errorf("%+v: %q and %q", tt.seen, o.standby(), o.starting())
		}
	}
}
