package console

import (
	"net/http"
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
)

// resolve finds the one service that an address names: [target/]cluster/service, service alone where unique, or the
// service's ARN (CONTRACT section 1). Services in view come first; one that is not in view is found by what was recorded.
func resolve(src Source, address string) (fleet.Key, *problem) {
	want, ok := parseAddress(address)
	if !ok {
		return fleet.Key{}, badRequest("address " + quoted(address) + ": write [target/]cluster/service, service alone where unique, or the service's ARN")
	}
	var found []fleet.Key
	for _, s := range src.Services() {
		if names(want, s.Key) && (!isARN(address) || s.Service.ARN == address) {
			found = append(found, s.Key)
		}
	}
	if len(found) == 0 {
		found = recorded(src, want)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return fleet.Key{}, &problem{status: http.StatusNotFound, Code: "not_found",
			Message: "no service " + quoted(address) + " is in view or was recorded; list what there is at " + servicesPath}
	}
	p := &problem{status: http.StatusConflict, Code: "ambiguous"}
	for _, k := range found {
		p.Matches = append(p.Matches, k.String())
	}
	p.Message = "address " + quoted(address) + " is ambiguous, name one of: " + oneOf(p.Matches)
	return fleet.Key{}, p
}

// recorded finds services by their findings, stops and rollouts, in order.
func recorded(src Source, want fleet.Key) []fleet.Key {
	var out []fleet.Key
	for _, f := range src.Findings() {
		if f.Key.Service != "" && names(want, f.Key) {
			out = append(out, f.Key)
		}
	}
	for _, s := range src.Stops(want) {
		out = append(out, s.Key)
	}
	for _, r := range src.Rollouts(fleet.Key{}) {
		if names(want, r.Key()) {
			out = append(out, r.Key())
		}
	}
	slices.SortFunc(out, fleet.Key.Compare)
	return slices.Compact(out)
}

// parseAddress splits an address into the parts it names; the others stay empty.
func parseAddress(s string) (fleet.Key, bool) {
	if isARN(s) {
		resource := strings.SplitN(s, ":", 6)
		if len(resource) < 6 {
			return fleet.Key{}, false
		}
		name, ok := strings.CutPrefix(resource[5], "service/")
		if !ok {
			return fleet.Key{}, false
		}
		s = name // cluster/service, or service alone in the old format
	}
	parts := strings.Split(s, "/")
	if len(parts) > 3 || slices.Contains(parts, "") {
		return fleet.Key{}, false
	}
	parts = append(make([]string, 3-len(parts)), parts...)
	return fleet.Key{Target: parts[0], Cluster: parts[1], Service: parts[2]}, true
}

func isARN(s string) bool { return strings.HasPrefix(s, "arn:") }

// names reports whether every part that want sets is that of k.
func names(want, k fleet.Key) bool {
	return (want.Target == "" || want.Target == k.Target) && (want.Cluster == "" || want.Cluster == k.Cluster) &&
		(want.Service == "" || want.Service == k.Service)
}

// quoted shows what a client sent, bounded.
func quoted(s string) string {
	if r := []rune(s); len(r) > 100 {
		s = string(r[:100]) + "…"
	}
	return `"` + s + `"`
}
