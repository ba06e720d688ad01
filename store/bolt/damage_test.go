package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/store"
)

const page = 4096 // not the real size everywhere; damage need not be aligned

// sample writes a store with items of all sizes and returns its file and what
// it holds. Its last two transactions change nothing, so that either of
// bbolt's two meta pages leads to the same contents.
func sample(t *testing.T) (raw []byte, want []store.Item) {
	t.Helper()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	far := time.Now().Add(1000 * time.Hour)
	for i := range 400 {
		w := put(fmt.Sprintf("key %04d", i), strings.Repeat(fmt.Sprintf("body %d ", i), i%90))
		if i%50 == 0 {
			w.Body = bytes.Repeat([]byte("large"), 3000)
		}
		if i%3 == 0 {
			w.Kind, w.Expires = "finding", far
		}
		commit(t, s, w)
		if i%4 == 0 { // leaves free pages
			commit(t, s, store.Write{Item: store.Item{Kind: "stop", Key: fmt.Sprintf("key %04d", i/2)}, Delete: true})
		}
	}
	for range 2 {
		commit(t, s, store.Write{Item: store.Item{Kind: "stop", Key: "no such"}, Delete: true})
	}
	want = contents(t, s, "stop", "finding")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	return raw, want
}

// openDamaged opens a store whose file is raw. It demands that the store is
// refused with all that the operator needs, or, unless always is set, opens
// with the contents untouched; refused says which.
func openDamaged(t *testing.T, what string, raw []byte, want []store.Item, always bool) (refused bool) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, FileName)
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err == nil {
		defer s.Close()
		if always {
			t.Errorf("%s: was opened", what)
		}
		if got := contents(t, s, "stop", "finding"); !same(want, got) {
			t.Errorf("%s: was opened with other contents (-want +got):\n%.2000s", what, cmp.Diff(want, got))
		}
		return false
	}
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("%s: error %v, want ErrDamaged", what, err)
	}
	for _, say := range []string{file, "restore the file from a backup", "move it away", "nothing in AWS"} {
		if !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %q does not say %q", what, err, say)
		}
	}
	// Refusing changes nothing, so the next try and a repair find the same.
	after, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(after, raw) {
		t.Errorf("%s: the refused file was changed from %d to %d bytes, error %v", what, len(raw), len(after), err)
	}
	return true
}

func TestDamagedFile(t *testing.T) {
	raw, want := sample(t)
	random := make([]byte, len(raw))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	for _, n := range []int{1, 100, page, 2 * page, 3*page + 5, 5 * page, 20 * page, 50*page + 1} {
		openDamaged(t, fmt.Sprintf("truncated to %d", n), raw[:n], want, true)
	}
	openDamaged(t, "empty", nil, want, true)
	openDamaged(t, "random", random, want, true)
	openDamaged(t, "zeroed", make([]byte, len(raw)), want, true)
	openDamaged(t, "a text", []byte(strings.Repeat("not a database\n", 10000)), want, true)
	openDamaged(t, "zeroed but for the first pages", append(bytes.Clone(raw[:4*page]), make([]byte, len(raw)-4*page)...), want, true)
}

func TestDamagedPage(t *testing.T) {
	raw, want := sample(t)
	rng := rand.New(rand.NewPCG(3, 4))
	refused := 0
	for at := 0; at+page <= len(raw); at += page {
		zeroed, random := bytes.Clone(raw), bytes.Clone(raw)
		clear(zeroed[at : at+page])
		for i := range page {
			random[at+i] = byte(rng.Uint32())
		}
		if openDamaged(t, fmt.Sprintf("page at %d zeroed", at), zeroed, want, false) {
			refused++
		}
		openDamaged(t, fmt.Sprintf("page at %d random", at), random, want, false)
	}
	if refused < 30 { // about 200 KB of bodies
		t.Errorf("%d pages of %d matter, which is too few for what is stored", refused, len(raw)/page)
	}
}

// TestDamagedLength lets the free list claim pages without end: it must be
// refused at once, not counted through.
func TestDamagedLength(t *testing.T) {
	const flags, overflow, freelist = 8, 12, 0x10 // in bbolt's page header
	raw, want := sample(t)
	size := os.Getpagesize()
	for at := 0; at+size <= len(raw); at += size {
		if binary.NativeEndian.Uint16(raw[at+flags:]) == freelist {
			binary.NativeEndian.PutUint32(raw[at+overflow:], 1<<31)
		}
	}
	openDamaged(t, "free list without end", raw, want, true)
}

// TestDamagedElement moves the keys of branch and leaf pages out of the file, which a walk over the records does not read.
func TestDamagedElement(t *testing.T) {
	const flags, branch, leaf = 8, 1, 2 // in bbolt's page header
	raw, want := sample(t)
	size, tried := os.Getpagesize(), 0
	for at := 2 * size; at+size <= len(raw); at += size {
		for kind, word := range map[uint16]int{branch: 0, leaf: 4} {
			if binary.NativeEndian.Uint16(raw[at+flags:]) != kind || binary.NativeEndian.Uint16(raw[at+flags+2:]) == 0 {
				continue
			}
			moved := bytes.Clone(raw)
			binary.NativeEndian.PutUint32(moved[at+16+word:], 1<<31)
			openDamaged(t, fmt.Sprintf("first element of the page at %d moved away", at), moved, want, false)
			tried++
		}
	}
	if tried < 10 {
		t.Errorf("only %d pages tried", tried)
	}
}

func TestDamagedBit(t *testing.T) {
	raw, want := sample(t)
	rng := rand.New(rand.NewPCG(5, 6))
	refused := 0
	for range 400 {
		flipped := bytes.Clone(raw)
		at, bit := rng.IntN(len(raw)), rng.IntN(8)
		flipped[at] ^= 1 << bit
		if openDamaged(t, fmt.Sprintf("bit %d of byte %d flipped", bit, at), flipped, want, false) {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no flipped bit was noticed")
	}
}

// TestDamagedWhileOpen destroys the file under an open store: calls fail and
// say why, the process lives, and closing lets go of the lock.
func TestDamagedWhileOpen(t *testing.T) {
	for name, destroy := range map[string]func(string) error{
		"truncated": func(file string) error { return os.Truncate(file, 0) },
		"zeroed": func(file string) error {
			f, err := os.OpenFile(file, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, 60*page), 2*page)
			return errors.Join(err, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, FileName)
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 300 {
				commit(t, s, put(fmt.Sprintf("key %04d", i), strings.Repeat("b", 500)))
			}
			if err := destroy(file); err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			_, get := s.Get(ctx, "stop", "key 0001")
			_, rng := s.Range(ctx, "stop", "", "", 0)
			_, sweep := s.Sweep(ctx, 0)
			for call, err := range map[string]error{"get": get, "range": rng, "commit": s.Commit(ctx, put("k", "v")), "sweep": sweep} {
				if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), file) {
					t.Errorf("%s: error %v, want ErrDamaged that names the file", call, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if _, err := Open(dir, Options{LockTimeout: 100 * time.Millisecond}); !errors.Is(err, ErrDamaged) {
				t.Errorf("open after it: error %v, want ErrDamaged", err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(encode("stop", "k", record{version: 1}))
	f.Add(encode("stop", "k", record{version: 1 << 60, expires: 1, body: []byte("body")}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := decode("stop", "k", raw)
		if err == nil && !bytes.Equal(encode("stop", "k", r), raw) {
			t.Errorf("%x decodes to %+v, which encodes to something else", raw, r)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("error %v", err)
		}
		if expires, kind, key, ok := parseExpiryKey(raw); ok && !bytes.Equal(expiryKey(expires, kind, key), raw) {
			t.Errorf("%x parses to %d %q %q", raw, expires, kind, key)
		}
	})
}
