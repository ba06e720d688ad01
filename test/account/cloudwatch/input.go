package cloudwatch

import (
	"encoding/json"
	"math"

	"taskwarden/test/account/wire"
)

// float reads a number, whole or not; ok is false where it is absent or of another type.
func float(in wire.Input, name string) (f float64, ok bool) { return number(in[name]) }

// floats reads a list of numbers; ok is false when an element is not one.
func floats(in wire.Input, name string) (list []float64, ok bool) {
	for _, e := range in.List(name) {
		f, ok := number(e)
		if !ok {
			return nil, false
		}
		list = append(list, f)
	}
	return list, true
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	case int:
		return float64(n), true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	}
	return 0, false
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// The error shapes of the API, by the names AWS's SDKs know them by. Validation failures that AWS's model does not name
// come as ValidationError.

func invalid(format string, args ...any) error { return wire.Bad("ValidationError", format, args...) }

func badValue(format string, args ...any) error {
	return wire.Bad("InvalidParameterValueException", format, args...)
}

func badCombination(format string, args ...any) error {
	return wire.Bad("InvalidParameterCombinationException", format, args...)
}

func missing(name string) error {
	return wire.Bad("MissingRequiredParameterException", "The parameter %s is required.", name)
}

// notFound is the ResourceNotFound of the alarm operations.
func notFound(format string, args ...any) error { return gone("ResourceNotFound", format, args...) }

// noResource is the ResourceNotFoundException of the tag and contributor operations, another shape in AWS's model.
func noResource(format string, args ...any) error {
	return gone("ResourceNotFoundException", format, args...)
}

func gone(code, format string, args ...any) error {
	e := wire.Bad(code, format, args...)
	e.Status = 404
	return e
}
