package cloudwatch

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// comparisons are the operators an alarm on a plain threshold takes, in AWS's words.
var comparisons = map[string]string{
	"GreaterThanOrEqualToThreshold": "greater than or equal to",
	"GreaterThanThreshold":          "greater than",
	"LessThanThreshold":             "less than",
	"LessThanOrEqualToThreshold":    "less than or equal to",
}

// reason words a verdict the way AWS's StateReason does.
func (r rule) reason(v verdict) string {
	if v.state == stateInsufficient {
		return fmt.Sprintf("Insufficient Data: %s unknown.", datapoints(v.filled, "was", "were"))
	}
	filled := r.filling(v)
	shown := r.shown(v)
	if len(shown) == 0 {
		received := "no datapoints were"
		if n := len(v.evaluated); n > 0 {
			received = "only " + datapoints(n, "was", "were")
		}
		return fmt.Sprintf("Threshold Crossed: %s received for %d %s and %s.", received, r.n, plural(r.n, "period"), filled)
	}
	not, direction, needed := "", "OK -> ALARM", r.m
	if v.state == stateOK {
		not, direction, needed = "not ", "ALARM -> OK", r.n-r.m+1
	}
	verb := "was"
	if len(shown) != 1 {
		verb = "were"
	}
	text := fmt.Sprintf("Threshold Crossed: %d out of the last %d datapoints [%s] %s %s%s the threshold (%s) (minimum %s for %s transition)",
		len(shown), r.n, strings.Join(shown, ", "), verb, not, comparisons[r.operator], decimal(r.threshold), datapoints(needed, "", ""), direction)
	if filled != "" {
		text += " and " + filled
	}
	return text + "."
}

// filling says how missing data points were filled in; "" where none was, or where missing data is not filled in.
func (r rule) filling(v verdict) string {
	treated := map[string]string{treatBreaching: "Breaching", treatNotBreaching: "NonBreaching"}[r.treat]
	switch {
	case v.filled == 0 || treated == "":
		return ""
	case v.filled == 1:
		return "1 missing datapoint was treated as [" + treated + "]"
	}
	return fmt.Sprintf("%d missing datapoints were treated as [%s]", v.filled, treated)
}

// shown lists the real data points that speak for the state, newest first.
func (r rule) shown(v verdict) []string {
	var list []string
	for i := len(v.evaluated) - 1; i >= 0; i-- {
		if p := v.evaluated[i]; p.breaching == (v.state == stateAlarm) {
			list = append(list, fmt.Sprintf("%s (%s)", decimal(p.value), time.Unix(p.at, 0).UTC().Format("02/01/06 15:04:05")))
		}
	}
	return list
}

func datapoints(n int, one, many string) string {
	verb := many
	if n == 1 {
		verb = one
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", n, plural(n, "datapoint"), verb))
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// decimal writes a number with at least one digit after the point, as AWS does.
func decimal(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// reasonData is the JSON of StateReasonData, version 1.0.
func (r rule) reasonData(v verdict, at time.Time) string {
	type evaluated struct {
		Timestamp string  `json:"timestamp"`
		Value     float64 `json:"value"`
	}
	data := struct {
		Version    string      `json:"version"`
		QueryDate  string      `json:"queryDate"`
		Statistic  string      `json:"statistic,omitempty"`
		Period     int64       `json:"period"`
		Recent     []float64   `json:"recentDatapoints"`
		Threshold  float64     `json:"threshold"`
		Datapoints []evaluated `json:"evaluatedDatapoints"`
	}{
		Version: "1.0", QueryDate: stamp(at), Statistic: r.stat.name, Period: r.period, Threshold: r.threshold,
		Recent: []float64{}, Datapoints: []evaluated{},
	}
	for _, p := range v.evaluated {
		data.Recent = append(data.Recent, p.value)
		data.Datapoints = append(data.Datapoints, evaluated{stamp(time.Unix(p.at, 0)), p.value})
	}
	text, _ := json.Marshal(data) // strings and finite numbers only: cannot fail
	return string(text)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }
