package cloudwatch

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// statistic is one of the five simple statistics, or a percentile.
type statistic struct {
	name       string
	percentile float64 // 0..100, for names like p99
}

// simpleStatistics are the values of the API's Statistic enum.
var simpleStatistics = []string{"SampleCount", "Average", "Sum", "Minimum", "Maximum"}

// parseStatistic reads a statistic as GetMetricData writes it: one of the five, or pNN. Trimmed means and their kin are
// not simulated.
func parseStatistic(name string) (statistic, error) {
	if slices.Contains(simpleStatistics, name) {
		return statistic{name: name}, nil
	}
	if digits, ok := strings.CutPrefix(name, "p"); ok {
		p, err := strconv.ParseFloat(digits, 64)
		if err == nil && p >= 0 && p <= 100 {
			return statistic{name: name, percentile: p}, nil
		}
	}
	return statistic{}, invalid("the statistic %q is not one of %s or pNN (other extended statistics are not simulated)",
		name, strings.Join(simpleStatistics, ", "))
}

// of computes the statistic over points of any number of metrics; ok is false when there is no datum. A unit other than ""
// leaves out the points of other units.
func (st statistic) of(unit string, parts ...[]bucket) (v float64, ok bool) {
	var sum bucket
	for _, part := range parts {
		for _, p := range part {
			if unit == "" || unit == p.unit {
				sum = combine(sum, p, st.percentileWanted())
			}
		}
	}
	if sum.count == 0 {
		return 0, false
	}
	switch st.name {
	case "SampleCount":
		return sum.count, true
	case "Average":
		return sum.sum / sum.count, true
	case "Sum":
		return sum.sum, true
	case "Minimum":
		return sum.least, true
	case "Maximum":
		return sum.most, true
	}
	return sum.rank(st.percentile)
}

func (st statistic) percentileWanted() bool { return strings.HasPrefix(st.name, "p") }

func combine(a, b bucket, values bool) bucket {
	if b.count == 0 {
		return a
	}
	if a.count == 0 {
		a.least, a.most = b.least, b.most
	}
	a.count, a.sum = a.count+b.count, a.sum+b.sum
	a.least, a.most = min(a.least, b.least), max(a.most, b.most)
	if values {
		a.values = append(a.values, b.values...)
		a.withoutDetails = a.withoutDetails || b.withoutDetails
	}
	return a
}

// rank is the percentile by nearest rank. Where a statistic set took part AWS has no percentile either, except when all
// values are equal.
func (b bucket) rank(percentile float64) (float64, bool) {
	if b.withoutDetails {
		return b.least, b.least == b.most
	}
	sorted := slices.SortedFunc(slices.Values(b.values), func(x, y weighted) int { return cmp.Compare(x.value, y.value) })
	need, seen := percentile/100*b.count, 0.0
	for _, w := range sorted {
		if seen += w.count; seen >= need {
			return w.value, true
		}
	}
	return b.most, true
}

// validPeriod holds the rule of all the API's periods: 1, 5, 10, 20, 30 or a multiple of 60 seconds; 1 and 5 are for
// reading only, alarms take 10, 20 or 30.
func validPeriod(period int64, alarm bool) bool {
	switch period {
	case 1, 5:
		return !alarm
	case 10, 20, 30:
		return true
	}
	return period > 0 && period%60 == 0
}
