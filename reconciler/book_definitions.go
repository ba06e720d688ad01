package reconciler

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"taskwarden/reconciler/fleet"
	"taskwarden/store"
)

// Definition gives a reduced task definition kept earlier, or false.
func (b *Book) Definition(ctx context.Context, allow, arn string) (fleet.Definition, bool, error) {
	it, err := b.store.Get(ctx, kindDefinition, allow+"/"+arn)
	if errors.Is(err, store.ErrNotFound) {
		return fleet.Definition{}, false, nil
	}
	if err != nil {
		return fleet.Definition{}, false, fmt.Errorf("read definition %s: %w", arn, err)
	}
	if it.Body, err = unpacked(it.Body); err != nil {
		return fleet.Definition{}, false, fmt.Errorf("unpack definition %s: %w", arn, err)
	}
	d, err := decode[fleet.Definition](it)
	return d, err == nil, err
}

// KeepDefinition keeps a reduced task definition for ever: a revision never changes.
func (b *Book) KeepDefinition(ctx context.Context, allow string, d fleet.Definition) error {
	it, err := encode(kindDefinition, allow+"/"+d.ARN, d)
	if err != nil {
		return err
	}
	if it.Body, err = packed(it.Body); err != nil {
		return fmt.Errorf("pack definition %s: %w", d.ARN, err)
	}
	if err := b.store.Commit(ctx, store.Write{Item: it}); err != nil {
		return fmt.Errorf("keep definition %s: %w", d.ARN, err)
	}
	return nil
}

// deflaters are kept, since each has tables of more than a megabyte.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// deflated marks a packed body; JSON never begins so.
const deflated = 'z'

// packed deflates a definition's JSON to about a quarter: there are thousands, all are read at each start, and DynamoDB bills by
// the kilobyte.
func packed(body []byte) ([]byte, error) {
	out := bytes.NewBuffer([]byte{deflated})
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(out)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	err := w.Close()
	return out.Bytes(), err
}

// unpacked also takes bodies as earlier versions wrote them, plain.
func unpacked(body []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(body, []byte{deflated})
	if !ok {
		return body, nil
	}
	return io.ReadAll(flate.NewReader(bytes.NewReader(rest)))
}
