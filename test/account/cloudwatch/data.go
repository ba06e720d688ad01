package cloudwatch

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"
)

const (
	daySeconds = 24 * 60 * 60
	// retention of data points with a period of 60 seconds (CloudWatch concepts, metrics retention).
	retention = 15 * daySeconds
)

// Point is what is stored of a metric at one time: the sums of all values put with the same (rounded) timestamp and unit.
type Point struct {
	At                                 time.Time
	Unit                               string
	SampleCount, Sum, Minimum, Maximum float64
}

type dimension struct{ name, value string }

// series is one metric: a namespace, a name and a set of dimensions.
type series struct {
	namespace, name string
	dims            []dimension // sorted by name
	key             string
	points          []bucket // sorted by time, then unit
}

// bucket holds all values put with one timestamp, rounded to the storage resolution, and one unit.
type bucket struct {
	at             int64 // seconds since 1970
	unit           string
	count, sum     float64
	least, most    float64
	values         []weighted // for percentiles
	withoutDetails bool       // a statistic set took part, so the values are not known
}

type weighted struct{ value, count float64 }

// store finds series by identity and by metric name.
type store struct {
	byKey    map[string]*series
	byMetric map[[2]string][]*series // by namespace and name
}

func newStore() store {
	return store{byKey: map[string]*series{}, byMetric: map[[2]string][]*series{}}
}

// seriesKey identifies a metric; dims are sorted.
func seriesKey(namespace, name string, dims []dimension) string {
	var b strings.Builder
	b.WriteString(namespace + "\x00" + name)
	for _, d := range dims {
		b.WriteString("\x00" + d.name + "\x00" + d.value)
	}
	return b.String()
}

func (st store) find(namespace, name string, dims []dimension) *series {
	return st.byKey[seriesKey(namespace, name, dims)]
}

// add stores one bucket of a metric and forgets what is older than the retention before now.
func (st store) add(namespace, name string, dims []dimension, b bucket, now int64) {
	key := seriesKey(namespace, name, dims)
	sr := st.byKey[key]
	if sr == nil {
		sr = &series{namespace: namespace, name: name, dims: dims, key: key}
		st.byKey[key] = sr
		metric := [2]string{namespace, name}
		st.byMetric[metric] = append(st.byMetric[metric], sr)
	}
	sr.add(b)
	if old := now - retention; sr.points[0].at < old {
		sr.points = slices.Delete(sr.points, 0, sr.from(old))
	}
}

func (sr *series) add(b bucket) {
	i, found := slices.BinarySearchFunc(sr.points, b, func(x, y bucket) int {
		return cmp.Or(cmp.Compare(x.at, y.at), strings.Compare(x.unit, y.unit))
	})
	if !found {
		sr.points = slices.Insert(sr.points, i, b)
		return
	}
	p := &sr.points[i]
	p.count, p.sum = p.count+b.count, p.sum+b.sum
	p.least, p.most = min(p.least, b.least), max(p.most, b.most)
	p.values = append(p.values, b.values...)
	p.withoutDetails = p.withoutDetails || b.withoutDetails
}

// from is the index of the first point at or after a time.
func (sr *series) from(at int64) int {
	return sort.Search(len(sr.points), func(i int) bool { return sr.points[i].at >= at })
}

// between is the points in [from, to).
func (sr *series) between(from, to int64) []bucket {
	i := sr.from(from)
	return sr.points[i:max(i, sr.from(to))]
}

// value is the value of a dimension, or "" where the metric does not have it.
func (sr *series) value(name string) string {
	for _, d := range sr.dims {
		if d.name == name {
			return d.value
		}
	}
	return ""
}

// Data reads what is stored of exactly one metric, oldest first.
func (s *Service) Data(namespace, metric string, dims map[string]string) []Point {
	sr := s.store.find(namespace, metric, dimsOf(dims))
	if sr == nil {
		return nil
	}
	out := make([]Point, len(sr.points))
	for i, p := range sr.points {
		out[i] = Point{At: time.Unix(p.at, 0).UTC(), Unit: p.unit, SampleCount: p.count, Sum: p.sum, Minimum: p.least, Maximum: p.most}
	}
	return out
}

// Record stores one value of a metric at a time, rounded down to the minute, the way AWS's own services publish: any
// namespace is allowed and nothing is checked.
func (s *Service) Record(namespace, metric string, dims map[string]string, at time.Time, value float64) {
	minute := floor(at.Unix(), 60)
	s.store.add(namespace, metric, dimsOf(dims), single(minute, "None", value), minute)
}

// Publish stores n equal values of a metric in the minute of a time, the way AWS's own services publish: any namespace is
// allowed and nothing is checked.
func (s *Service) Publish(namespace, metric string, dims map[string]string, at time.Time, unit string, value, n float64) {
	minute := floor(at.Unix(), 60)
	b := bucket{at: minute, unit: unit, count: n, sum: n * value, least: value, most: value, values: []weighted{{value, n}}}
	s.store.add(namespace, metric, dimsOf(dims), b, minute)
}

func dimsOf(dims map[string]string) []dimension {
	var out []dimension
	for _, name := range slices.Sorted(maps.Keys(dims)) {
		out = append(out, dimension{name, dims[name]})
	}
	return out
}

func single(at int64, unit string, v float64) bucket {
	return bucket{at: at, unit: unit, count: 1, sum: v, least: v, most: v, values: []weighted{{v, 1}}}
}

// floor rounds seconds down to a multiple of step.
func floor(seconds, step int64) int64 {
	r := seconds % step
	if r < 0 {
		r += step
	}
	return seconds - r
}
