package account

import (
	"cmp"
	"encoding/base64"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"taskwarden/test/account/wire"
)

// group finds the log group that an input names, by its name or by an ARN as identifier.
func (a *Account) group(in wire.Input) (*logGroup, error) {
	name := in.String("logGroupName")
	if id := in.String("logGroupIdentifier"); name == "" {
		if _, after, ok := strings.Cut(id, ":log-group:"); ok {
			id = strings.TrimSuffix(after, ":*")
		}
		name = id
	}
	if g := a.logs.groups[name]; g != nil {
		return g, nil
	}
	return nil, wire.Bad("ResourceNotFoundException", "The specified log group does not exist.")
}

func (a *Account) groupARN(g *logGroup) string { return a.arn("logs", "log-group:"+g.name) }

func millis(t time.Time) int64 { return t.UnixMilli() }

func describeLogGroups(a *Account, in wire.Input) (map[string]any, error) {
	prefix := in.String("logGroupNamePrefix")
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(a.logs.groups)) {
		if g := a.logs.groups[name]; strings.HasPrefix(name, prefix) {
			out = append(out, map[string]any{"logGroupName": name, "arn": a.groupARN(g) + ":*", "logGroupArn": a.groupARN(g), "creationTime": millis(g.created), "storedBytes": int64(0)})
		}
	}
	return offsetPage(in, "logGroups", out, 50)
}

// describeLogStreams lists at most 50 a page. A prefix cannot be combined with the order by last event (API reference).
func describeLogStreams(a *Account, in wire.Input) (map[string]any, error) {
	g, err := a.group(in)
	if err != nil {
		return nil, err
	}
	prefix, byTime := in.String("logStreamNamePrefix"), in.String("orderBy") == "LastEventTime"
	if prefix != "" && byTime {
		return nil, wire.Bad("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	var found []*stream
	for _, name := range slices.Sorted(maps.Keys(g.streams)) {
		if strings.HasPrefix(name, prefix) {
			found = append(found, g.streams[name])
		}
	}
	if byTime {
		slices.SortStableFunc(found, func(x, y *stream) int { return x.lastAt(a.now).Compare(y.lastAt(a.now)) })
	}
	if in.Bool("descending") {
		slices.Reverse(found)
	}
	out := []any{}
	for _, s := range found {
		out = append(out, s.shape(a, g))
	}
	return offsetPage(in, "logStreams", out, 50)
}

func (s *stream) lastAt(now time.Time) time.Time {
	if all := s.all(now); len(all) > 0 {
		return all[len(all)-1].at
	}
	return s.created
}

func (s *stream) shape(a *Account, g *logGroup) map[string]any {
	out := map[string]any{"logStreamName": s.name, "arn": a.groupARN(g) + ":log-stream:" + s.name, "creationTime": millis(s.created), "storedBytes": int64(0), "uploadSequenceToken": "49039859"}
	if all := s.all(a.now); len(all) > 0 {
		out["firstEventTimestamp"], out["lastEventTimestamp"] = millis(all[0].at), millis(all[len(all)-1].at)
		out["lastIngestionTime"] = millis(all[len(all)-1].at) + 500
	}
	return out
}

// window keeps the lines from startTime to before endTime.
func window(in wire.Input, lines []line) []line {
	start, end := int64(in.Int("startTime", 0)), int64(in.Int("endTime", math.MaxInt64))
	return slices.DeleteFunc(lines, func(l line) bool { return millis(l.at) < start || millis(l.at) >= end })
}

func eventShape(l line) map[string]any {
	return map[string]any{"timestamp": millis(l.at), "message": l.text, "ingestionTime": millis(l.at) + 500}
}

// getLogEvents gives the newest page first unless it is to start from the head; within a page the oldest line is first. Its
// tokens are never absent: the end is where the same token comes back (API reference).
func getLogEvents(a *Account, in wire.Input) (map[string]any, error) {
	g, err := a.group(in)
	if err != nil {
		return nil, err
	}
	s := g.streams[in.String("logStreamName")]
	if s == nil {
		return nil, wire.Bad("ResourceNotFoundException", "The specified log stream does not exist.")
	}
	limit := in.Int("limit", 10000)
	if limit < 1 || limit > 10000 {
		return nil, wire.Bad("InvalidParameterException", "1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must be between 1 and 10000", limit)
	}
	lines := window(in, s.all(a.now))
	from, to, err := span(in, len(lines), limit)
	if err != nil {
		return nil, err
	}
	events := []any{}
	for _, l := range lines[from:to] {
		events = append(events, eventShape(l))
	}
	return map[string]any{"events": events, "nextForwardToken": "f/" + strconv.Itoa(to), "nextBackwardToken": "b/" + strconv.Itoa(from)}, nil
}

// span is the part of n lines that a GetLogEvents call is to see: a token is f/<first line> or b/<line after the last>.
func span(in wire.Input, n, limit int) (from, to int, err error) {
	text := in.String("nextToken")
	if text == "" && in.Bool("startFromHead") {
		text = "f/0"
	} else if text == "" {
		text = "b/" + strconv.Itoa(n)
	}
	direction, number, _ := strings.Cut(text, "/")
	at, err := strconv.Atoi(number)
	if err != nil || at < 0 || at > n || direction != "f" && direction != "b" {
		return 0, 0, wire.Bad("InvalidParameterException", "The specified nextToken is invalid.")
	}
	if direction == "f" {
		return at, min(at+limit, n), nil
	}
	return max(at-limit, 0), at, nil
}

// filterLogEvents finds lines over the streams of a group, oldest first, that hold every word of the pattern ("quoted" words
// as one, ?word as an alternative); the pattern language of AWS goes further.
func filterLogEvents(a *Account, in wire.Input) (map[string]any, error) {
	g, err := a.group(in)
	if err != nil {
		return nil, err
	}
	names, prefix := in.Strings("logStreamNames"), in.String("logStreamNamePrefix")
	if len(names) > 0 && prefix != "" {
		return nil, wire.Bad("InvalidParameterException", "logStreamNames and logStreamNamePrefix cannot be used together.")
	}
	var hits []hit
	for _, name := range slices.Sorted(maps.Keys(g.streams)) {
		if strings.HasPrefix(name, prefix) && (len(names) == 0 || slices.Contains(names, name)) {
			hits = append(hits, g.streams[name].search(a, in)...)
		}
	}
	slices.SortStableFunc(hits, func(x, y hit) int { return cmp.Compare(millis(x.at), millis(y.at)) })
	if in.Has("startFromHead") && !in.Bool("startFromHead") {
		slices.Reverse(hits)
	}
	out := []any{}
	for i, h := range hits {
		e := eventShape(h.line)
		e["logStreamName"], e["eventId"] = h.stream, strconv.Itoa(i)
		out = append(out, e)
	}
	return offsetPage(in, "events", out, 10000)
}

// hit is a line that a search found.
type hit struct {
	line
	stream string
}

func (s *stream) search(a *Account, in wire.Input) []hit {
	var hits []hit
	for _, l := range window(in, s.all(a.now)) {
		if matchPattern(in.String("filterPattern"), l.text) {
			hits = append(hits, hit{l, s.name})
		}
	}
	return hits
}

// matchPattern is CloudWatch Logs' matching of terms in unstructured lines.
func matchPattern(pattern, text string) bool {
	any, alternatives := false, false
	for _, term := range terms(pattern) {
		if word, optional := strings.CutPrefix(term, "?"); optional {
			alternatives = true
			any = any || strings.Contains(text, word)
		} else if word, not := strings.CutPrefix(term, "-"); not {
			if strings.Contains(text, word) {
				return false
			}
		} else if !strings.Contains(text, term) {
			return false
		}
	}
	return any || !alternatives
}

func terms(pattern string) []string {
	var out []string
	for i, part := range strings.Split(pattern, `"`) {
		if i%2 == 1 { // between quotes
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// offsetPage pages by position, as these lists only grow at their end within the tests' time.
func offsetPage(in wire.Input, key string, items []any, most int) (map[string]any, error) {
	limit := in.Int("limit", most)
	if limit < 1 || limit > most {
		return nil, wire.Bad("InvalidParameterException", "1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must be between 1 and %d", limit, most)
	}
	from := 0
	if t := in.String("nextToken"); t != "" {
		text, err := base64.RawURLEncoding.DecodeString(t)
		at, bad := strconv.Atoi(string(text))
		if err != nil || bad != nil || at < 0 || at > len(items) {
			return nil, wire.Bad("InvalidParameterException", "The specified nextToken is invalid.")
		}
		from = at
	}
	to := min(from+limit, len(items))
	out := map[string]any{key: items[from:to]}
	if to < len(items) {
		out["nextToken"] = token(strconv.Itoa(to))
	}
	return out, nil
}
