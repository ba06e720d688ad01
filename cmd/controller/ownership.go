package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync"

	"taskwarden/cmd/controller/config"
	"taskwarden/store"
	"taskwarden/store/lease"
)

// ownership is what is known of the store's owner, for those who ask. What went wrong is for the log alone, but for its class:
// /readyz needs no token.
type ownership struct {
	mu      sync.Mutex
	mine    string     // what this process's configuration allows, as a hash
	owned   bool       // by this process
	seen    lease.Seen // while it is not
	opening bool       // what the store remembers is being read
	failing error      // why reads fail; nil: they do not
}

// allows notes the configuration of this process.
func (o *ownership) allows(cfg config.Config) {
	text, _ := json.Marshal(authorityOf(cfg)) // a map of texts, in the order of its keys
	sum := sha256.Sum256(text)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mine = hex.EncodeToString(sum[:4])
}

// configuration is a hash of what this process's configuration allows.
func (o *ownership) configuration() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mine
}

func (o *ownership) owns() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owned, o.seen, o.failing = true, lease.Seen{}, nil
}

func (o *ownership) loses() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owned, o.seen, o.failing = false, lease.Seen{}, nil
}

// waits notes what is seen of the owner, and reports whether that one's configuration allows something else.
func (o *ownership) waits(seen lease.Seen) (differs bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owned, o.seen = false, seen
	return o.differs()
}

// differs reports whether the owner is known to have another configuration, with o.mu held.
func (o *ownership) differs() bool { return o.seen.Note != "" && o.seen.Note != o.mine }

func (o *ownership) reads(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failing = err
}

func (o *ownership) opens(now bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opening = now
}

// blocked reports whether what the store remembers is needed and cannot be read at the moment.
func (o *ownership) blocked() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opening && o.failing != nil
}

// standby says which replica owns the store; "" where none is known to.
func (o *ownership) standby() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.owned || o.seen.Holder == "" {
		return ""
	}
	text := "standby: " + o.seen.Holder + " owns the store"
	if o.differs() {
		text += " (its configuration allows other things than this replica's, see the log)"
	}
	return text
}

// starting says what this process waits for before a controller can run here; "" where that is not known.
func (o *ownership) starting() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !o.owned && o.seen.Err != nil:
		return "waiting for the store: its owner cannot be found out: " + reason(o.seen.Err)
	case o.owned && o.failing != nil:
		return "this process owns the store and reads what it remembers: " + reason(o.failing)
	case o.owned:
		return "this process owns the store and reads what it remembers"
	}
	return ""
}

// reason names the class of a failure of the store, and no table, account or role.
func reason(err error) string {
	for _, class := range []error{lease.ErrDeleted, store.ErrThrottled, store.ErrDenied, store.ErrMissing, store.ErrUnavailable} {
		if errors.Is(err, class) {
			return class.Error() + ", see the log"
		}
	}
	return "see the log"
}
