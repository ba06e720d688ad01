package cloudwatch

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// group is one time series a query returns: the metrics that share the values of GROUP BY, or all of them without it.
type group struct {
	labels  []dimension // of GROUP BY, in its order
	members []*series
}

// key orders and identifies a group within its query.
func (g group) key() string {
	var b strings.Builder
	for _, l := range g.labels {
		b.WriteString(l.name + "\x00" + l.value + "\x00")
	}
	return b.String()
}

func (g group) attributes() map[string]string {
	m := make(map[string]string, len(g.labels))
	for _, l := range g.labels {
		m[l.name] = l.value
	}
	return m
}

// between collects the points of all members in [from, to), one part for each.
func (g group) between(from, to int64) [][]bucket {
	var parts [][]bucket
	for _, m := range g.members {
		if part := m.between(from, to); len(part) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// groups answers which time series have data in [from, to), ordered by ORDER BY over that time and then by name, cut to
// LIMIT and to 500; partial says that 500 was not enough. A metric without one of GROUP BY's dimensions is left out.
func (q Query) groups(st store, from, to int64) (found []group, partial bool) {
	found = q.collect(st, from, to)
	if q.OrderBy != "" {
		q.sort(found, from, to)
	}
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	if len(found) > maxSeries {
		return found[:maxSeries], true
	}
	return found, false
}

func (q Query) collect(st store, from, to int64) []group {
	byKey := map[string]*group{}
	for _, sr := range st.byMetric[[2]string{q.Namespace, q.Metric}] {
		labels, ok := q.labels(sr)
		if !ok || len(sr.between(from, to)) == 0 {
			continue
		}
		g := group{labels: labels}
		key := g.key()
		if byKey[key] == nil {
			byKey[key] = &g
		}
		byKey[key].members = append(byKey[key].members, sr)
	}
	found := make([]group, 0, len(byKey))
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		found = append(found, *byKey[key])
	}
	return found
}

// labels says whether the query selects the metric, and its values of GROUP BY.
func (q Query) labels(sr *series) (labels []dimension, ok bool) {
	if q.Exact && !sr.hasExactly(q.Schema) {
		return nil, false
	}
	for _, w := range q.Where {
		if (sr.value(w.Dimension) == w.Value) == w.Not {
			return nil, false
		}
	}
	for _, name := range q.GroupBy {
		value := sr.value(name)
		if value == "" {
			return nil, false
		}
		labels = append(labels, dimension{name, value})
	}
	return labels, true
}

func (sr *series) hasExactly(names []string) bool {
	if len(names) != len(sr.dims) {
		return false
	}
	for _, d := range sr.dims {
		if !slices.Contains(names, d.name) {
			return false
		}
	}
	return true
}

func (q Query) sort(found []group, from, to int64) {
	stat := statistic{name: functions[q.OrderBy]}
	type ranked struct {
		group
		rank float64
	}
	list := make([]ranked, len(found))
	for i, g := range found {
		v, _ := stat.of("", g.between(from, to)...)
		list[i] = ranked{g, v}
	}
	slices.SortStableFunc(list, func(a, b ranked) int {
		if q.Descending {
			a, b = b, a
		}
		return cmp.Compare(a.rank, b.rank)
	})
	for i, r := range list {
		found[i] = r.group
	}
}
