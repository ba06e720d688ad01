package dynamodb

import (
	"encoding/json"
	"testing"

	"taskwarden/store/lease"
	"taskwarden/test/faulty"
	"taskwarden/test/peer"
)

// cancelled is the answer to a transaction whose every action has the reason code.
func cancelled(a faulty.Call, code string) string {
	var in struct{ TransactItems []json.RawMessage }
	if err := json.Unmarshal([]byte(a.Body), &in); err != nil {
		panic(err)
	}
	reasons := make([]map[string]string, len(in.TransactItems))
	for i := range reasons {
		reasons[i] = map[string]string{"Code": code}
	}
	out, _ := json.Marshal(map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
		"message": "Transaction cancelled, please refer cancellation reasons for specific reasons [" + code + "]", "CancellationReasons": reasons})
	return string(out)
}

// owned is a table of its own in the emulator at url, owned through a way that fails on demand.
func owned(t *testing.T, url, name string) (*Store, *faulty.Way) {
	t.Helper()
	peer.Table(t, url, name)
	c := &faulty.Way{}
	cfg := peer.Config(url)
	cfg.HTTPClient = c
	table, err := Open(t.Context(), cfg, name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := table.Own(t.Context(), lease.Options{ID: "test", Holder: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Set(nil)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}
