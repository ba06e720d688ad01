package account

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"taskwarden/test/account/wire"
)

// need is one permission that a call takes: most take one, some take more (PassRole for the roles of a task definition).
type need struct {
	action   string
	resource string            // "*" where the action takes none
	context  map[string]string // condition keys
}

// Enforcement is a policy at work.
type Enforcement struct {
	account *Account
	caller  string // the role's name
	policy  policyDocument
	used    map[string]bool
}

// policyDocument is as much of IAM's policy grammar as a policy of this product may use: statements that allow, on
// resources, under conditions. What is not understood here fails to load, so that nothing is passed by as if it held.
type policyDocument struct {
	Version   string
	Statement []struct {
		Sid       string
		Effect    string
		Action    texts
		Resource  texts
		Condition map[string]map[string]texts
	}
}

// texts is a string or a list of them, as IAM has it.
type texts []string

// UnmarshalJSON takes both.
func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// Enforce has IAM allow the calls of a role, by its name, exactly as a policy document says; a role without one may do
// everything. The account's own caller is the role "taskwarden". A second policy for a role takes the first one's place.
func (a *Account) Enforce(role string, document []byte) (*Enforcement, error) {
	e := &Enforcement{account: a, caller: role, used: map[string]bool{}}
	d := json.NewDecoder(strings.NewReader(string(document)))
	d.DisallowUnknownFields()
	if err := d.Decode(&e.policy); err != nil {
		return nil, fmt.Errorf("policy of %s: %w", role, err)
	}
	if e.policy.Version != "2012-10-17" || len(e.policy.Statement) == 0 {
		return nil, fmt.Errorf("policy of %s: version %q, %d statements", role, e.policy.Version, len(e.policy.Statement))
	}
	for _, s := range e.policy.Statement {
		if s.Effect != "Allow" || len(s.Action) == 0 || len(s.Resource) == 0 {
			return nil, fmt.Errorf("policy of %s: statement %s: effect %q, %d actions, %d resources", role, s.Sid, s.Effect, len(s.Action), len(s.Resource))
		}
		for operator := range s.Condition {
			if operator != "StringEquals" && operator != "StringLike" {
				return nil, fmt.Errorf("policy of %s: statement %s: condition operator %s is not known here", role, s.Sid, operator)
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.enforced == nil {
		a.enforced = map[string]*Enforcement{}
	}
	a.enforced[role] = e
	return e, nil
}

// Used lists the actions that calls so far were allowed by, sorted.
func (e *Enforcement) Used() []string {
	e.account.mu.Lock()
	defer e.account.mu.Unlock()
	return slices.Sorted(maps.Keys(e.used))
}

// allows evaluates one permission, and notes that it was of use. a.mu is held.
func (e *Enforcement) allows(n need) bool {
	for _, s := range e.policy.Statement {
		// Actions of the product's policies are whole names: a * among them would hide what is not used.
		if slices.Contains(s.Action, n.action) && anyLike(s.Resource, n.resource) && holds(s.Condition, n.context) {
			e.used[n.action] = true
			return true
		}
	}
	return false
}

func holds(condition map[string]map[string]texts, context map[string]string) bool {
	for operator, keys := range condition {
		for key, values := range keys {
			value, there := context[key]
			if !there || operator == "StringEquals" && !slices.Contains(values, value) || operator == "StringLike" && !anyLike(values, value) {
				return false
			}
		}
	}
	return true
}

// anyLike compares as IAM does: * is any text, ? any character. A need on "*" is met by "*" alone.
func anyLike(patterns []string, value string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == "*" || p == value {
			return true
		}
		expr := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(p))
		return value != "*" && regexp.MustCompile(`^`+expr+`$`).MatchString(value)
	})
}

// role is the name of the role that an access key is a session of.
func (a *Account) role(accessKey string) string {
	parts := strings.Split(a.caller(accessKey), "/")
	return parts[len(parts)-2]
}

// unmet is the first permission that a call lacks, by the policy of its caller and by what is denied. a.mu is held.
func (a *Account) unmet(req wire.Request) *need {
	e := a.enforced[a.role(req.AccessKey)]
	if e == nil && len(a.denied) == 0 {
		return nil
	}
	for _, n := range a.needs(req) {
		if a.isDenied(n.action) || e != nil && !e.allows(n) {
			return &n
		}
	}
	return nil
}
