package reconciler

import (
	"context"
	"errors"
	"fmt"

	"taskwarden/store"
)

// kindAuthority is the kind of what the configuration in force lets the controller write. Key: authorityKey; one item.
const (
	kindAuthority = "authority"
	authorityKey  = "configuration"
)

// Authority gives what the last configuration in force let the controller write, one value a subject; nil before the first one.
func (b *Book) Authority(ctx context.Context) (map[string]string, error) {
	it, err := b.store.Get(ctx, kindAuthority, authorityKey)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read what the last configuration allowed: %w", err)
	}
	return decode[map[string]string](it)
}

// SetAuthority saves what the configuration in force lets the controller write.
func (b *Book) SetAuthority(ctx context.Context, allowed map[string]string) error {
	it, err := encode(kindAuthority, authorityKey, allowed)
	if err == nil {
		err = b.store.Commit(ctx, store.Write{Item: it})
	}
	if err != nil {
		return fmt.Errorf("save what the configuration allows: %w", err)
	}
	return nil
}
