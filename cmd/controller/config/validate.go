package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"taskwarden/reconciler/mask"
)

// validate notes what is wrong between fields that are each right.
func (d *decoder) validate(c Config) {
	d.validateTargets(c.Targets)
	d.validateSignatures(c.Detect.Signatures)
	d.validateLocations(c.Detect.Logs.Locations)
	d.validateSoak(c.Remediation)
	d.validateFreezes(c)
	d.validatePolicies(c.Remediation.Policies)
	d.validateStore(c.Store)
	d.validateServer(c.Server)
}

// wrong notes a problem of the field at path, unless the field is known to be
// wrong: what was made of it then says nothing.
func (d *decoder) wrong(path, message, hint string) {
	if slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Field == path }) {
		return
	}
	d.problem(d.where(path), path, path+": "+message, hint)
}

// unique notes each name that an earlier entry of the list already has. Empty
// names are optional ones or noted elsewhere.
func (d *decoder) unique(list, field string, names []string) {
	first := map[string]int{}
	for i, name := range names {
		if name == "" {
			continue
		}
		if j, twice := first[name]; twice {
			d.wrong(fmt.Sprintf("%s[%d].%s", list, i, field), fmt.Sprintf("the same %s as %s[%d]", field, list, j), "give each its own")
			continue
		}
		first[name] = i
	}
}

func collect[T any](list []T, name func(T) string) []string {
	names := make([]string, len(list))
	for i, item := range list {
		names[i] = name(item)
	}
	return names
}

func (d *decoder) validateTargets(targets []Target) {
	d.unique("targets", "name", collect(targets, func(t Target) string { return t.Name }))
	for i, t := range targets {
		if t.ExternalID != "" && t.RoleARN == "" {
			d.wrong(fmt.Sprintf("targets[%d].externalId", i), "means nothing without roleArn", "add roleArn or remove it")
		}
	}
	d.validateOverlaps(targets)
}

// builtinSignatures are the names that verdicts use for the built-in list.
var builtinSignatures = []string{
	"go-concurrent-map-writes", "go-concurrent-map-iteration", "go-panic", "go-nil-deref", "go-deadlock",
	"oom", "java-oom", "node-oom", "python-traceback", "rust-panic", "cpp-abort", "segv",
	"config-error", "credential-error", "port-in-use", "uncaught-exception",
}

func (d *decoder) validateSignatures(list []Signature) {
	d.unique("detect.signatures", "name", collect(list, func(s Signature) string { return s.Name }))
	for i, s := range list {
		if slices.Contains(builtinSignatures, s.Name) {
			d.wrong(fmt.Sprintf("detect.signatures[%d].name", i), fmt.Sprintf("%q is built in", s.Name), "choose another name")
		}
	}
}

// validateLocations: in a stream that tasks share, nothing tells one task's last lines from another's.
func (d *decoder) validateLocations(list []Location) {
	for i, l := range list {
		if l.Stream != "" && !strings.Contains(l.Stream, "{task}") {
			d.wrong(fmt.Sprintf("detect.logs.locations[%d].stream", i), "it does not hold {task}, and lines of several tasks cannot be told apart", `write it as "{container}/{task}"`)
		}
	}
}

func (d *decoder) validateSoak(r Remediation) {
	if r.MinSoak > r.MaxSoak {
		path := "remediation.minSoak"
		if _, given := d.at[path]; !given {
			path = "remediation.maxSoak"
		}
		d.wrong(path, fmt.Sprintf("minSoak %s is longer than maxSoak %s", r.MinSoak, r.MaxSoak), "write a minSoak of at most maxSoak")
		return
	}
	if soak := Duration(r.Soak); soak != 0 && (soak < r.MinSoak || soak > r.MaxSoak) {
		d.wrong("remediation.soak", fmt.Sprintf("%s is not within minSoak %s and maxSoak %s", soak, r.MinSoak, r.MaxSoak), "write one within, or auto")
	}
}

func (d *decoder) validateFreezes(c Config) {
	loc, err := time.LoadLocation(c.Timezone)
	if err != nil {
		loc = time.UTC // the time zone's own problem is noted already
	}
	for i, f := range c.Remediation.Freezes {
		if !f.From.IsZero() && !f.To.IsZero() && !f.From.Start(loc).Before(f.To.End(loc)) {
			d.wrong(fmt.Sprintf("remediation.freezes[%d].to", i), fmt.Sprintf("%s is not after from %s", f.To, f.From), "write a later one")
		}
	}
}

// The two variables that OpenTelemetry SDKs read together: a leftover argument
// of another sampler silently means everything is sampled.
const (
	samplerVar    = "OTEL_TRACES_SAMPLER"
	samplerArgVar = "OTEL_TRACES_SAMPLER_ARG"
)

func (d *decoder) validatePolicies(policies []Policy) {
	d.unique("remediation.policies", "name", collect(policies, func(p Policy) string { return p.Name }))
	for i, p := range policies {
		path := fmt.Sprintf("remediation.policies[%d].set", i)
		sampler, has := p.Set[samplerVar]
		arg, hasArg := p.Set[samplerArgVar]
		switch {
		case has && !hasArg:
			d.wrong(path, samplerVar+" without "+samplerArgVar, `set both; a leftover argument changes what the sampler does, "" clears it`)
		case hasArg && !has:
			d.wrong(path, samplerArgVar+" without "+samplerVar, "set both; the argument belongs to one sampler")
		case strings.HasSuffix(sampler, "traceidratio"):
			d.validateRatio(path+"."+samplerArgVar, arg)
		}
		d.validateShown(path, p.Set)
		for name, values := range p.Match.Env {
			path := fmt.Sprintf("remediation.policies[%d].match.env.%s", i, name)
			if len(values) == 0 {
				d.wrong(path, "no value", "list the values to look for")
			}
			for _, value := range values {
				if mask.Credential(value) {
					d.wrong(path, "a value holds a credential", "match another variable: the values of policies are shown in plans")
				}
			}
		}
	}
}

// validateShown refuses credentials in what a policy sets: plans, exports and the audit log show it.
func (d *decoder) validateShown(path string, set map[string]string) {
	for name, value := range set {
		if mask.Credential(value) {
			d.wrong(path+"."+name, "the value holds a credential, and plans show it", "let the variable arrive from the container's secrets")
		}
	}
}

// validateRatio follows the OpenTelemetry specification, "General SDK
// configuration": the argument of a ratio sampler is a probability.
func (d *decoder) validateRatio(path, arg string) {
	if ratio, err := strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
		d.wrong(path, "not a ratio for that sampler", `write a number from 0 to 1 in quotes, as "0.01"`)
	}
}

func (d *decoder) validateStore(s Store) {
	if s.Type == StoreBolt && strings.TrimSpace(s.Path) == "" {
		d.wrong("store.path", "empty", "name a directory, as ./data")
	}
	if s.Type == StoreDynamoDB && s.Table == "" {
		d.wrong("store.table", "missing for type dynamodb", "add table: taskwarden")
	}
}

// ownNames are reserved in the audit log: for the controller, for what its mode allows it, for a change of the configuration, and
// for a caller without a token that is known.
var ownNames = []string{"taskwarden", "mode auto", "configuration", "nobody"}

func (d *decoder) validateServer(s Server) {
	d.unique("server.tokens", "name", collect(s.Tokens, func(t Token) string { return t.Name }))
	d.unique("server.tokens", "sha256", collect(s.Tokens, func(t Token) string { return t.SHA256 }))
	for i, t := range s.Tokens {
		if slices.ContainsFunc(ownNames, func(own string) bool { return strings.EqualFold(own, t.Name) }) {
			d.wrong(fmt.Sprintf("server.tokens[%d].name", i), fmt.Sprintf("%q is reserved in the audit log", t.Name), "choose another name, as oncall")
		}
	}
	if len(s.Tokens) == 0 && !loopback(s.Address) {
		d.wrong("server.address", fmt.Sprintf("%q is reached from other machines, and there are no tokens", s.Address), "add server.tokens or listen on 127.0.0.1:8080")
	}
}

// loopback reports whether only this machine reaches the address. Names other
// than localhost are not looked up, since the answer may change.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // the address's own problem is noted already
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
