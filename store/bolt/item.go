package bolt

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"time"

	"taskwarden/store"
)

// A record is format (1 byte), version (8), expiry in Unix milliseconds or 0
// for never (8), CRC-32C of all else with kind and key (4), body; numbers big
// endian. bbolt has no checksum on its data pages, so without one a flipped
// bit in a body would be taken for what was stored.
const (
	formatByte = 1
	sumAt      = 1 + 8 + 8
	headerSize = sumAt + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is a decoded item; its body may point into bbolt's memory.
type record struct {
	version uint64
	expires int64 // Unix milliseconds; 0: never
	body    []byte
}

// live reports whether the record is there at now.
func (r record) live(now time.Time) bool {
	return r.version != 0 && (r.expires == 0 || now.Before(time.UnixMilli(r.expires)))
}

func (r record) item(kind, key string) store.Item {
	it := store.Item{Kind: kind, Key: key, Version: r.version, Body: bytes.Clone(r.body)}
	if r.expires != 0 {
		it.Expires = time.UnixMilli(r.expires).UTC()
	}
	return it
}

func encode(kind, key string, r record) []byte {
	out := make([]byte, headerSize, headerSize+len(r.body))
	out[0] = formatByte
	binary.BigEndian.PutUint64(out[1:], r.version)
	binary.BigEndian.PutUint64(out[9:], uint64(r.expires))
	out = append(out, r.body...)
	binary.BigEndian.PutUint32(out[sumAt:], checksum(kind, key, out))
	return out
}

func decode(kind, key string, raw []byte) (record, error) {
	if len(raw) < headerSize || raw[0] != formatByte {
		return record{}, damaged("record %s %q has %d bytes of an unknown format", kind, key, len(raw))
	}
	if binary.BigEndian.Uint32(raw[sumAt:]) != checksum(kind, key, raw) {
		return record{}, damaged("record %s %q has a wrong checksum", kind, key)
	}
	r := record{
		version: binary.BigEndian.Uint64(raw[1:]),
		expires: int64(binary.BigEndian.Uint64(raw[9:])),
		body:    raw[headerSize:],
	}
	if r.version == 0 || r.expires < 0 {
		return record{}, damaged("record %s %q has version %d, expiry %d", kind, key, r.version, r.expires)
	}
	return r, nil
}

func checksum(kind, key string, raw []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte(kind+"\x00"+key))
	sum = crc32.Update(sum, castagnoli, raw[:sumAt])
	return crc32.Update(sum, castagnoli, raw[headerSize:])
}

// expiryKey is the key of an item in the bucket _expires, ordered by instant.
func expiryKey(expires int64, kind, key string) []byte {
	out := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(kind)+1+len(key)), uint64(expires))
	out = append(out, kind...)
	out = append(out, 0)
	return append(out, key...)
}

// parseExpiryKey undoes expiryKey; ok is false for anything else.
func parseExpiryKey(raw []byte) (expires int64, kind, key string, ok bool) {
	if len(raw) < 8 {
		return 0, "", "", false
	}
	k, rest, ok := bytes.Cut(raw[8:], []byte{0})
	return int64(binary.BigEndian.Uint64(raw)), string(k), string(rest), ok
}
