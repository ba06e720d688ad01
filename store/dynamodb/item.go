package dynamodb

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"taskwarden/store"
)

// attributes is an item, or a part of one, as the API has it.
type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: s} }
func binary(s string) types.AttributeValue { return &types.AttributeValueMemberB{Value: []byte(s)} }

func number[N int64 | uint64 | int](n N) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
}

// keyOf is the primary key of an item.
func keyOf(partition, key string) attributes {
	return attributes{PartitionKey: text(partition), SortKey: binary(key)}
}

// own is the primary key of an item of the store itself.
func own(key string) attributes { return keyOf(storePartition, key) }

// record is what is stored under a key; the zero value is none.
type record struct {
	key     string
	version uint64
	expires int64 // Unix milliseconds; 0: never
	body    []byte
}

// live reports whether the record is there at now.
func (r record) live(now time.Time) bool {
	return r.version != 0 && (r.expires == 0 || now.Before(time.UnixMilli(r.expires)))
}

func (r record) item(kind string) store.Item {
	it := store.Item{Kind: kind, Key: r.key, Version: r.version, Body: r.body}
	if r.expires != 0 {
		it.Expires = time.UnixMilli(r.expires).UTC()
	}
	return it
}

// decode reads a stored item; no attributes are no record.
func decode(kind string, a attributes) (record, error) {
	if len(a) == 0 {
		return record{}, nil
	}
	var r record
	sk, ok := a[SortKey].(*types.AttributeValueMemberB)
	if !ok {
		return r, fmt.Errorf("item of %s without a sort key: the table is another program's", kind)
	}
	r.key = string(sk.Value)
	var err error
	if r.version, err = uintOf(a, versionName); err != nil {
		return r, fmt.Errorf("item %s %q: %w", kind, r.key, err)
	}
	if _, expires := a[expiresName]; expires {
		ms, err := uintOf(a, expiresName)
		if err != nil {
			return r, fmt.Errorf("item %s %q: %w", kind, r.key, err)
		}
		r.expires = int64(ms)
	}
	if b, ok := a[bodyName].(*types.AttributeValueMemberB); ok {
		r.body = b.Value
	}
	return r, nil
}

// uintOf reads a number that must be there.
func uintOf(a attributes, name string) (uint64, error) {
	n, ok := a[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, fmt.Errorf("attribute %s is missing or no number", name)
	}
	v, err := strconv.ParseUint(n.Value, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("attribute %s: %w", name, err)
	}
	return v, nil
}

// expiry gives the attributes of an instant: milliseconds for us, seconds rounded up for DynamoDB, which then never
// deletes early.
func expiry(at time.Time) attributes {
	if at.IsZero() {
		return nil
	}
	ms := at.UnixMilli()
	return attributes{expiresName: number(ms), TTL: number((ms + 999) / 1000)}
}
