package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskwarden/store"
	"taskwarden/store/bolt"
	"taskwarden/store/dynamodb"
	"taskwarden/store/lease"
	"taskwarden/test/peer"
)

// ambient makes the emulator the SDK's own endpoint for the verb under test.
func ambient(t *testing.T) (url string) {
	t.Helper()
	url = peer.DynamoDBLocal(t)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": url, "AWS_REGION": peer.Region, "AWS_ACCESS_KEY_ID": "test",
		"AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	return url
}

func items(n int) (out []store.Item) {
	soon := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	for i := range n {
		out = append(out, store.Item{Kind: []string{"stop", "memory", "audit"}[i%3], Key: fmt.Sprintf("t/c/%04d\xff", i), Body: []byte(strings.Repeat("x", i)), Expires: soon})
	}
	return out
}

func filledFile(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	db, err := bolt.Open(dir, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items(n) {
		for range 2 { // versions above 1
			if err := db.Commit(t.Context(), store.Write{Item: it}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestStoreCopyBothWays(t *testing.T) {
	url := ambient(t)
	peer.Table(t, url, "there")
	from, back := filledFile(t, 250), filepath.Join(t.TempDir(), "back")
	for _, args := range [][]string{{from, "dynamodb:there"}, {"dynamodb:there", "bolt:" + back}} {
		r := command(t, nil, "", append([]string{"store", "copy", "-o", "json"}, args...)...)
		var said struct{ Items, Compared int }
		if err := json.Unmarshal([]byte(r.out), &said); r.code != 0 || err != nil || said.Items != 250 || said.Compared != 250 {
			t.Fatalf("copy %v: exit %d, %+v\n%s%s", args, r.code, said, r.out, r.errOut)
		}
	}
	db, err := bolt.Open(back, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range items(250) {
		got, err := db.Get(t.Context(), want.Kind, want.Key)
		if err != nil || string(got.Body) != string(want.Body) || got.Version != 1 || got.Expires.IsZero() {
			t.Fatalf("%s %q: %+v, error %v", want.Kind, want.Key, got, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if r := command(t, nil, "", "store", "copy", from, "dynamodb:there"); r.code != 1 || !strings.Contains(r.errOut, "not empty") {
		t.Errorf("copy into a full table: exit %d\n%s", r.code, r.errOut)
	}
}

// TestStoreCopyIsTheSameByAnyPath: an interrupted copy is begun again from the same directory by another path, and a store is not
// copied into itself by one.
func TestStoreCopyIsTheSameByAnyPath(t *testing.T) {
	from := filledFile(t, 3)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(from, link); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(from))
	for _, path := range []string{filepath.Base(from), "./" + filepath.Base(from), from + "/", link, "bolt:" + link} {
		to := filepath.Join(t.TempDir(), "to")
		db, err := bolt.Open(to, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		mark := store.Item{Kind: "copy", Key: "from", Body: []byte(place{"bolt", from}.canonical().String())} // of a copy that was interrupted
		if err := errors.Join(db.Commit(t.Context(), store.Write{Item: mark}), db.Close()); err != nil {
			t.Fatal(err)
		}
		if r := command(t, nil, "", "store", "copy", path, to); r.code != 0 {
			t.Errorf("copy again from %s: exit %d\n%s", path, r.code, r.errOut)
		}
		if r := command(t, nil, "", "store", "copy", path, from); r.code != 64 || !strings.Contains(r.errOut, "are one store") {
			t.Errorf("copy %s into itself: exit %d\n%s", path, r.code, r.errOut)
		}
	}
}

func TestStoreCopyRefuses(t *testing.T) {
	url := ambient(t)
	peer.Table(t, url, "held")
	table, err := dynamodb.Open(t.Context(), peer.Config(url), "held", dynamodb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	owner, err := table.Own(t.Context(), lease.Options{ID: "c", Holder: "host-7/1"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Close() }()
	inUse, free := filledFile(t, 3), filledFile(t, 3)
	db, err := bolt.Open(inUse, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	none := t.TempDir()
	for name, tt := range map[string]struct {
		args  []string
		code  int
		words string
	}{
		"file in use":   {[]string{inUse, "dynamodb:held"}, 1, "in use by another process"},
		"table in use":  {[]string{free, "dynamodb:held"}, 1, "host-7/1 renews its lease: stop every replica"},
		"from in use":   {[]string{"dynamodb:held", filepath.Join(none, "new")}, 1, "host-7/1 renews its lease"},
		"no table":      {[]string{free, "dynamodb:absent"}, 1, "there is no table absent"},
		"no such file":  {[]string{none, "dynamodb:held"}, 1, "there is no taskwarden.db"},
		"into itself":   {[]string{free, "bolt:" + free}, 64, "are one store"},
		"one argument":  {[]string{free}, 64, "accepts 2 arg"},
		"empty name":    {[]string{"dynamodb:", free}, 64, "names no store"},
		"unknown place": {[]string{"sqlite:x", "dynamodb:held"}, 1, "there is no taskwarden.db"},
	} {
		t.Run(name, func(t *testing.T) {
			r := command(t, nil, "", append([]string{"store", "copy"}, tt.args...)...)
			if r.code != tt.code || !strings.Contains(r.errOut, tt.words) {
				t.Errorf("exit %d, want %d with %q:\n%s", r.code, tt.code, tt.words, r.errOut)
			}
		})
	}
}
