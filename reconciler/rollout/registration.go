package rollout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"taskwarden/reconciler/otel"
)

// What ECS allows of one registration (Amazon ECS service quotas: "Task definition size", and tags of a resource).
const (
	maxTags     = 50
	maxDocument = 64 << 10
)

// Registration is the RegisterTaskDefinition input that makes of a revision's raw document one with the values of set and with our
// tag. It is a *Refusal where anything else would change, or where ECS would turn the registration away. No value is ever in an error.
func Registration(base []byte, set map[string]map[string]string, tag string) ([]byte, error) {
	document, _, err := otel.Patch(base, set)
	if err == nil {
		document, err = otel.Tag(document, RolloutTag, tag)
	}
	if refusal, ok := errors.AsType[*otel.Refusal](err); ok {
		return nil, refuse(reasonOf(refusal.Reason), nil, "%s", refusal.Error())
	}
	if err != nil {
		return nil, err
	}
	if err := onlyTheChange(base, document, set, tag); err != nil {
		return nil, err
	}
	return document, withinLimits(document)
}

// reasonOf maps what Patch refuses to the reasons of rollouts, which spell the common ones alike.
func reasonOf(r otel.RefusalReason) Reason {
	switch r {
	case otel.NameInSecrets, otel.NameInFile, otel.DuplicateName:
		return Reason(r)
	}
	return ReasonField
}

// withinLimits refuses what ECS would turn away. How ECS counts the size is not documented: here it is JSON without white space and tags.
func withinLimits(document []byte) error {
	if tags := len(gjson.GetBytes(document, "tags").Array()); tags > maxTags {
		return refuse(ReasonTags, []string{fmt.Sprintf("%d tags with %s", tags, RolloutTag)},
			"ECS allows %d tags on a task definition, and a rollout adds one", maxTags)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(document, &fields); err != nil {
		return errors.New("read the registration: it is no JSON object") // the decoder's words may hold values
	}
	delete(fields, "tags")
	rest, err := json.Marshal(fields)
	if err != nil {
		return errors.New("write the registration: it is no JSON object")
	}
	if len(rest) > maxDocument {
		return refuse(ReasonLarge, []string{fmt.Sprintf("%d bytes", len(rest))},
			"ECS allows %d KiB for a task definition, and this one would be larger", maxDocument>>10)
	}
	return nil
}

// onlyTheChange refuses a document that differs from the base in anything but the values of set and our tag, or lacks one of them. It
// knows nothing of how the document was made.
func onlyTheChange(base, document []byte, set map[string]map[string]string, tag string) error {
	found, err := otel.Diff(base, document)
	if err != nil {
		return err
	}
	var places []string
	for _, d := range found {
		if _, ours := set[d.Container][d.Variable]; !ours && !ofOurTag(d) {
			places = append(places, d.Path)
		}
	}
	places = append(places, lacking(document, set)...)
	if tagsOf(document)[RolloutTag] != tag {
		places = append(places, tagPath)
	}
	return differs(places, "besides the policy's variables")
}

// tagPath is the place of our tag in the differences of two documents.
const tagPath = "tags[" + RolloutTag + "]"

func ofOurTag(d otel.Difference) bool { return strings.HasPrefix(d.Path, tagPath) }

// Matches refuses a revision, as ECS describes it, that is not what was sent.
func Matches(sent, described []byte) error {
	found, err := otel.Diff(sent, described)
	if err != nil {
		return err
	}
	var places []string
	for _, d := range found {
		places = append(places, d.Path)
	}
	return differs(places, "from what was sent")
}

// SameContent reports whether two revisions would start the same tasks. Tags count too, but for our own.
func SameContent(a, b []byte) (bool, error) {
	found, err := otel.Diff(a, b)
	return !slices.ContainsFunc(found, func(d otel.Difference) bool { return !ofOurTag(d) }), err
}

func differs(places []string, from string) error {
	if len(places) == 0 {
		return nil
	}
	slices.Sort(places)
	places = slices.Compact(places)
	return refuse(ReasonField, places, "%d place(s) would differ %s", len(places), from)
}

// lacking lists the variables of set that a document does not set once, with their value.
func lacking(document []byte, set map[string]map[string]string) []string {
	has := map[string][]string{}
	gjson.GetBytes(document, "containerDefinitions").ForEach(func(_, c gjson.Result) bool {
		c.Get("environment").ForEach(func(_, e gjson.Result) bool {
			at := variablePath(c.Get("name").Str, e.Get("name").Str)
			has[at] = append(has[at], e.Get("value").Str)
			return true
		})
		return true
	})
	var out []string
	for container, variables := range set {
		for name, value := range variables {
			if at := variablePath(container, name); !slices.Equal(has[at], []string{value}) {
				out = append(out, at)
			}
		}
	}
	return out
}

func variablePath(container, name string) string {
	return "containerDefinitions[" + container + "].environment[" + name + "]"
}

// tagsOf are the tags of a registration.
func tagsOf(document []byte) map[string]string {
	out := map[string]string{}
	gjson.GetBytes(bytes.TrimSpace(document), "tags").ForEach(func(_, tag gjson.Result) bool {
		out[tag.Get("key").Str] = tag.Get("value").Str
		return true
	})
	return out
}
