package otel

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

// full is a registration that has every list whose order has no meaning, and every one whose order has.
const full = `{"family":"web","cpu":"256","memory":"512","networkMode":"awsvpc","requiresCompatibilities":["EC2","FARGATE"],"novelty":{"list":[1,2,{"x":"y"}],"mode":"on"},
 "volumes":[{"name":"data","host":{"sourcePath":"/data"}},{"name":"tmp","dockerVolumeConfiguration":{"scope":"task","driverOpts":{"o":"1","p":""},"labels":{"size":"1"}}},{"name":"efs","efsVolumeConfiguration":{"fileSystemId":"fs-1","transitEncryptionPort":2049}}],
 "placementConstraints":[{"type":"memberOf","expression":"a == b"},{"type":"memberOf","expression":"c == d"}],"ephemeralStorage":{"sizeInGiB":21},
 "proxyConfiguration":{"type":"APPMESH","containerName":"envoy","properties":[{"name":"IgnoredUID","value":"1337"},{"name":"AppPorts","value":"80"}]},
 "containerDefinitions":[
  {"name":"app","image":"app@sha256:00","cpu":128,"memory":256,"essential":true,"command":["serve","--port","80"],"entryPoint":["sh","-c"],
   "environment":[{"name":"A","value":"s3cret-a"},{"name":"B","value":"s3cret-b"},{"name":"SIZE","value":"1"}],"environmentFiles":[{"type":"s3","value":"arn:x"},{"type":"s3","value":"arn:y"}],
   "secrets":[{"name":"X","valueFrom":"arn:x"},{"name":"Y","valueFrom":"arn:y"}],"portMappings":[{"containerPort":80,"hostPort":80,"protocol":"tcp"},{"containerPort":80,"hostPort":80,"protocol":"udp"},{"containerPort":81,"protocol":"tcp"}],
   "mountPoints":[{"containerPath":"/a","sourceVolume":"data"},{"containerPath":"/b","sourceVolume":"tmp","readOnly":true}],"volumesFrom":[{"sourceContainer":"agent"},{"sourceContainer":"init","readOnly":true}],
   "dependsOn":[{"containerName":"init","condition":"SUCCESS"},{"containerName":"agent","condition":"START"}],"dnsServers":["10.0.0.2","10.0.0.3"],"dnsSearchDomains":["a.internal","b.internal"],
   "extraHosts":[{"hostname":"h","ipAddress":"10.0.0.9"},{"hostname":"i","ipAddress":"10.0.0.8"}],"ulimits":[{"name":"nofile","softLimit":1024,"hardLimit":2048},{"name":"core","softLimit":1,"hardLimit":2}],
   "systemControls":[{"namespace":"net.a","value":"1"},{"namespace":"net.b","value":"2"}],"resourceRequirements":[{"type":"GPU","value":"1"},{"type":"InferenceAccelerator","value":"d"}],
   "healthCheck":{"command":["CMD-SHELL","curl x"],"interval":30,"retries":3,"timeout":5},"dockerLabels":{"team":"web","cpu":"1"},"dockerSecurityOptions":["no-new-privileges","label:x"],
   "linuxParameters":{"capabilities":{"add":["NET_ADMIN","SYS_PTRACE"],"drop":["ALL","CHOWN"]},"swappiness":60,"tmpfs":[{"containerPath":"/t","size":16},{"containerPath":"/u","size":32}],"devices":[{"hostPath":"/dev/a","containerPath":"/dev/a","permissions":["read","write"]}]},
   "logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"g","mode":"non-blocking"},"secretOptions":[{"name":"t","valueFrom":"arn:t"},{"name":"u","valueFrom":"arn:u"}]},"restartPolicy":{"enabled":true,"ignoredExitCodes":[0,143]}},
  {"name":"agent","image":"agent:1","essential":false,"memoryReservation":64,"stopTimeout":30,"readonlyRootFilesystem":true},
  {"name":"init","image":"init:1","essential":false}],
 "tags":[{"key":"team","value":"web"},{"key":"stage","value":"prod"}]}`

// unordered are the paths of lists whose order has no meaning, with list indexes left out; all other lists are in order.
var unordered = []string{"requiresCompatibilities", "volumes", "placementConstraints", "proxyConfiguration.properties",
	"containerDefinitions", "tags",
	"environment", "secrets", "portMappings", "mountPoints", "volumesFrom", "dependsOn", "extraHosts", "ulimits", "systemControls",
	"resourceRequirements", "dockerSecurityOptions",
	"linuxParameters.capabilities.add", "linuxParameters.capabilities.drop", "linuxParameters.tmpfs", "linuxParameters.devices",
	"linuxParameters.devices.permissions",
	"logConfiguration.secretOptions", "restartPolicy.ignoredExitCodes"}

// asTexts are fields that are numbers to ECS and may come as texts, or the other way round.
var asTexts = []string{"cpu", "memory", "memoryReservation", "containerPort", "hostPort", "softLimit", "hardLimit", "size",
	"sizeInGiB", "interval", "retries", "timeout", "stopTimeout", "swappiness", "transitEncryptionPort"}

func listed(path string, all []string) bool {
	return slices.Contains(all, strings.TrimPrefix(strings.TrimPrefix(path, "containerDefinitions."), "."))
}

func isFree(path string) bool {
	return slices.ContainsFunc([]string{"dockerLabels", "options", "driverOpts", "labels"},
		func(m string) bool { return strings.HasSuffix(path, "."+m) })
}

// rewriter writes a document in other words of the same meaning.
type rewriter struct {
	t   *rapid.T
	out strings.Builder
}

func (w *rewriter) yes() bool { return rapid.IntRange(0, 3).Draw(w.t, "yes") == 0 }

func (w *rewriter) write(v any, path, field string) {
	switch v := v.(type) {
	case map[string]any:
		w.object(v, path)
	case []any:
		if listed(path, unordered) {
			v = rapid.Permutation(v).Draw(w.t, "order")
		}
		w.out.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				w.out.WriteByte(',')
			}
			w.write(e, path, "")
		}
		w.out.WriteByte(']')
	default:
		w.out.WriteString(w.scalar(v, path, field))
	}
}

func (w *rewriter) object(v map[string]any, path string) {
	members := maps.Clone(v)
	if !isFree(path) && w.yes() { // a default that ECS fills in, of a field that nobody knows
		members[rapid.SampledFrom([]string{"enableFaultInjection", "novelDefault", "user"}).Draw(w.t,
			"field")] = rapid.SampledFrom([]any{false, 0.0, "", nil, []any{}, map[string]any{}}).Draw(w.t, "default")
	}
	maps.Copy(members, v)
	w.out.WriteByte('{')
	for i, key := range rapid.Permutation(slices.Sorted(maps.Keys(members))).Draw(w.t, "keys") {
		if i > 0 {
			w.out.WriteString(rapid.SampledFrom([]string{",", ", ", ",\n"}).Draw(w.t, "space"))
		}
		w.out.WriteString(strconv.Quote(key) + ":")
		w.write(members[key], strings.TrimPrefix(path+"."+key, "."), key)
	}
	w.out.WriteByte('}')
}

func (w *rewriter) scalar(v any, path, field string) string {
	raw, err := json.Marshal(v)
	if err != nil {
		w.t.Fatal(err)
	}
	inFree := isFree(strings.TrimSuffix(path, "."+field))
	switch n := v.(type) {
	case float64:
		if slices.Contains(asTexts, field) && w.yes() {
			return strconv.Quote(string(raw))
		}
		if n == 0 {
			return rapid.SampledFrom([]string{"0", "0.0", "-0", "0e5"}).Draw(w.t, "zero")
		}
		return rapid.SampledFrom([]string{string(raw), string(raw) + ".0", string(raw) + "e0", string(raw) + "0e-1"}).Draw(w.t, "number")
	case string:
		if _, err := strconv.Atoi(n); err == nil && slices.Contains(asTexts, field) && !inFree && w.yes() {
			return n
		}
		if n != "" && w.yes() {
			return fmt.Sprintf(`"\u%04x`, n[0]) + string(raw[2:])
		}
	}
	return string(raw)
}

func TestTheSameInOtherWordsIsNoDifference(t *testing.T) {
	var base any
	if err := json.Unmarshal([]byte(full), &base); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		w := &rewriter{t: t}
		w.write(base, "", "")
		other := w.out.String()
		if !json.Valid([]byte(other)) {
			t.Fatalf("no JSON: %s", other)
		}
		for _, pair := range [][2]string{{full, other}, {other, full}} {
			if found, err := Diff([]byte(pair[0]), []byte(pair[1])); err != nil || len(found) > 0 {
				t.Fatalf("%v %+v\n%s", err, found, other)
			}
		}
	})
}

// spot is one value in a document, with what replaces it there.
type spot struct {
	path    string
	field   string
	value   any
	replace func(any)
	remove  func()
}

// spots lists all values of a document.
func spots(v any, path string, replace func(any), remove func(), field string) []spot {
	out := []spot{{path, field, v, replace, remove}}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, spots(v[key], strings.TrimPrefix(path+"."+key, "."), func(n any) { v[key] = n }, func() { delete(v, key) }, key)...)
		}
	case []any:
		for i := range v {
			out = append(out, spots(v[i], path, func(n any) { v[i] = n }, func() { replace(slices.Delete(slices.Clone(v), i, i+1)) }, "")...)
		}
	}
	return out
}

// mutations are all ways to change one value of a document so that it means something else.
func mutations(s spot) map[string]func() {
	out := map[string]func(){}
	if s.field == "" || !nothing(s.path, gjson.Parse(written(s.value))) || isFree(strings.TrimSuffix(s.path, "."+s.field)) {
		out["remove"] = s.remove
	}
	switch v := s.value.(type) {
	case []any:
		for _, more := range []any{"more", map[string]any{"name": "more"}, 7.0} {
			out["add "+written(more)] = func() { s.replace(append(slices.Clone(v), more)) }
		}
		if len(v) > 1 && !listed(s.path, unordered) {
			out["order"] = func() { s.replace(append([]any{v[1], v[0]}, v[2:]...)) }
		}
	case map[string]any:
		for _, value := range []any{true, "x", 1.0, []any{"x"}, map[string]any{"deep": true}, []any{map[string]any{}}} {
			out["a new field "+written(value)] = func() { v["novel"] = value }
		}
	case bool:
		out["change"] = func() { s.replace(!v) }
	case string:
		out["change"] = func() { s.replace(v + "x") }
	case float64:
		out["change"] = func() { s.replace(v + 1) }
	}
	return out
}

func written(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// Every change of one value is a difference, in both directions, and no difference tells a value of a variable.
func TestEveryMutationIsADifference(t *testing.T) {
	tried := map[string]int{}
	var base any
	if err := json.Unmarshal([]byte(full), &base); err != nil {
		t.Fatal(err)
	}
	for i, s := range spots(base, "", func(any) {}, nil, "")[1:] {
		for kind := range mutations(s) {
			var doc any
			if err := json.Unmarshal([]byte(full), &doc); err != nil {
				t.Fatal(err)
			}
			mutations(spots(doc, "", func(any) {}, nil, "")[1+i])[kind]()
			other := written(doc)
			tried[strings.Fields(kind)[0]]++
			for _, pair := range [][2]string{{full, other}, {other, full}} {
				found, err := Diff([]byte(pair[0]), []byte(pair[1]))
				if err != nil || len(found) == 0 {
					t.Errorf("%s at %s is no difference: %v", kind, s.path, err)
				}
				for _, d := range found {
					if d.Path == "" || strings.Contains(d.Path, "s3cret") {
						t.Errorf("%s at %s: the difference is at %q", kind, s.path, d.Path)
					}
				}
			}
		}
	}
	for _, kind := range []string{"remove", "add", "a", "order", "change"} {
		if tried[kind] < 5 {
			t.Errorf("only %d mutations of the kind %q were tried", tried[kind], kind)
		}
	}
}

// A change is found in a document that says all the rest in other words.
func TestAMutationInOtherWordsIsADifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var doc any
		if err := json.Unmarshal([]byte(full), &doc); err != nil {
			t.Fatal(err)
		}
		s := rapid.SampledFrom(spots(doc, "", func(any) {}, nil, "")[1:]).Draw(t, "spot")
		all := mutations(s)
		if len(all) == 0 {
			t.Skip("nothing to change here")
		}
		kind := rapid.SampledFrom(slices.Sorted(maps.Keys(all))).Draw(t, "kind")
		all[kind]()
		w := &rewriter{t: t}
		w.write(doc, "", "")
		if found, err := Diff([]byte(full), []byte(w.out.String())); err != nil || len(found) == 0 {
			t.Fatalf("%s at %s is no difference: %v\n%s", kind, s.path, err, w.out.String())
		}
	})
}
