package dynamodb

import (
	"testing"
	"time"

	"taskwarden/store"
	"taskwarden/store/lease"
	"taskwarden/store/storetest"
	"taskwarden/test/peer"
)

// TestConformance runs the suite of every engine on Amazon's own emulator and on one that others wrote.
func TestConformance(t *testing.T) {
	for name, tt := range map[string]struct {
		start func(testing.TB) string
		but   map[string]string
	}{
		"DynamoDB Local": {start: peer.DynamoDBLocal},
		"MiniStack": {
			start: func(t testing.TB) string { return peer.MiniStack(t, "111122223333", peer.Region) },
			but:   map[string]string{"limits": "it counts the request's text, with bodies in base64, towards the 4 MB; AWS counts the items"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := tt.start(t)
			peer.Table(t, url, "taskwarden")
			storetest.RunBut(t, tt.but, func(t *testing.T, now func() time.Time) store.Store {
				table, err := Open(t.Context(), peer.Config(url), "taskwarden", Options{Now: now})
				if err != nil {
					t.Fatal(err)
				}
				s, err := table.Own(t.Context(), lease.Options{ID: "test", Holder: t.Name()})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
				return s
			})
		})
	}
}
