package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskwarden/store"
	"taskwarden/store/memory"
)

// failing is a store whose calls fail as a test says; each takes a millisecond.
type failing struct {
	store.Store
	mu     sync.Mutex
	err    func(busy int) error // by how many calls are under way
	busy   int
	most   int // under way at once, since the test set it to 0
	failed int
}

func (f *failing) fail() error {
	f.mu.Lock()
	f.busy++
	f.most = max(f.most, f.busy)
	var err error
	if f.err != nil {
		err = f.err(f.busy)
	}
	if err != nil {
		f.failed++
	}
	f.mu.Unlock()
	time.Sleep(time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy--
	return err
}

func (f *failing) Get(ctx context.Context, kind, key string) (store.Item, error) {
	if err := f.fail(); err != nil {
		return store.Item{}, fmt.Errorf("get %s: %w", key, err)
	}
	return f.Store.Get(ctx, kind, key)
}

func (f *failing) Commit(ctx context.Context, writes ...store.Write) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.Commit(ctx, writes...)
}

func monitored(t *testing.T) (*failing, *store.Monitor, func() string) {
	t.Helper()
	f := &failing{Store: memory.New(time.Now)}
	if err := f.Store.Commit(t.Context(), store.Write{Item: store.Item{Kind: "k", Key: "there"}}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var told []string
	m := store.NewMonitor(f, func(tr store.Trouble) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprintf("%v:%v", tr.Writing, tr.Err))
	})
	return f, m, func() string { mu.Lock(); defer mu.Unlock(); return fmt.Sprint(told) }
}

// An opening store is read for as long as it takes, and told of once. One that is open answers with its error.
func TestOpeningOutlivesWhatPasses(t *testing.T) {
	for _, class := range []error{store.ErrThrottled, store.ErrUnavailable, store.ErrMissing} {
		synctest.Test(t, func(t *testing.T) {
			f, m, told := monitored(t)
			f.err = func(int) error { return class }
			if _, err := m.Get(t.Context(), "k", "there"); !errors.Is(err, class) {
				t.Errorf("an open store: %v", err)
			}
			done := m.Opening()
			time.AfterFunc(time.Minute, func() { f.mu.Lock(); defer f.mu.Unlock(); f.err = nil })
			at := time.Now()
			if _, err := m.Get(t.Context(), "k", "there"); err != nil || time.Since(at) < time.Minute || time.Since(at) > 64*time.Second {
				t.Errorf("read after %s: %v", time.Since(at), err)
			}
			done()
			if f.failed < 20 || f.failed > 60 {
				t.Errorf("%d reads in a minute", f.failed)
			}
			if want := fmt.Sprintf("[false:get there: %v false:<nil>]", class); told() != want {
				t.Errorf("told %s, want %s", told(), want)
			}
		})
	}
}

// What cannot pass, and the end of the time, end an opening.
func TestOpeningEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m, _ := monitored(t)
		defer m.Opening()()
		for _, lasting := range []error{store.ErrDenied, store.ErrClosed, errors.New("unfit")} {
			f.err = func(int) error { return lasting }
			if _, err := m.Get(t.Context(), "k", "there"); !errors.Is(err, lasting) {
				t.Errorf("error %v, want %v", err, lasting)
			}
		}
		f.err = func(int) error { return store.ErrThrottled }
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		at := time.Now()
		if _, err := m.Get(ctx, "k", "there"); !errors.Is(err, store.ErrThrottled) || time.Since(at) > 10*time.Second {
			t.Errorf("after %s: %v", time.Since(at), err)
		}
		f.err = nil
		if _, err := m.Get(t.Context(), "k", "absent"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("error %v", err)
		}
	})
}

// A store that bears few readers at once is opened by few, and by more where it bears more.
func TestOpeningSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m, _ := monitored(t)
		defer m.Opening()()
		readAll := func(each int) (most int) {
			f.mu.Lock()
			f.most = 0
			f.mu.Unlock()
			var wg sync.WaitGroup
			for range 40 {
				wg.Go(func() {
					for range each {
						if _, err := m.Get(t.Context(), "k", "there"); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			return f.most
		}
		if most := readAll(3); most != 16 {
			t.Errorf("%d readers at once of a store that bears all", most)
		}
		f.err = func(busy int) error {
			if busy > 3 {
				return store.ErrThrottled
			}
			return nil
		}
		readAll(5)
		failed := f.failed
		if most := readAll(50); most > 8 {
			t.Errorf("%d readers at once of a store that bears 3", most)
		}
		if again := f.failed - failed; again > 150 {
			t.Errorf("2,000 reads were throttled %d times", again)
		}
		f.err = nil
		readAll(50)
		if most := readAll(5); most != 16 {
			t.Errorf("%d readers at once, long after it was throttled", most)
		}
	})
}

// A failing store is told of when it begins, changes its reason or ends, for reads and commits each, and not for each call.
func TestMonitorTellsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m, told := monitored(t)
		call := func(err error) {
			f.err = func(int) error { return err }
			for i := range 30 {
				_, _ = m.Get(t.Context(), "k", fmt.Sprint(i))
				_ = m.Commit(t.Context(), store.Write{Item: store.Item{Kind: "k", Key: "x"}})
			}
		}
		call(nil)
		call(store.ErrUnavailable)
		call(store.ErrDenied)
		call(nil)
		want := "[false:get 0: store is not available true:store is not available false:get 0: store is denied true:store is denied false:<nil> true:<nil>]"
		if told() != want {
			t.Errorf("told %s\nwant %s", told(), want)
		}
	})
}
