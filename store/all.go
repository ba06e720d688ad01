package store

import (
	"context"
	"iter"
)

// All yields every item of a kind whose key begins with prefix, in key order,
// reading a page of DefaultLimit at a time. An error is yielded once, with a
// zero Item, and ends the sequence: what came before it is then a part, from
// which nothing may be concluded about the rest. An item that is there all the
// while is yielded exactly once; one that is written or deleted meanwhile may
// or may not be.
func All(ctx context.Context, s Store, kind, prefix string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for after := ""; ; {
			page, err := s.Range(ctx, kind, prefix, after, DefaultLimit)
			if err != nil {
				yield(Item{}, err)
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
			if len(page) < DefaultLimit {
				return
			}
			after = page[len(page)-1].Key
		}
	}
}
