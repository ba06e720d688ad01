package reconciler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/rollout"
)

// registrationOf is the RegisterTaskDefinition input that makes of a revision's raw document one with the values of set and
// with our tag, or a *rollout.Refusal where anything else would change. No value is ever in an error.
func registrationOf(raw []byte, set map[string]map[string]string, tag string) ([]byte, error) {
	document, _, err := otel.Patch(raw, set)
	if err == nil {
		document, err = otel.Tag(document, rollout.RolloutTag, tag)
	}
	if refusal, ok := errors.AsType[*otel.Refusal](err); ok {
		return nil, rollout.NewRefusal(reasonOf(refusal.Reason), nil, refusal.Error())
	}
	if err != nil {
		return nil, err
	}
	return document, strayed(raw, document, set, tag)
}

// reasonOf maps what Patch refuses to the reasons of rollouts, which spell the common ones alike.
func reasonOf(r otel.RefusalReason) rollout.Reason {
	switch r {
	case otel.NameInSecrets, otel.NameInFile, otel.DuplicateName:
		return rollout.Reason(r)
	}
	return rollout.ReasonField
}

// strayed compares a document with what the base becomes by the change alone, field by field, or gives a *rollout.Refusal with
// the places that differ. The comparison knows nothing of how the document was made: it reads both as plain JSON.
func strayed(base, is []byte, set map[string]map[string]string, tag string) error {
	want, err := contentOf(base)
	if err != nil {
		return err
	}
	got, err := contentOf(is)
	if err != nil {
		return err
	}
	want.set(set)
	places := differences(want.document, got.document, "")
	places = append(places, differences(want.tags, got.tags, "tags")...)
	if got.rollout != tag {
		places = append(places, "tags."+rollout.RolloutTag)
	}
	if len(places) == 0 {
		return nil
	}
	slices.Sort(places)
	return rollout.NewRefusal(rollout.ReasonField, places, fmt.Sprintf("%d place(s) besides the policy's variables would differ", len(places)))
}

// sameContent tells whether two revisions would start the same tasks, tags included, but for our own tag.
func sameContent(a, b []byte) (bool, error) {
	x, err := contentOf(a)
	if err != nil {
		return false, err
	}
	y, err := contentOf(b)
	return len(differences(x.document, y.document, ""))+len(differences(x.tags, y.tags, "")) == 0, err
}

// content is a task definition without what only an answer has. Tags are by key, without AWS's own and ours.
type content struct {
	document map[string]any
	tags     map[string]any
	rollout  string // value of our tag
}

func contentOf(raw []byte) (content, error) {
	var top map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&top); err != nil {
		return content{}, errors.New("read the task definition: it is no JSON object") // the decoder's words may hold values
	}
	c := content{document: top, tags: map[string]any{}}
	list := top["tags"]
	if inner, ok := top["taskDefinition"].(map[string]any); ok {
		c.document = inner
		if inner["tags"] != nil {
			list = inner["tags"]
		}
	}
	delete(c.document, "tags")
	for _, key := range otel.OutputOnly() {
		delete(c.document, key)
	}
	for _, tag := range objects(list) {
		key, _ := tag["key"].(string)
		switch {
		case key == rollout.RolloutTag:
			c.rollout, _ = tag["value"].(string)
		case !strings.HasPrefix(strings.ToLower(key), "aws:"):
			c.tags[key] = tag["value"]
		}
	}
	for _, container := range objects(c.document["containerDefinitions"]) {
		sortByName(container["environment"]) // a set: AWS may answer it in another order
	}
	return c, nil
}

// set gives the variables their values.
func (c content) set(values map[string]map[string]string) {
	for _, container := range objects(c.document["containerDefinitions"]) {
		name, _ := container["name"].(string)
		for _, variable := range slices.Sorted(maps.Keys(values[name])) {
			environment, _ := container["environment"].([]any)
			i := slices.IndexFunc(objects(environment), func(e map[string]any) bool { return e["name"] == variable })
			if i < 0 {
				environment = append(environment, map[string]any{"name": variable})
				i = len(environment) - 1
			}
			environment[i].(map[string]any)["value"] = values[name][variable]
			container["environment"] = environment
		}
		sortByName(container["environment"])
	}
}

// objects are the elements of a list if all of them are objects; nil otherwise.
func objects(list any) []map[string]any {
	all, _ := list.([]any)
	out := make([]map[string]any, 0, len(all))
	for _, v := range all {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		out = append(out, o)
	}
	return out
}

func sortByName(list any) {
	all, ok := list.([]any)
	if !ok || objects(list) == nil {
		return
	}
	name := func(v any) string { s, _ := v.(map[string]any)["name"].(string); return s }
	slices.SortStableFunc(all, func(a, b any) int { return strings.Compare(name(a), name(b)) })
}

// differences lists the places in which two documents differ. That a member is missing or empty is the same to AWS, which
// fills in some of them.
func differences(want, got any, at string) []string {
	if empty(want) && empty(got) {
		return nil
	}
	var out []string
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{at}
		}
		for key := range w {
			out = append(out, differences(w[key], g[key], strings.TrimPrefix(at+"."+key, "."))...)
		}
		for key := range g {
			if _, both := w[key]; !both {
				out = append(out, differences(nil, g[key], strings.TrimPrefix(at+"."+key, "."))...)
			}
		}
		return out
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return []string{at}
		}
		for i := range w {
			out = append(out, differences(w[i], g[i], fmt.Sprintf("%s[%d]", at, i))...)
		}
		return out
	}
	switch got.(type) {
	case map[string]any, []any: // these cannot be compared with ==
		return []string{at}
	}
	if want != got {
		return []string{at}
	}
	return nil
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}
