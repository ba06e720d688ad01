package cloudwatch

import (
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/test/account/wire"
)

// maxTags is the most tags of one alarm (API reference, TagResource).
const maxTags = 50

// readTags reads Tags over the ones there are. Keys have 1 to 128 characters and may not begin with "aws:", values at most 256.
func readTags(in wire.Input, have map[string]string) (map[string]string, error) {
	tags := map[string]string{}
	maps.Copy(tags, have)
	for _, t := range in.Maps("Tags") {
		key, value := t.String("Key"), t.String("Value")
		if key == "" || len(key) > 128 || len(value) > 256 || strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, badValue("The tag %q is invalid.", key)
		}
		tags[key] = value
	}
	if len(tags) > maxTags {
		return nil, badValue("An alarm has at most %d tags, not %d.", maxTags, len(tags))
	}
	return tags, nil
}

// tagged finds the alarm of ResourceARN.
func (s *Service) tagged(in wire.Input) (*alarm, error) {
	arn := in.String("ResourceARN")
	if arn == "" {
		return nil, missing("ResourceARN")
	}
	name, ok := strings.CutPrefix(arn, "arn:aws:cloudwatch:"+s.region+":"+s.accountID+":alarm:")
	if !ok {
		return nil, badValue("The ARN %q is not of an alarm in this account and region.", arn)
	}
	a := s.named(name)
	if a == nil {
		return nil, noResource("The alarm %q does not exist.", name)
	}
	return a, nil
}

func (s *Service) tagResource(in wire.Input, _ time.Time) (map[string]any, error) {
	a, err := s.tagged(in)
	if err != nil {
		return nil, err
	}
	tags, err := readTags(in, a.tags)
	if err != nil {
		return nil, err
	}
	a.tags = tags
	return nil, nil
}

func (s *Service) untagResource(in wire.Input, _ time.Time) (map[string]any, error) {
	a, err := s.tagged(in)
	if err != nil {
		return nil, err
	}
	for _, key := range in.Strings("TagKeys") {
		delete(a.tags, key)
	}
	return nil, nil
}

func (s *Service) listTagsForResource(in wire.Input, _ time.Time) (map[string]any, error) {
	a, err := s.tagged(in)
	if err != nil {
		return nil, err
	}
	tags := []any{}
	for _, key := range slices.Sorted(maps.Keys(a.tags)) {
		tags = append(tags, map[string]any{"Key": key, "Value": a.tags[key]})
	}
	return map[string]any{"Tags": tags}, nil
}
