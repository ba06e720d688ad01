package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
)

// side is one of two sequences of items that are read in step.
type side struct {
	next func() (Item, error, bool)
	at   Item
	err  error
	more bool
}

func (s *side) step() { s.at, s.err, s.more = s.next() }

// compare demands that both stores hold the same of a kind, and says how many items. What expired since it was copied may be
// absent on either side.
func (c Copy) compare(ctx context.Context, kind string) (same int, err error) {
	nextFrom, stopFrom := iter.Pull2(pages(ctx, c.From, kind))
	defer stopFrom()
	nextTo, stopTo := iter.Pull2(pages(ctx, c.To, kind))
	defer stopTo()
	from, to := side{next: nextFrom}, side{next: nextTo}
	from.step()
	to.step()
	for from.more || to.more {
		if err := errors.Join(from.err, to.err); err != nil {
			return same, err
		}
		switch {
		case !to.more || from.more && from.at.Key < to.at.Key:
			if !c.expired(from.at) {
				return same, fmt.Errorf("%s %q is missing in the copy", kind, from.at.Key)
			}
			from.step()
		case !from.more || to.at.Key < from.at.Key:
			if !c.expired(to.at) {
				return same, fmt.Errorf("%s %q is in the copy and not in %s", kind, to.at.Key, c.Name)
			}
			to.step()
		case !bytes.Equal(from.at.Body, to.at.Body) || !from.at.Expires.Equal(to.at.Expires):
			return same, fmt.Errorf("%s %q differs in the copy", kind, from.at.Key)
		default:
			same++
			from.step()
			to.step()
		}
	}
	return same, nil
}

func (c Copy) expired(it Item) bool { return !it.Expires.IsZero() && !c.Now().Before(it.Expires) }
