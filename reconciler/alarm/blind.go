package alarm

import (
	"fmt"
	"slices"
	"strings"
)

// Reasons of AlarmBlind (CONTRACT section 3).
const (
	WrongNamespace   = "WrongNamespace"
	WrongDimensions  = "WrongDimensions"
	NoDataEver       = "NoDataEver"
	NoActions        = "NoActions"
	ActionsDisabled  = "ActionsDisabled"
	DeadActions      = "DeadActions"
	InvertedOperator = "InvertedOperator"
	MissingHides     = "MissingDataHidesDeath"
	NotEvaluated     = "NotEvaluated"
)

// Blindness is why an alarm can never fire, or never reach anybody.
type Blindness struct {
	Reason   string // a stable code
	Evidence string
}

// Data is what is known of a series' data; "" is nothing.
type Data string

// Data, by ListMetrics: one that lists no data lists metrics of the last two weeks.
const (
	Recent Data = "recent" // in the last three hours
	Older  Data = "older"  // in the last two weeks
	None   Data = "none"   // not in the last two weeks
)

// Topic is what is known of an SNS topic that alarms notify.
type Topic struct {
	Missing   bool
	Confirmed int // subscriptions that were confirmed
	Pending   int // that were not
}

// Facts is what was looked up beside the alarms. What is not in it is not known, and then nothing is concluded from it.
type Facts struct {
	Data   map[string]Data  // by Series.String
	Topics map[string]Topic // by ARN
}

// neverFires says why the alarm cannot do what it seems to be for, by its own settings and data. Whom it reaches is
// another question.
func neverFires(h Have, f Facts) []Blindness {
	var out []Blindness
	if h.Evaluation == EvaluationError {
		out = append(out, Blindness{NotEvaluated, "CloudWatch cannot evaluate it (" + EvaluationError + "): " + h.StateReason})
	}
	s, ok := h.series()
	if !ok {
		return out
	}
	data := f.Data[s.String()]
	m := metrics[s.Namespace][s.Metric]
	if reason, why := s.misplaced(); reason != "" && data != Recent && data != Older {
		out = append(out, Blindness{reason, why})
	} else if data == None && !m.sparse && (m.known() || h.State == "INSUFFICIENT_DATA") {
		out = append(out, Blindness{NoDataEver, "no data of " + s.String() + " in two weeks"})
	}
	if why := inverted(h, m); why != "" {
		out = append(out, Blindness{InvertedOperator, why})
	}
	if m.bad == low && m.stops && strings.HasPrefix(h.Comparison, "Less") && h.Missing != "breaching" && len(h.InsufficientActions) == 0 {
		out = append(out, Blindness{MissingHides, fmt.Sprintf(
			"%s is not sent while nothing runs, and missing data are treated as %s: it is silent when the last task dies", h.Metric, h.Missing)})
	}
	return out
}

// known reports whether the table of metrics has it.
func (m metric) known() bool {
	return m.bad != neither || m.stops || m.dimensions != nil
}

// inverted says that an alarm fires while all is well and falls silent in trouble; "" where it does not. A low
// utilisation is worth an alarm below half, and many tasks above one.
func inverted(h Have, m metric) string {
	less := strings.HasPrefix(h.Comparison, "Less")
	greater := strings.HasPrefix(h.Comparison, "Greater")
	switch {
	case m.bad == high && less && m.percent && h.Threshold >= 50:
		return fmt.Sprintf("it alarms while %s is at most %g, and not above it", h.Metric, h.Threshold)
	case m.bad == high && less && !m.percent && h.Threshold <= 1:
		return fmt.Sprintf("it alarms while %s is %g or less, which is when all is well", h.Metric, h.Threshold)
	case m.bad == low && greater && h.Threshold <= 1:
		return fmt.Sprintf("it alarms while %s is above %g, which is when all is well", h.Metric, h.Threshold)
	}
	return ""
}

// scales reports whether the alarm's actions only scale something: it is for no person.
func (h Have) scales() bool {
	all := slices.Concat(h.AlarmActions, h.OKActions)
	return len(all) > 0 && !slices.ContainsFunc(all, func(arn string) bool {
		return !strings.Contains(arn, ":autoscaling:")
	})
}

// unreachable says why an alarm's own actions reach no person; reason is "" where they may reach one.
func (h Have) unreachable(topics map[string]Topic) Blindness {
	switch {
	case len(h.AlarmActions) == 0:
		return Blindness{NoActions, "it has no alarm action"}
	case h.ActionsDisabled:
		return Blindness{ActionsDisabled, "its actions are disabled"}
	}
	var dead []string
	for _, arn := range h.AlarmActions {
		t, known := topics[arn]
		switch {
		case !known || t.Confirmed > 0:
			return Blindness{}
		case t.Missing:
			dead = append(dead, "the topic "+arn+" does not exist")
		case t.Pending > 0:
			dead = append(dead, fmt.Sprintf("no subscription of the topic %s is confirmed (%d pending)", arn, t.Pending))
		default:
			dead = append(dead, "the topic "+arn+" has no subscription")
		}
	}
	return Blindness{DeadActions, strings.Join(dead, "; ")}
}
