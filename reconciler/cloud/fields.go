package cloud

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// UnknownFields lists the members of a RegisterTaskDefinition input that the SDK's shape does not have, as sorted paths
// (containerDefinitions[0].novelty). AWS may answer fields that this release has never heard of; what registering them does
// is not known. Keys of maps, such as labels, are data.
func (a *Account) UnknownFields(document []byte) ([]string, error) {
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		return nil, fmt.Errorf("read the registration: %w", err)
	}
	out := unknownFields(v, reflect.TypeFor[ecs.RegisterTaskDefinitionInput](), "")
	slices.Sort(out)
	return out, nil
}

func unknownFields(v any, t reflect.Type, at string) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var out []string
	switch v := v.(type) {
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return nil
		}
		for key, inner := range v {
			place := strings.TrimPrefix(at+"."+key, ".")
			// The SDK writes efsVolumeConfiguration as EFSVolumeConfiguration.
			f, ok := t.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, key) })
			if !ok || !f.IsExported() {
				out = append(out, place)
				continue
			}
			out = append(out, unknownFields(inner, f.Type, place)...)
		}
	case []any:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for i, inner := range v {
			out = append(out, unknownFields(inner, t.Elem(), fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	return out
}
