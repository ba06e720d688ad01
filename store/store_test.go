package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"taskwarden/store"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		cond        store.Condition
		want, found uint64
		message     string // "": holds
	}{
		{store.Any, 0, 0, ""},
		{store.Any, 3, 7, ""},
		{store.Absent, 0, 0, ""},
		{store.Absent, 3, 0, ""},
		{store.IfVersion, 7, 7, ""},
		{store.Absent, 0, 2, `commit conflict on stop "k": wanted no item, found version 2`},
		{store.IfVersion, 6, 7, `commit conflict on stop "k": wanted version 6, found version 7`},
		{store.IfVersion, 6, 0, `commit conflict on stop "k": wanted version 6, found no item`},
	} {
		err := store.Write{Item: store.Item{Kind: "stop", Key: "k", Version: tt.want}, If: tt.cond}.Check(tt.found)
		message := ""
		if err != nil {
			message = err.Error()
		}
		if message != tt.message || errors.Is(err, store.ErrConflict) != (tt.message != "") {
			t.Errorf("%v %d, found %d: %q, want %q", tt.cond, tt.want, tt.found, message, tt.message)
		}
	}
}

// TestDynamoDBFits: what the limits allow is what a DynamoDB table takes, at
// 400 KB an item, 1,024 bytes a sort key and 4 MB a transaction.
func TestDynamoDBFits(t *testing.T) {
	largest := store.Write{Item: store.Item{
		Kind: strings.Repeat("k", store.MaxKind), Key: strings.Repeat("k", store.MaxKey), Body: make([]byte, store.MaxBody)}}
	if err := store.ValidateCommit([]store.Write{largest}); err != nil {
		t.Fatal(err)
	}
	if n := largest.Size(); n > 400_000 {
		t.Errorf("the largest item counts %d bytes", n)
	}
	if store.MaxKey > 1024 || store.MaxItems+1 > 100 || store.MaxBytes > 4_000_000 {
		t.Error("a limit is over DynamoDB's")
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	w := store.Write{Item: store.Item{Kind: "stop", Key: "k"}}
	over := w
	over.Body = make([]byte, store.MaxBody+1)
	for want, writes := range map[string][]store.Write{
		`two writes to stop "k"`:                  {w, w},
		fmt.Sprintf("%d bytes", store.MaxBody+1):  {over},
		fmt.Sprintf("at most %d", store.MaxItems): make([]store.Write, store.MaxItems+1),
		`kind "Stop" must be of a-z`:              {{Item: store.Item{Kind: "Stop", Key: "k"}}},
		`IfVersion 0 on stop "k"`:                 {{Item: w.Item, If: store.IfVersion}},
	} {
		if err := store.ValidateCommit(writes); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}
