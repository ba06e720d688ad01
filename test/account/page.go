package account

import (
	"encoding/base64"
	"slices"

	"taskwarden/test/account/wire"
)

// paging reads maxResults and nextToken of a list call.
type paging struct {
	most  int
	after string // the last item of the page before
}

// page reads a list call's paging: def items a page where the caller says nothing, at most 100.
func page(in wire.Input, def int) (paging, error) {
	p := paging{most: in.Int("maxResults", def)}
	if p.most < 1 || p.most > 100 {
		return p, wire.Bad("InvalidParameterException", "Invalid maxResults: %d. It must be between 1 and 100.", p.most)
	}
	if token := in.String("nextToken"); token != "" {
		after, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(after) == 0 {
			return p, wire.Bad("InvalidParameterException", "Invalid token.")
		}
		p.after = string(after)
	}
	return p, nil
}

// cut sorts the items, picks the page and puts it into an answer under the key, with a nextToken where more follow. Tokens
// hold the last item seen, so that what comes and goes between two pages neither shifts nor repeats the rest.
func (p paging) cut(key string, items []string) map[string]any {
	slices.Sort(items)
	from, found := 0, false
	if p.after != "" {
		if from, found = slices.BinarySearch(items, p.after); found {
			from++
		}
	}
	items = items[from:]
	out := map[string]any{}
	if len(items) > p.most {
		items = items[:p.most]
		out["nextToken"] = token(items[p.most-1])
	}
	if items == nil {
		items = []string{}
	}
	out[key] = items
	return out
}

// token hides the last item of a page in a nextToken.
func token(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }
