package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
)

var (
	// ErrNotEmpty: there are items in the store that a copy is to fill.
	ErrNotEmpty = errors.New("the store is not empty")
	// ErrHalfCopied: a copy into the store was interrupted.
	ErrHalfCopied = errors.New("the store holds a part of a copy that was interrupted")
)

// A store that is being filled has one item under copyKind until it is whole.
const (
	copyKind = "copy"
	copyKey  = "from"
	copyPage = 100 // items held in memory, of at most MaxBody each
)

// Whole returns ErrHalfCopied for a store that a Copy did not finish. Nothing may be concluded from what it holds.
func Whole(ctx context.Context, s Store) error {
	switch it, err := s.Get(ctx, copyKind, copyKey); {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look for a copy under way: %w", err)
	default:
		return fmt.Errorf("%w: repeat the copy from %s, which begins it again", ErrHalfCopied, it.Body)
	}
}

// Copied is how much a Copy has done.
type Copied struct {
	Kind     string // that it is at; "": none any more
	Items    int
	Bytes    int64 // of bodies
	Compared int   // items that were read again and are the same; fewer than Items by those that expired meanwhile
}

// Copy copies every item of one store into another one, an empty one, with bodies and expiries. Versions begin at 1 there,
// as the package comment says of items. Nobody else may write either store meanwhile.
type Copy struct {
	From, To Store
	Name     string           // of From: a copy that was interrupted is begun again from the same store only
	Now      func() time.Time // by which expiry is judged; nil: time.Now
	Progress func(Copied)     // told after each commit; may be nil
}

// Run copies, and then reads both stores again and compares all items. After an error To stays marked as not whole, and the
// same Copy may be run again: it empties To and begins anew. Errors: ErrNotEmpty, ErrHalfCopied (of From, or of To from
// another store), or of the stores.
func (c Copy) Run(ctx context.Context) (Copied, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Progress == nil {
		c.Progress = func(Copied) {}
	}
	var done Copied
	if err := Whole(ctx, c.From); err != nil {
		return done, fmt.Errorf("read %s: %w", c.Name, err)
	}
	if err := c.begin(ctx); err != nil {
		return done, err
	}
	kinds, err := c.From.Kinds(ctx)
	if err != nil {
		return done, err
	}
	// One that was a copy once may list the kind of its mark still; the mark of this one stands in To.
	kinds = slices.DeleteFunc(kinds, func(kind string) bool { return kind == copyKind })
	for _, kind := range kinds {
		if done, err = c.copy(ctx, kind, done); err != nil {
			return done, fmt.Errorf("copy %s: %w", kind, err)
		}
	}
	done.Kind = ""
	for _, kind := range kinds {
		n, err := c.compare(ctx, kind)
		if err != nil {
			return done, fmt.Errorf("compare what was copied: %w", err)
		}
		done.Compared += n
	}
	return done, c.To.Commit(ctx, Write{Item: Item{Kind: copyKind, Key: copyKey}, Delete: true})
}

// begin marks an empty store as not whole, or empties one that this copy had begun to fill.
func (c Copy) begin(ctx context.Context) error {
	it, err := c.To.Get(ctx, copyKind, copyKey)
	again := err == nil
	switch {
	case again && string(it.Body) != c.Name:
		return fmt.Errorf("%w: from %s, and this one is from %s", ErrHalfCopied, it.Body, c.Name)
	case !again && !errors.Is(err, ErrNotFound):
		return err
	}
	kinds, err := c.To.Kinds(ctx)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if kind == copyKind {
			continue
		}
		if again {
			err = c.empty(ctx, kind)
		} else {
			err = mustBeEmpty(ctx, c.To, kind)
		}
		if err != nil {
			return err
		}
	}
	if again {
		return nil
	}
	return c.To.Commit(ctx, Write{Item: Item{Kind: copyKind, Key: copyKey, Body: []byte(c.Name)}, If: Absent})
}

func mustBeEmpty(ctx context.Context, s Store, kind string) error {
	items, err := s.Range(ctx, kind, "", "", 1)
	if err == nil && len(items) > 0 {
		err = fmt.Errorf("%w: it has items of %s, the first is %q: copy into a new one", ErrNotEmpty, kind, items[0].Key)
	}
	return err
}

func (c Copy) empty(ctx context.Context, kind string) error {
	for {
		items, err := c.To.Range(ctx, kind, "", "", MaxItems)
		if err != nil || len(items) == 0 {
			return err
		}
		var writes []Write
		for _, it := range items {
			writes = append(writes, Write{Item: Item{Kind: kind, Key: it.Key}, Delete: true})
		}
		if err := c.To.Commit(ctx, writes...); err != nil {
			return err
		}
	}
}

// copy copies one kind, in commits as large as they may be.
func (c Copy) copy(ctx context.Context, kind string, done Copied) (Copied, error) {
	var writes []Write
	size := 0
	commit := func() error {
		if err := c.To.Commit(ctx, writes...); err != nil {
			return err
		}
		for _, w := range writes {
			done.Items++
			done.Bytes += int64(len(w.Body))
		}
		done.Kind, writes, size = kind, nil, 0
		c.Progress(done)
		return nil
	}
	for it, err := range pages(ctx, c.From, kind) {
		if err != nil {
			return done, err
		}
		w := Write{Item: it}
		if len(writes) == MaxItems || size+w.Size() > MaxBytes {
			if err := commit(); err != nil {
				return done, err
			}
		}
		writes, size = append(writes, w), size+w.Size()
	}
	if len(writes) == 0 {
		return done, nil
	}
	return done, commit()
}

// pages is All in pages that fit into memory whatever the bodies are.
func pages(ctx context.Context, s Store, kind string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for after := ""; ; {
			page, err := s.Range(ctx, kind, "", after, copyPage)
			if err != nil {
				yield(Item{}, err)
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
			if len(page) < copyPage {
				return
			}
			after = page[len(page)-1].Key
		}
	}
}
