package otel

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Change is one variable that Patch set.
type Change struct {
	Container string `json:"container"`
	Name      string `json:"name"`
	Old       string `json:"old"` // "" where Existed is false
	New       string `json:"new"`
	Existed   bool   `json:"existed"`
}

// RefusalReason is why Patch will not touch a document: a stable code.
type RefusalReason string

// Reasons.
const (
	NoContainer   RefusalReason = "container_missing"
	SameContainer RefusalReason = "container_duplicate"
	DuplicateName RefusalReason = "name_duplicate"   // the variable is there twice: changing one would leave the other
	NameInSecrets RefusalReason = "name_in_secrets"  // RegisterTaskDefinition refuses a name in both places
	NameInFile    RefusalReason = "name_in_env_file" // an inline value would silently shadow what a file may set
	DuplicateKey  RefusalReason = "duplicate_key"
	Malformed     RefusalReason = "malformed"
)

// Refusal says why nothing was patched. errors.AsType finds the first of several.
type Refusal struct {
	Reason    RefusalReason
	Container string
	Name      string // the variable, or the JSON key
	Message   string
}

// Error names the place and the reason.
func (r *Refusal) Error() string {
	at := ""
	if r.Container != "" {
		at = "container " + r.Container + ": "
	}
	return at + r.Message
}

// outputOnly are the fields that DescribeTaskDefinition answers and RegisterTaskDefinition does not take (the two shapes
// in aws-sdk-go-v2/service/ecs; the first eight also in aws-actions/amazon-ecs-deploy-task-definition).
var outputOnly = []string{
	"compatibilities", "taskDefinitionArn", "requiresAttributes", "revision", "status", "registeredAt", "deregisteredAt",
	"registeredBy", "deleteRequestedAt",
}

// OutputOnly lists the members of a task definition that DescribeTaskDefinition answers and RegisterTaskDefinition does not
// take.
func OutputOnly() []string { return slices.Clone(outputOnly) }

// Patch turns a task definition document into RegisterTaskDefinition input with the variables of set (container to name
// to value) in it. It takes what DescribeTaskDefinition answers, the task definition alone, or registration input.
//
// Nothing else changes: fields only an answer has are dropped, tags move in from beside the task definition without AWS's
// own "aws:" ones (an empty list is left out, since AWS refuses it), and every other byte stays, so that unknown fields,
// the order of keys, the spelling of numbers and duplicates survive. A variable that exists keeps its place, a new one
// goes to the end. changes holds the variables whose value differs, in the order of the containers, then of the names.
//
// An error is a *Refusal (where the document must not be patched as asked) or says why raw is no JSON; then nothing is
// returned.
func Patch(raw []byte, set map[string]map[string]string) (out []byte, changes []Change, err error) {
	definition, tags, err := root(raw)
	if err != nil {
		return nil, nil, err
	}
	containers, _, err := find(definition, "containerDefinitions")
	if err != nil {
		return nil, nil, err
	}
	if !containers.value.IsArray() {
		return nil, nil, &Refusal{Reason: Malformed, Name: "containerDefinitions", Message: "the document has no containerDefinitions list"}
	}
	p := patcher{raw: raw, seen: map[string]bool{}}
	for _, c := range membersOf(containers.value) {
		if err := p.container(c.value, set); err != nil {
			return nil, nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if !p.seen[name] {
			return nil, nil, &Refusal{Reason: NoContainer, Container: name, Message: "the task definition has no such container"}
		}
	}
	if err := p.top(definition, tags); err != nil {
		return nil, nil, err
	}
	return apply(raw, span{definition.Index, definition.Index + len(definition.Raw)}, p.edits), p.changes, nil
}

// patcher gathers the edits of one document.
type patcher struct {
	raw     []byte
	seen    map[string]bool // containers by name
	edits   []edit
	changes []Change
}

// container sets the variables of one container definition.
func (p *patcher) container(c gjson.Result, set map[string]map[string]string) error {
	name, err := text(c, "name")
	if err != nil {
		return err
	}
	want := set[name]
	if p.seen[name] && want != nil {
		return &Refusal{Reason: SameContainer, Container: name, Message: "two containers have this name"}
	}
	p.seen[name] = true
	if len(want) == 0 {
		return nil
	}
	environment, ok, err := find(c, "environment")
	if err != nil {
		return err
	}
	if ok && !environment.value.IsArray() && environment.value.Type != gjson.Null {
		return &Refusal{Reason: Malformed, Container: name, Name: "environment", Message: "environment is no list"}
	}
	var fresh []string
	for _, variable := range slices.Sorted(maps.Keys(want)) {
		exists, err := p.variable(c, name, environment.value, Change{Container: name, Name: variable, New: want[variable]})
		if err != nil {
			return err
		}
		if !exists {
			fresh = append(fresh, fmt.Sprintf(`{"name":%s,"value":%s}`, quoted(variable), quoted(want[variable])))
		}
	}
	p.append(c, environment, fresh)
	return nil
}

// variable changes one variable in place; exists is false where it has to be appended.
func (p *patcher) variable(c gjson.Result, container string, environment gjson.Result, change Change) (exists bool, err error) {
	refuse := func(reason RefusalReason, message string) (bool, error) {
		return false, &Refusal{Reason: reason, Container: container, Name: change.Name, Message: change.Name + " " + message}
	}
	if change.Name == "" || strings.ContainsAny(change.Name, "=\x00") || !utf8.ValidString(change.Name+change.New) {
		return refuse(Malformed, "is no variable that can be set")
	}
	secrets, err := named(c, "secrets", change.Name)
	if err != nil {
		return false, err
	}
	if len(secrets) > 0 {
		return refuse(NameInSecrets, "arrives from a secret")
	}
	entries, err := namedIn(environment, change.Name)
	if err != nil {
		return false, err
	}
	files, _, err := find(c, "environmentFiles")
	switch {
	case err != nil:
		return false, err
	case len(entries) > 1:
		return refuse(DuplicateName, "is set more than once")
	case len(entries) == 0 && len(membersOf(files.value)) > 0:
		return refuse(NameInFile, "may arrive from an environment file, which an inline value would hide")
	case len(entries) == 0:
		p.changes = append(p.changes, change)
		return false, nil
	}
	return true, p.replace(entries[0], change)
}

// replace puts the new value into an entry of environment.
func (p *patcher) replace(entry gjson.Result, change Change) error {
	value, ok, err := find(entry, "value")
	if err != nil {
		return err
	}
	change.Existed, change.Old = true, value.value.Str
	switch {
	case !ok:
		p.edits = append(p.edits, add(p.raw, entry, `"value":`+quoted(change.New)))
	case value.value.Type != gjson.String && value.value.Type != gjson.Null:
		return &Refusal{Reason: Malformed, Container: change.Container, Name: change.Name, Message: "the value of " + change.Name + " is no string"}
	case value.value.Type == gjson.String && change.Old == change.New:
		return nil
	default:
		p.edits = append(p.edits, edit{span{value.value.Index, value.to}, quoted(change.New)})
	}
	p.changes = append(p.changes, change)
	return nil
}

// append puts new entries at the end of environment, which is made where the container has none.
func (p *patcher) append(c gjson.Result, environment member, fresh []string) {
	if len(fresh) == 0 {
		return
	}
	switch {
	case environment.value.IsArray():
		between := ","
		if entries := membersOf(environment.value); len(entries) > 0 {
			between += spacing(p.raw, entries[len(entries)-1].from)
		}
		p.edits = append(p.edits, add(p.raw, environment.value, strings.Join(fresh, between)))
	case environment.value.Exists(): // null
		p.edits = append(p.edits, edit{span{environment.value.Index, environment.to}, "[" + strings.Join(fresh, ",") + "]"})
	default:
		p.edits = append(p.edits, add(p.raw, c, `"environment":[`+strings.Join(fresh, ",")+`]`))
	}
}

// top drops what only an answer has, and puts the tags in their place.
func (p *patcher) top(definition, tags gjson.Result) error {
	kept, err := p.tags(tags)
	if err != nil {
		return err
	}
	members := membersOf(definition)
	inside := false
	p.edits = append(p.edits, remove(members, func(m member) bool {
		own := m.key == "tags"
		inside = inside || own
		return slices.Contains(outputOnly, m.key) || own && kept == ""
	})...)
	switch {
	case kept == "":
	case inside:
		if kept != tags.Raw {
			p.edits = append(p.edits, edit{span{tags.Index, tags.Index + len(tags.Raw)}, kept})
		}
	default:
		// After the last member, whether that one stays or goes: containerDefinitions always stays, so a comma is due.
		p.edits = append(p.edits, add(p.raw, definition, `"tags":`+kept))
	}
	return nil
}

// tags is the list without AWS's own tags, "" where nothing is left.
func (p *patcher) tags(tags gjson.Result) (string, error) {
	if !tags.Exists() || tags.Type == gjson.Null {
		return "", nil
	}
	if !tags.IsArray() {
		return "", &Refusal{Reason: Malformed, Name: "tags", Message: "tags is no list"}
	}
	members := membersOf(tags)
	aws := func(m member) bool {
		key, _ := text(m.value, "key")
		return strings.HasPrefix(strings.ToLower(key), "aws:")
	}
	if !slices.ContainsFunc(members, func(m member) bool { return !aws(m) }) {
		return "", nil
	}
	return string(apply(p.raw, span{tags.Index, tags.Index + len(tags.Raw)}, remove(members, aws))), nil
}

// named lists the elements of c's list field that have the name.
func named(c gjson.Result, field, name string) ([]gjson.Result, error) {
	m, _, err := find(c, field)
	if err != nil {
		return nil, err
	}
	return namedIn(m.value, name)
}

func namedIn(list gjson.Result, name string) ([]gjson.Result, error) {
	var out []gjson.Result
	for _, m := range membersOf(list) {
		n, err := text(m.value, "name")
		if err != nil {
			return nil, err
		}
		if n == name && m.value.IsObject() {
			out = append(out, m.value)
		}
	}
	return out, nil
}
