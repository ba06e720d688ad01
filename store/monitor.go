package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// firstPause and longestPause bound the wait before a read is repeated; it doubles each time.
	firstPause   = 200 * time.Millisecond
	longestPause = 3 * time.Second
	// mostReaders is how many reads of a Monitor that is opening are under way at once.
	mostReaders = 16
	// goodReads is how many reads must succeed before one more may be under way at once.
	goodReads = 50
)

// Trouble is a change in how an engine does: Err is nil where it works again.
type Trouble struct {
	Writing bool // commits; else reads
	Err     error
}

// Monitor passes calls on to an engine. It tells when reads or commits begin to fail, fail for another reason, or work again, and
// nothing in between. While it is opening it repeats reads that fail for a reason that passes, for as long as their context lasts:
// a start reads much at once, and one throttled read must not end it.
type Monitor struct {
	Store
	told func(Trouble)

	mu      sync.Mutex
	reads   string // the last error of reads as told; "": they work
	writes  string
	pace    pace
	patient bool
}

// NewMonitor watches an engine. told is called from many goroutines, one at a time.
func NewMonitor(s Store, told func(Trouble)) *Monitor {
	m := &Monitor{Store: s, told: told}
	m.pace.free = sync.NewCond(&m.pace.mu)
	return m
}

// Opening makes reads patient until done is called.
func (m *Monitor) Opening() (done func()) {
	m.setPatient(true)
	m.pace.set(mostReaders)
	return func() { m.setPatient(false) }
}

func (m *Monitor) setPatient(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.patient = on
}

func (m *Monitor) opening() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.patient
}

// Get is the engine's.
func (m *Monitor) Get(ctx context.Context, kind, key string) (it Item, err error) {
	err = m.read(ctx, func() error { it, err = m.Store.Get(ctx, kind, key); return err })
	return it, err
}

// Range is the engine's.
func (m *Monitor) Range(ctx context.Context, kind, prefix, after string, limit int) (items []Item, err error) {
	err = m.read(ctx, func() error { items, err = m.Store.Range(ctx, kind, prefix, after, limit); return err })
	return items, err
}

// Kinds is the engine's.
func (m *Monitor) Kinds(ctx context.Context) (kinds []string, err error) {
	err = m.read(ctx, func() error { kinds, err = m.Store.Kinds(ctx); return err })
	return kinds, err
}

// Commit is the engine's.
func (m *Monitor) Commit(ctx context.Context, writes ...Write) error {
	err := m.Store.Commit(ctx, writes...)
	m.note(ctx, true, err)
	return err
}

// Sweep is the engine's, where it has one; others free what has expired by themselves.
func (m *Monitor) Sweep(ctx context.Context, most int) (int, error) {
	if engine, ok := m.Store.(interface {
		Sweep(ctx context.Context, most int) (int, error)
	}); ok {
		return engine.Sweep(ctx, most)
	}
	return 0, nil
}

func (m *Monitor) read(ctx context.Context, call func() error) error {
	if !m.opening() {
		err := call()
		m.note(ctx, false, err)
		return err
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		began := m.pace.begin()
		err := call()
		m.pace.end(began, errors.Is(err, ErrThrottled))
		m.note(ctx, false, err)
		if !Passes(err) || ctx.Err() != nil || !m.opening() || !wait(ctx, pause/2+rand.N(pause/2)) {
			return err
		}
	}
}

// note tells of a change. An item that is absent and a condition that does not hold are answers of an engine that works; what the
// caller asked for wrongly, or gave up, says nothing of the engine.
func (m *Monitor) note(ctx context.Context, writing bool, err error) {
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrConflict):
		err = nil
	case err != nil && ctx.Err() != nil, errors.Is(err, ErrInvalid), errors.Is(err, ErrTooLarge), errors.Is(err, ErrClosed), errors.Is(err, ErrFenced):
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	last, text := &m.reads, class(err)
	if writing {
		last = &m.writes
	}
	if *last != text {
		*last = text
		m.told(Trouble{Writing: writing, Err: err})
	}
}

// class names what an error has in common with others of its reason: most errors name a key.
func class(err error) string {
	if err == nil {
		return ""
	}
	for _, c := range []error{ErrThrottled, ErrUnavailable, ErrMissing, ErrDenied} {
		if errors.Is(err, c) {
			return c.Error()
		}
	}
	return "other"
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pace bounds how many reads are under way at once: half as many after each throttled one, one more after many good ones.
type pace struct {
	mu    sync.Mutex
	free  *sync.Cond
	most  int
	busy  int
	good  int
	slows int // how often it was halved
}

func (p *pace) set(most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most, p.good = most, 0
}

// begin waits for a turn. What it returns is for end.
func (p *pace) begin() (slows int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.busy >= p.most {
		p.free.Wait()
	}
	p.busy++
	return p.slows
}

// end ends a read. Those that were under way together are throttled together, and count once.
func (p *pace) end(slows int, throttled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.free.Broadcast()
	p.busy--
	if !throttled {
		if p.good++; p.good >= goodReads && p.most < mostReaders {
			p.most, p.good = p.most+1, 0
		}
		return
	}
	if p.good = 0; slows == p.slows {
		p.most = max(1, p.most/2)
		p.slows++
	}
}
