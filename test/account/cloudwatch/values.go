package cloudwatch

import (
	"errors"
	"fmt"

	"taskwarden/test/account/wire"
)

// readValues reads what a datum measured, in exactly one of its three forms: Value, Values with Counts, StatisticValues.
func readValues(m wire.Input) (bucket, error) {
	forms := 0
	for _, name := range []string{"Value", "Values", "StatisticValues"} {
		if m.Has(name) {
			forms++
		}
	}
	switch {
	case forms == 0:
		return bucket{}, missing("Value, Values or StatisticValues")
	case forms > 1:
		return bucket{}, badCombination("Only one of Value, Values and StatisticValues may be given.")
	case m.Has("StatisticValues"):
		return readSet(m.Map("StatisticValues"))
	case m.Has("Values"):
		return readList(m)
	}
	v, ok := float(m, "Value")
	if !ok || !finite(v) {
		return bucket{}, badValue("The value %v for parameter Value is invalid.", m["Value"])
	}
	return single(0, "", v), nil
}

func readList(m wire.Input) (bucket, error) {
	values, ok := floats(m, "Values")
	counts, countsOK := floats(m, "Counts")
	switch {
	case !ok || !countsOK:
		return bucket{}, badValue("Values and Counts must be lists of numbers.")
	case len(values) == 0 || len(values) > maxValues:
		return bucket{}, badValue("Values must have 1 to %d elements, not %d.", maxValues, len(values))
	case len(counts) > 0 && len(counts) != len(values):
		return bucket{}, badCombination("Counts must have as many elements as Values (%d), not %d.", len(values), len(counts))
	}
	var sum bucket
	for i, v := range values {
		n := 1.0
		if len(counts) > 0 {
			n = counts[i]
		}
		if !finite(v) || !finite(n) || n <= 0 {
			return bucket{}, badValue("The value %v with the count %v is invalid.", v, n)
		}
		sum = combine(sum, bucket{count: n, sum: v * n, least: v, most: v, values: []weighted{{v, n}}}, true)
	}
	return sum, nil
}

func readSet(set wire.Input) (bucket, error) {
	var v [4]float64
	for i, name := range []string{"SampleCount", "Sum", "Minimum", "Maximum"} {
		f, ok := float(set, name)
		if !ok {
			return bucket{}, missing("StatisticValues." + name)
		}
		if !finite(f) {
			return bucket{}, badValue("The value %v for parameter StatisticValues.%s is invalid.", f, name)
		}
		v[i] = f
	}
	if v[0] <= 0 || v[2] > v[3] {
		return bucket{}, badValue("StatisticValues needs a SampleCount above 0 and a Minimum not above its Maximum.")
	}
	return bucket{count: v[0], sum: v[1], least: v[2], most: v[3], withoutDetails: true}, nil
}

// at names the place of an error in the request.
func at(err error, format string, args ...any) error {
	var e *wire.Error
	if !errors.As(err, &e) {
		return err
	}
	return &wire.Error{Code: e.Code, Status: e.Status, Message: fmt.Sprintf(format, args...) + ": " + e.Message}
}
