package cloudwatch

import (
	"slices"
	"time"

	"taskwarden/test/account/wire"
)

// describeAlarmHistory lists changes of state and of configuration, the newest first unless ScanBy says otherwise. The
// history of a deleted alarm stays.
func (s *Service) describeAlarmHistory(in wire.Input, _ time.Time) (map[string]any, error) {
	size, err := pageSize(in, 100, 100)
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(slices.Clone(s.history), func(h historyItem) bool { return !h.matches(in) })
	newestFirst, err := descending(in)
	if err != nil {
		return nil, err
	}
	if newestFirst {
		slices.Reverse(found)
	}
	skip, err := offset(in.String("NextToken"))
	if err != nil {
		return nil, err
	}
	end := min(skip+size, len(found))
	items := []any{}
	for _, h := range found[min(skip, end):end] {
		items = append(items, h.out())
	}
	next := ""
	if end < len(found) {
		next = offsetToken(end)
	}
	return setNext(map[string]any{"AlarmHistoryItems": items}, next), nil
}

func (h historyItem) matches(in wire.Input) bool {
	if start, ok := in.Time("StartDate"); ok && h.at.Before(start) {
		return false
	}
	if end, ok := in.Time("EndDate"); ok && h.at.After(end) {
		return false
	}
	types := in.Strings("AlarmTypes")
	return listed(in.String("AlarmName"), h.alarm) && listed(in.String("HistoryItemType"), h.kind) &&
		listed(in.String("AlarmContributorId"), h.contributor) && (len(types) == 0 || slices.Contains(types, "MetricAlarm"))
}

func (h historyItem) out() map[string]any {
	m := map[string]any{
		"AlarmName": h.alarm, "AlarmType": "MetricAlarm", "Timestamp": h.at,
		"HistoryItemType": h.kind, "HistorySummary": h.summary, "HistoryData": h.data,
	}
	if h.contributor != "" {
		attributes := map[string]any{}
		for k, v := range h.attributes {
			attributes[k] = v
		}
		m["AlarmContributorId"], m["AlarmContributorAttributes"] = h.contributor, attributes
	}
	return m
}
