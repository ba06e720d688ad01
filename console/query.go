package console

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"taskwarden/reconciler/export"
	"taskwarden/reconciler/fleet"
)

// Bounds of the parameter limit.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// param is one query parameter.
type param struct {
	about string
	enum  []string // the values it takes; none: see read
	read  func(q *query, value string) error
}

// params are all query parameters; a list names those it takes.
var params = map[string]param{
	"limit":   {about: "Items to answer at most, 1 to 1000; 100 if left out.", read: readLimit},
	"next":    {about: "The next of the page before; opaque.", read: readNext},
	"target":  {about: "Only items of this target."},
	"cluster": {about: "Only items of clusters of this name."},
	"service": {about: "Only items of services of this name."},
	"address": {about: "Only items of one service: [target/]cluster/service, service alone where unique, or its ARN."},
	"type":    {about: "Only findings of this type."},
	"cause":   {about: "Only findings of this cause, by its causeId."},
	"kind":    {about: "Only alarms of this kind."},
	"policy":  {about: "Only rollouts of this policy."},
	"phase":   {about: "Only rollouts that are on their way in this phase."},
	"outcome": {about: "Only rollouts that ended so."},
	"action":  {about: "Only audit entries of this action, as approve."},
	"refused": {about: "true: the attempts that were refused and changed nothing; the newest are kept, for a few days. false (if left out): what was done.",
		enum: []string{"true", "false"}},
	"format":   {about: "Language of the snippet; json if left out.", enum: export.Names()},
	"severity": {about: "Only findings of this severity.", enum: []string{"info", "warning", "critical"}},
	"status":   {about: "open (if left out): findings that are open or unknown. all: closed ones too.", enum: []string{"open", "all"}},
	"planned":  {about: "Only planned, or only unplanned stops.", enum: []string{"true", "false"}},
	"since":    {about: "Only stops of this last length of time, as 90m, 24h or 7d.", read: readSince},
}

// query is what a client asked for.
type query struct {
	url.Values
	list    string    // whose cursor it must be
	limit   int       // 1 to maxLimit
	after   string    // the sort key that the page before ended with; "" for the first
	since   time.Time // zero: any
	address fleet.Key // resolved; zero: any
}

// parse reads the query of a request that takes the named parameters. A parameter with an empty value is one left out (CONTRACT
// section 6). One that is unknown, repeated or impossible is a problem that names it.
func parse(r *http.Request, takes []string) (query, *problem) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query{}, badRequest("the query cannot be read: " + err.Error())
	}
	q := query{Values: values, limit: defaultLimit, list: r.URL.Path}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(takes, name) {
			return q, badRequest("unknown query parameter " + quoted(name) + ": " + takesOnly(takes))
		}
		values[name] = slices.DeleteFunc(values[name], func(value string) bool { return value == "" })
		switch len(values[name]) {
		case 0:
			delete(values, name)
			continue
		case 1:
		default:
			return q, badRequest("query parameter " + quoted(name) + " is given more than once")
		}
		if err := q.take(params[name], values.Get(name)); err != nil {
			return q, badRequest("query parameter " + quoted(name) + ": " + err.Error())
		}
	}
	return q, nil
}

func (q *query) take(p param, value string) error {
	switch {
	case len(p.enum) > 0 && !slices.Contains(p.enum, value):
		return fmt.Errorf("%s is not one of %s", quoted(value), oneOf(p.enum))
	case p.read != nil:
		return p.read(q, value)
	}
	return nil
}

func takesOnly(names []string) string {
	if len(names) == 0 {
		return "none is taken here"
	}
	return "known here are " + oneOf(names)
}

func readLimit(q *query, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxLimit {
		return fmt.Errorf("%s is not a number from 1 to %d; the following items come with next", quoted(value), maxLimit)
	}
	q.limit = n
	return nil
}

// readSince takes a Go duration, with days of 24 hours allowed in front.
func readSince(q *query, value string) error {
	rest, days := value, 0
	if head, tail, ok := strings.Cut(value, "d"); ok {
		n, err := strconv.Atoi(head)
		if err != nil || n < 0 || n > 36500 {
			return fmt.Errorf(`%s is not a length of time: write it as "90m", "24h" or "7d"`, quoted(value))
		}
		rest, days = tail, n
	}
	d := time.Duration(0)
	if rest != "" {
		var err error
		if d, err = time.ParseDuration(rest); err != nil || d < 0 {
			return fmt.Errorf(`%s is not a length of time: write it as "90m", "24h" or "7d"`, quoted(value))
		}
	}
	q.since = time.Now().Add(-time.Duration(days)*24*time.Hour - d)
	return nil
}

// cursor is the next of a page that ended with key. It holds the list's path, so that no other list takes it.
func cursor(list, key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + "\n" + key))
}

func readNext(q *query, value string) error {
	text, err := base64.RawURLEncoding.DecodeString(value)
	key, ok := strings.CutPrefix(string(text), q.list+"\n")
	if err != nil || !ok || key == "" {
		return errors.New("is not a next that this list answered: begin again without it")
	}
	q.after = key
	return nil
}

// covers reports whether an item of the key is asked for.
func (q query) covers(k fleet.Key) bool {
	return names(q.named(), k) && (q.address == fleet.Key{} || q.address == k)
}

// asked is the service, target or nothing that is asked for; an address has all parts.
func (q query) asked() fleet.Key {
	if q.address != (fleet.Key{}) {
		return q.address
	}
	return q.named()
}

func (q query) named() fleet.Key {
	return fleet.Key{Target: q.Get("target"), Cluster: q.Get("cluster"), Service: q.Get("service")}
}

// is reports whether a filter lets a value pass; one that is not given lets all pass.
func (q query) is(name, value string) bool {
	want := q.Get(name)
	return want == "" || want == value
}
