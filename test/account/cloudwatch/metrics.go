package cloudwatch

import (
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/test/account/wire"
)

// Limits of PutMetricData (API reference, PutMetricData and MetricDatum).
const (
	maxDatums      = 1000
	maxValues      = 150
	maxDimensions  = 30
	maxPast        = 14 * 24 * time.Hour
	maxFuture      = 2 * time.Hour
	maxNameLength  = 255
	maxValueLength = 1024
)

var units = strings.Fields(`Seconds Microseconds Milliseconds Bytes Kilobytes Megabytes Gigabytes Terabytes Bits Kilobits
	Megabits Gigabits Terabits Percent Count Bytes/Second Kilobytes/Second Megabytes/Second Gigabytes/Second
	Terabytes/Second Bits/Second Kilobits/Second Megabits/Second Gigabits/Second Terabits/Second Count/Second None`)

type datum struct {
	name string
	dims []dimension
	bucket
}

// putMetricData stores all datums of a call or, when one of them is bad, none.
func (s *Service) putMetricData(in wire.Input, now time.Time) (map[string]any, error) {
	namespace := in.String("Namespace")
	if err := checkNamespace(namespace); err != nil {
		return nil, err
	}
	list := in.Maps("MetricData")
	switch {
	case len(list) == 0:
		return nil, missing("MetricData")
	case len(list) > maxDatums:
		return nil, badValue("The collection MetricData must not have a size greater than %d.", maxDatums)
	}
	datums := make([]datum, len(list))
	for i, m := range list {
		d, err := readDatum(m, now)
		if err != nil {
			return nil, at(err, "MetricData.member.%d", i+1)
		}
		datums[i] = d
	}
	for _, d := range datums {
		s.store.add(namespace, d.name, d.dims, d.bucket, now.Unix())
	}
	return nil, nil
}

func checkNamespace(ns string) error {
	switch {
	case ns == "":
		return missing("Namespace")
	case len(ns) > maxNameLength:
		return badValue("The value for parameter Namespace is longer than %d characters.", maxNameLength)
	case strings.HasPrefix(ns, "AWS/"):
		return badValue("The value AWS/ for parameter Namespace is invalid: it is reserved for AWS services.")
	case strings.HasPrefix(ns, ":") || strings.ContainsFunc(ns, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return badValue("The value %q for parameter Namespace is invalid.", ns)
	}
	return nil
}

func readDatum(m wire.Input, now time.Time) (datum, error) {
	d := datum{name: m.String("MetricName")}
	if d.name == "" {
		return d, missing("MetricName")
	}
	if len(d.name) > maxNameLength {
		return d, badValue("MetricName is longer than %d characters.", maxNameLength)
	}
	dims, err := readDims(m)
	if err != nil {
		return d, err
	}
	d.dims = dims
	when, err := readTimestamp(m, now)
	if err != nil {
		return d, err
	}
	unit := m.String("Unit")
	if unit == "" {
		unit = "None"
	}
	if !slices.Contains(units, unit) {
		return d, badValue("The value %q for parameter Unit is not a standard unit.", unit)
	}
	d.bucket, err = readValues(m)
	d.at, d.unit = when, unit
	return d, err
}

// readTimestamp reads when a datum was measured, in seconds rounded down to the storage resolution (1 or 60 seconds).
func readTimestamp(m wire.Input, now time.Time) (int64, error) {
	when, ok := m.Time("Timestamp")
	if !ok {
		when = now
	}
	if when.Before(now.Add(-maxPast)) || when.After(now.Add(maxFuture)) {
		return 0, badValue("The timestamp %s must be between two weeks before and two hours after now (%s).",
			when.UTC().Format(time.RFC3339), now.Format(time.RFC3339))
	}
	switch resolution := m.Int("StorageResolution", 60); resolution {
	case 1, 60:
		return floor(when.Unix(), int64(resolution)), nil
	default:
		return 0, badValue("StorageResolution must be 1 or 60, not %d.", resolution)
	}
}

// readDims reads and sorts the dimensions of a metric. A name may come only once.
func readDims(m wire.Input) ([]dimension, error) {
	list := m.Maps("Dimensions")
	if len(list) > maxDimensions {
		return nil, badValue("The collection Dimensions must not have a size greater than %d.", maxDimensions)
	}
	seen := map[string]string{}
	for i, d := range list {
		name, value := d.String("Name"), d.String("Value")
		switch _, twice := seen[name]; {
		case name == "" || len(name) > maxNameLength || strings.HasPrefix(name, ":"):
			return nil, badValue("The name %q of Dimensions.member.%d is invalid.", name, i+1)
		case value == "" || len(value) > maxValueLength:
			return nil, badValue("The value of the dimension %q must have 1 to %d characters.", name, maxValueLength)
		case twice:
			return nil, badValue("The dimension %q is given twice.", name)
		}
		seen[name] = value
	}
	return dimsOf(seen), nil
}

// listMetrics lists the metrics with data in the last two weeks, or in the last three hours when RecentlyActive asks so.
func (s *Service) listMetrics(in wire.Input, now time.Time) (map[string]any, error) {
	age := maxPast
	switch r := in.String("RecentlyActive"); r {
	case "":
	case "PT3H":
		age = 3 * time.Hour
	default:
		return nil, badValue("RecentlyActive must be PT3H, not %q.", r)
	}
	filters := in.Maps("Dimensions")
	if len(filters) > 10 {
		return nil, badValue("ListMetrics takes at most 10 dimension filters, not %d.", len(filters))
	}
	var found []*series
	for _, key := range slices.Sorted(maps.Keys(s.store.byKey)) {
		sr := s.store.byKey[key]
		active := sr.points[len(sr.points)-1].at >= now.Add(-age).Unix()
		if active && listed(in.String("Namespace"), sr.namespace) && listed(in.String("MetricName"), sr.name) && hasDims(sr, filters) {
			found = append(found, sr)
		}
	}
	page, next, err := pageAfter(found, func(sr *series) string { return sr.key }, in.String("NextToken"), 500)
	if err != nil {
		return nil, err
	}
	metrics := make([]any, len(page))
	for i, sr := range page {
		metrics[i] = map[string]any{"Namespace": sr.namespace, "MetricName": sr.name, "Dimensions": dimsOut(sr.dims)}
	}
	return setNext(map[string]any{"Metrics": metrics}, next), nil
}

func listed(want, have string) bool { return want == "" || want == have }

// hasDims says whether the metric has all dimensions asked for; a filter without a value takes any.
func hasDims(sr *series, filters []wire.Input) bool {
	for _, f := range filters {
		have := sr.value(f.String("Name"))
		if have == "" || !listed(f.String("Value"), have) {
			return false
		}
	}
	return true
}

func dimsOut(dims []dimension) []any {
	out := make([]any, len(dims))
	for i, d := range dims {
		out[i] = map[string]any{"Name": d.name, "Value": d.value}
	}
	return out
}
