package memory

import (
	"testing"
	"time"

	"taskwarden/store"
	"taskwarden/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		s := New(now)
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
}
