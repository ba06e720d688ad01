package cloudwatch

import (
	"encoding/base64"
	"slices"
	"strconv"

	"taskwarden/test/account/wire"
)

// pageSize reads MaxRecords, which must lie in 1..most; without it the size is def.
func pageSize(in wire.Input, def, most int) (int, error) {
	n := in.Int("MaxRecords", def)
	if n < 1 || n > most {
		return 0, invalid("MaxRecords must be between 1 and %d, not %d", most, n)
	}
	return n, nil
}

// pageAfter cuts the page that follows the token out of items sorted by key. The token names the last key shown, so a page
// stays right while items come and go between two calls.
func pageAfter[T any](items []T, key func(T) string, token string, size int) (page []T, next string, err error) {
	if token != "" {
		last, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return nil, "", badToken(token)
		}
		first := slices.IndexFunc(items, func(item T) bool { return key(item) > string(last) })
		if first < 0 {
			return nil, "", nil
		}
		items = items[first:]
	}
	if len(items) <= size {
		return items, "", nil
	}
	return items[:size], base64.RawURLEncoding.EncodeToString([]byte(key(items[size-1]))), nil
}

// offset reads a token that counts items, for lists that only grow at their end or are fixed by the request.
func offset(token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, badToken(token)
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 0 {
		return 0, badToken(token)
	}
	return n, nil
}

func offsetToken(n int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(n)))
}

func badToken(token string) error {
	return wire.Bad("InvalidNextToken", "The next token specified is invalid: %q", token)
}

// setNext adds the token of the next page where there is one.
func setNext(out map[string]any, next string) map[string]any {
	if next != "" {
		out["NextToken"] = next
	}
	return out
}

// descending reads ScanBy: the newest first is the default of every operation that has it.
func descending(in wire.Input) (bool, error) {
	switch scan := in.String("ScanBy"); scan {
	case "TimestampAscending":
		return false, nil
	case "", "TimestampDescending":
		return true, nil
	default:
		return false, invalid("ScanBy must be TimestampAscending or TimestampDescending, not %q.", scan)
	}
}
