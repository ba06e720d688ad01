package account

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"taskwarden/test/account/wire"
)

// kinds are all kinds of faults, for messages.
var kinds = []FaultKind{
	Fault500, Fault503, FaultThrottle, FaultDeny, FaultTimeout, FaultReset, FaultCut, FaultGarbage, FaultHalfBody,
	FaultEmpty, FaultHalf, FaultNoToken, FaultRepeat, FaultMissing, FaultFailure, FaultStale, FaultSkew, FaultUnknown,
}

func (f Fault) validate() error {
	switch {
	case !slices.Contains(kinds, f.Kind):
		return fmt.Errorf("kind %q: use one of %v", f.Kind, kinds)
	case len(f.Ops) == 0:
		return fmt.Errorf("ops is empty: name operations such as ecs:ListTasks")
	case f.For < 0 || f.Calls < 0:
		return fmt.Errorf("for and calls cannot be negative")
	}
	for _, p := range f.Ops {
		if _, err := path.Match(p, ""); err != nil || !strings.Contains(p, ":") {
			return fmt.Errorf("ops: %q is no operation such as ecs:ListTasks or pattern such as ecs:*", p)
		}
	}
	return nil
}

// items hides which of the list types of answers a list is.
type items struct{ v any }

func (l items) len() int {
	switch v := l.v.(type) {
	case []any:
		return len(v)
	case []string:
		return len(v)
	case []map[string]any:
		return len(v)
	}
	return -1
}

func (l items) slice(from, to int) items {
	switch v := l.v.(type) {
	case []any:
		return items{v[from:to:to]}
	case []string:
		return items{v[from:to:to]}
	case []map[string]any:
		return items{v[from:to:to]}
	}
	return l
}

// twice holds every item two times.
func (l items) twice() items {
	switch v := l.v.(type) {
	case []any:
		return items{slices.Repeat(v, 2)}
	case []string:
		return items{slices.Repeat(v, 2)}
	case []map[string]any:
		return items{slices.Repeat(v, 2)}
	}
	return l
}

// eachList changes the lists of an answer and takes its token away; it says whether anything was lost.
func eachList(out map[string]any, f func(items) items) (changed bool) {
	for k, v := range out {
		l := items{v}
		if l.len() < 1 || k == "failures" {
			continue
		}
		is := f(l)
		changed = changed || is.len() != l.len()
		out[k] = is.v
	}
	for _, token := range []string{"nextToken", "NextToken"} {
		if out[token] != nil {
			delete(out, token)
			changed = true
		}
	}
	return changed
}

// again is the token behind which repeat gives the same page once more.
const again = "the same page"

func tokenOf(in wire.Input) (member string, isAgain bool) {
	for _, member := range []string{"nextToken", "NextToken"} {
		if in.String(member) == again {
			return member, true
		}
	}
	return "", false
}

// repeat gives each item twice, and on the first page's end the promise of another that is the same.
func repeat(out map[string]any, req wire.Request, second bool) (changed bool) {
	for k, v := range out {
		if l := (items{v}); l.len() > 0 && k != "failures" && k != "Tags" {
			out[k] = l.twice().v
			changed = true
		}
	}
	token := "nextToken"
	if req.Service == "cloudwatch" {
		token = "NextToken"
	}
	paged := strings.HasPrefix(req.Op, "List") && req.Op != "ListTagsForResource" || req.Op == "DescribeAlarms"
	if changed && paged && !second && out[token] == nil && req.Input.String(token) == "" {
		out[token] = again
	}
	return changed
}

// fail moves what a describe call found to failures[].
func fail(out map[string]any, reason string) (changed bool) {
	for key, id := range map[string]string{"services": "serviceArn", "tasks": "taskArn"} {
		found, ok := out[key].([]any)
		if !ok || len(found) == 0 {
			continue
		}
		failures, _ := out["failures"].([]any)
		for _, f := range found {
			failures = append(failures, map[string]any{"arn": f.(map[string]any)[id], "reason": reason})
		}
		out[key], out["failures"] = []any{}, failures
		changed = true
	}
	return changed
}

// remembered is an earlier answer.
type remembered struct {
	at    time.Time
	value any
}

// stale answers with what was answered before, while that is not older than By: whole lists by their question, described
// objects one by one.
func (i *Injection) stale(req wire.Request, out map[string]any) (map[string]any, bool) {
	for key, id := range map[string]string{"services": "serviceArn", "tasks": "taskArn"} {
		found, ok := out[key].([]any)
		if !ok {
			continue
		}
		changed := false
		for n, f := range found {
			old, was := i.remember(req.Op+" "+fmt.Sprint(f.(map[string]any)[id]), f)
			found[n], changed = old, changed || was
		}
		return out, changed
	}
	question, err := json.Marshal(req.Input)
	if err != nil {
		return out, false
	}
	old, was := i.remember(req.Op+" "+string(question), out)
	return old.(map[string]any), was
}

func (i *Injection) remember(key string, value any) (any, bool) {
	now := i.account.now
	if old, ok := i.seen[key]; ok && now.Sub(old.at) < cmp.Or(i.fault.By, 10*time.Minute) {
		return each(old.value, nil), true
	}
	i.seen[key] = remembered{now, each(value, nil)}
	return value, false
}

// skew moves every timestamp.
func skew(out map[string]any, by time.Duration) (map[string]any, bool) {
	changed := false
	moved := each(out, func(_ string, v any) any {
		if t, ok := v.(time.Time); ok && !t.IsZero() {
			changed = true
			return t.Add(by)
		}
		return v
	})
	return moved.(map[string]any), changed
}

// enums are members whose values AWS may add to, and that decide nothing about a stop.
var enums = []string{"launchType", "schedulingStrategy", "healthStatus", "connectivity", "StateValue"}

// future adds what AWS may bring one day: members unknown today, at each level, and unknown values of enums.
func future(out map[string]any) map[string]any {
	is := each(out, func(key string, v any) any {
		switch v := v.(type) {
		case map[string]any:
			v["futureMember"] = "new"
		case string:
			if slices.Contains(enums, key) {
				return "FUTURE_VALUE"
			}
		}
		return v
	}).(map[string]any)
	is["futureStructure"] = map[string]any{"of": []any{int64(1), "two", true, nil}}
	return is
}

// each copies an answer and gives every value in it to f, the outer ones after the inner, with the member's name.
func each(v any, f func(key string, v any) any) any { return eachOf("", v, f) }

func eachOf(key string, v any, f func(string, any) any) any {
	switch old := v.(type) {
	case map[string]any:
		is := make(map[string]any, len(old)+1)
		for k, e := range old {
			is[k] = eachOf(k, e, f)
		}
		v = is
	case wire.Input:
		return eachOf(key, map[string]any(old), f)
	case []any:
		is := make([]any, len(old))
		for n, e := range old {
			is[n] = eachOf("", e, f)
		}
		v = is
	case []map[string]any:
		is := make([]map[string]any, len(old))
		for n, e := range old {
			is[n] = eachOf("", e, f).(map[string]any)
		}
		v = is
	case []time.Time:
		is := make([]any, len(old))
		for n, e := range old {
			is[n] = eachOf("", e, f)
		}
		return is
	}
	if f == nil {
		return v
	}
	return f(key, v)
}
