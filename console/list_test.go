package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"taskwarden/reconciler"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

func TestListsAreAsWritten(t *testing.T) {
	s := serve(t, world())
	for name, path := range map[string]string{
		"services.json": "/api/v1/services", "findings.json": "/api/v1/findings?status=all", "stops.json": "/api/v1/stops", "causes.json": "/api/v1/causes?type=SidecarCrash",
		"alarms.json": "/api/v1/alarms", "targets.json": "/api/v1/targets", "service.json": "/api/v1/services/prod/main/web",
		"readyz.json": "/readyz", "rollouts.json": "/api/v1/rollouts", "rollout.json": "/api/v1/rollouts/whole", "audit.json": "/api/v1/audit", "audit-refused.json": "/api/v1/audit?refused=true", "service-gone.json": "/api/v1/services/gone",
	} {
		t.Run(name, func(t *testing.T) {
			status, header, body := ask(t, s, path)
			if status != 200 || header.Get("Content-Type") != "application/json" {
				t.Fatalf("%d %v\n%s", status, header, body)
			}
			golden(t, name, indented(t, body))
		})
	}
}

// words names each item of a list in one word.
func words(t *testing.T, body string) []string {
	t.Helper()
	var got struct {
		Items []struct{ Target, Cluster, Service, Type, Name, TaskARN, Container string }
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Items == nil {
		t.Fatalf("no list: %v\n%s", err, body)
	}
	out := []string{}
	for _, i := range got.Items {
		out = append(out, strings.Trim(fmt.Sprint(i.Target, "/", i.Service, " ", cmp.Or(i.Type, fleet.NameOf(i.Name), fleet.NameOf(i.TaskARN))), " "))
	}
	return out
}

func TestFilters(t *testing.T) {
	f := world()
	for i, ago := range []time.Duration{time.Hour, 100 * time.Hour, 101 * time.Hour} {
		f.stops[i].Stop.StoppedAt = time.Now().Add(-ago)
	}
	s := serve(t, f)
	for path, want := range map[string][]string{
		"findings":                               {"prod/ Unobservable", "prod/web SidecarCrash", "prod/web SilentChurn"},
		"findings?status=open":                   {"prod/ Unobservable", "prod/web SidecarCrash", "prod/web SilentChurn"},
		"findings?status=all&service=gone":       {"prod/gone SilentChurn"},
		"findings?type=SidecarCrash":             {"prod/web SidecarCrash"},
		"findings?severity=critical":             {"prod/ Unobservable"},
		"findings?target=test":                   {},
		"findings?address=prod/main/web":         {"prod/web SidecarCrash", "prod/web SilentChurn"},
		"findings?address=gone&status=all":       {"prod/gone SilentChurn"},
		"services":                               {"prod/api", "prod/web", "test/web"},
		"services?target=test":                   {"test/web"},
		"services?cluster=main&service=web":      {"prod/web", "test/web"},
		"services?cluster=mai":                   {},
		"services?address=api":                   {"prod/api"},
		"services?address=" + arn(other):         {"test/web"},
		"services?address=test/main/web":         {"test/web"},
		"stops":                                  {"prod/web t3", "prod/gone t2", "prod/web t1"},
		"stops?planned=true":                     {"prod/gone t2"},
		"stops?planned=false":                    {"prod/web t3", "prod/web t1"},
		"stops?since=2h":                         {"prod/web t3"},
		"stops?since=59m":                        {},
		"stops?since=0d2h":                       {"prod/web t3"},
		"stops?since=100d":                       {"prod/web t3", "prod/gone t2", "prod/web t1"},
		"stops?service=web&planned=false":        {"prod/web t3", "prod/web t1"},
		"stops?address=gone":                     {"prod/gone t2"},
		"alarms":                                 {"/ controller-heartbeat", "prod/api cpu", "prod/ silent-churn"},
		"alarms?target=prod":                     {"prod/api cpu", "prod/ silent-churn"},
		"alarms?address=prod/main/web":           {"prod/ silent-churn"},
		"alarms?kind=controller-heartbeat":       {"/ controller-heartbeat"},
		"targets":                                {"prod/", "test/"},
		"targets?target=prod":                    {"prod/"},
		"stops?target=prod&cluster=main&limit=1": {"prod/web t3"},
	} {
		status, _, body := ask(t, s, "/api/v1/"+path)
		if status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
			continue
		}
		if diff := gocmp.Diff(want, words(t, body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	s := serve(t, world())
	for _, tc := range []struct {
		path, code, says string
		status           int
	}{
		{"/api/v1/findings?severty=info", "bad_request", `unknown query parameter "severty": known here are limit, next, target`, 400},
		{"/api/v1/services?status=all", "bad_request", `"status"`, 400},
		{"/api/v1/findings?status=closed", "bad_request", `"closed" is not one of open, all`, 400},
		{"/api/v1/findings?severity=fatal", "bad_request", "info, warning, critical", 400},
		{"/api/v1/findings?limit=0", "bad_request", "1 to 1000", 400},
		{"/api/v1/findings?limit=1001", "bad_request", "1 to 1000", 400},
		{"/api/v1/findings?limit=x", "bad_request", `"limit"`, 400},
		{"/api/v1/findings?limit=1&limit=2", "bad_request", "more than once", 400},
		{"/api/v1/findings?limit=1&limit=&limit=2", "bad_request", "more than once", 400},
		{"/api/v1/findings?severty=", "bad_request", `"severty"`, 400},
		{"/api/v1/findings?a=%zz", "bad_request", "cannot be read", 400},
		{"/api/v1/findings?next=" + cursor("/api/v1/stops", "a"), "bad_request", "begin again", 400},
		{"/api/v1/findings?next=%21", "bad_request", "begin again", 400},
		{"/api/v1/stops?since=yesterday", "bad_request", "length of time", 400},
		{"/api/v1/stops?since=-1h", "bad_request", "length of time", 400},
		{"/api/v1/stops?since=1h1d", "bad_request", "length of time", 400},
		{"/api/v1/stops?planned=maybe", "bad_request", "true, false", 400},
		{"/api/v1/services/web", "ambiguous", "prod/main/web, test/main/web", 409},
		{"/api/v1/services?address=main/web", "ambiguous", "prod/main/web, test/main/web", 409},
		{"/api/v1/services/nope", "not_found", `"nope"`, 404},
		{"/api/v1/services/a/b/c/d", "bad_request", "write [target/]cluster/service", 400},
		{"/api/v1/services/", "bad_request", "write [target/]cluster/service", 400},
		{"/api/v1/services/arn:aws:ecs:x:1:task/main/web", "bad_request", "ARN", 400},
		{"/api/v1/services/api?verbose=1", "bad_request", "none is taken here", 400},
		{"/api/v1/rollouts/1", "not_found", `no rollout "1"`, 404},
		{"/api/v1/rollouts/whole?x=1", "bad_request", "none is taken here", 400},
		{"/api/v1/rollouts?status=all", "bad_request", "policy, phase, outcome", 400},
		{"/api/v1/rollouts/whole:approve", "method_not_allowed", "takes POST", 405},
		{"/api/v1/nothing", "not_found", "/api/v1/nothing", 404},
		{"/nothing", "not_found", "/nothing", 404},
	} {
		status, _, body := ask(t, s, tc.path)
		var got failure
		if err := json.Unmarshal([]byte(body), &got); err != nil || got.Error == nil {
			t.Errorf("%s: %d, no error in %q", tc.path, status, body)
			continue
		}
		if status != tc.status || got.Error.Code != tc.code || !strings.Contains(got.Error.Message, tc.says) {
			t.Errorf("%s: %d %+v, want %d %s with %q", tc.path, status, *got.Error, tc.status, tc.code, tc.says)
		}
	}
}

func TestAmbiguousAddressListsTheMatches(t *testing.T) {
	_, _, body := ask(t, serve(t, world()), "/api/v1/services/main/web")
	var got failure
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]string{"prod/main/web", "test/main/web"}, got.Error.Matches); diff != "" {
		t.Error(diff)
	}
}

// TestPages draws a history, reads it page by page while stops keep coming, and compares: what was there at the start is
// read once, in order; nothing twice.
func TestPages(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		stop := func(i int) reconciler.Recorded {
			return reconciler.Recorded{Key: fleet.Key{Target: "t", Cluster: "c", Service: fmt.Sprint("s", i%3)}, Stop: churn.Stop{
				TaskARN: fmt.Sprint("task/", i), StoppedAt: at.Add(time.Duration(rapid.IntRange(-5, 5).Draw(rt, "at")) * time.Second / 2)}}
		}
		f := &fake{}
		n := rapid.IntRange(0, 30).Draw(rt, "stops")
		for i := range n {
			f.stops = append(f.stops, stop(i))
		}
		was := allStops(f)
		limit := rapid.IntRange(1, 7).Draw(rt, "limit")
		var got []string
		q := query{Values: url.Values{}, list: "/x", limit: limit}
		for {
			p := stops.page(f, q)
			for _, it := range p.Items {
				got = append(got, it.(Stop).TaskARN)
			}
			if len(p.Items) > limit || p.Next == "" {
				break
			}
			if err := readNext(&q, p.Next); err != nil {
				rt.Fatal(err)
			}
			for range rapid.IntRange(0, 2).Draw(rt, "come") {
				n++
				f.stops = append(f.stops, stop(n))
			}
		}
		seen := map[string]bool{}
		var old []string
		for _, arn := range got {
			if seen[arn] {
				rt.Fatalf("%s twice in %v", arn, got)
			}
			seen[arn] = true
			if slices.Contains(was, arn) {
				old = append(old, arn)
			}
		}
		if diff := gocmp.Diff(was, old); diff != "" {
			rt.Fatalf("pages differ from the whole (-want +got):\n%s", diff)
		}
	})
}

func allStops(f *fake) []string {
	var out []string
	for _, it := range stops.page(f, query{Values: url.Values{}, limit: maxLimit}).Items {
		out = append(out, it.(Stop).TaskARN)
	}
	return out
}

func TestStopsAreNewestFirst(t *testing.T) {
	times := []time.Time{at.Add(time.Nanosecond), at, at.Add(-time.Nanosecond), at.Add(-time.Second), time.Unix(0, 0), time.Unix(-1, 5), time.Time{}}
	keys := make([]string, len(times))
	for i, t := range times {
		keys[i] = newestFirst(t)
	}
	if !slices.IsSorted(keys) {
		t.Errorf("%q", keys)
	}
}

func TestOverHTTPThePagesAreTheList(t *testing.T) {
	s := serve(t, world())
	var got []string
	next := ""
	for {
		_, _, body := ask(t, s, "/api/v1/findings?status=all&limit=1&next="+next)
		if next == "" {
			_, _, body = ask(t, s, "/api/v1/findings?status=all&limit=1")
		}
		got = append(got, words(t, body)...)
		var p struct{ Next string }
		_ = json.Unmarshal([]byte(body), &p)
		if next = p.Next; next == "" {
			break
		}
	}
	_, _, whole := ask(t, s, "/api/v1/findings?status=all")
	if diff := gocmp.Diff(words(t, whole), got); diff != "" {
		t.Error(diff)
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("limit=3&next="+cursor("/api/v1/stops", "x"), "prod/main/web")
	f.Add("since=7d3h&planned=true", "arn:aws:ecs:eu-west-1:1:service/main/web")
	f.Add("address=%2F%2F&since=d", "a//b")
	h := newForFuzz()
	f.Fuzz(func(t *testing.T, raw, address string) {
		r := httptest.NewRequest("GET", "/api/v1/stops", nil)
		r.URL.RawQuery = raw
		w := httptest.NewRecorder()
		h.ServeHTTP(w, loopback(r))
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q: %d %s", raw, w.Code, w.Body)
		}
		if k, ok := parseAddress(address); ok && k.Service == "" {
			t.Errorf("%q names no service: %+v", address, k)
		}
		_, _ = resolve(world(), address)
	})
}

func newForFuzz() http.Handler {
	var t testing.T
	return handler(&t, world())
}

// A parameter with an empty value is one left out, in every list.
func TestAnEmptyParameterIsOneLeftOut(t *testing.T) {
	s := serve(t, world())
	for _, l := range lists {
		_, _, whole := ask(t, s, l.path)
		all := l.path + "?"
		for _, name := range l.params {
			all += name + "=&"
			if status, _, body := ask(t, s, l.path+"?"+name+"="); status != 200 || body != whole {
				t.Errorf("%s?%s=: %d\n%.300s\nwant\n%.300s", l.path, name, status, body, whole)
			}
		}
		if status, _, body := ask(t, s, all); status != 200 || body != whole {
			t.Errorf("%s: %d %.300s", all, status, body)
		}
	}
	if status, _, body := ask(t, s, "/api/v1/stops?limit=&limit=1&since="); status != 200 || len(words(t, body)) != 1 {
		t.Errorf("an empty one beside a given one: %d %s", status, body)
	}
}
