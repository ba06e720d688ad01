package judgement

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const clockFormat = "01-02 15:04:05"

// Story tells a service's time: what was true, what was found, and each unplanned stop as it was and as it was judged.
func (c Case) Story() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%+v\n", c.Spec)
	for _, t := range slices.Concat(c.churning(), c.crashing()) {
		fmt.Fprintf(&out, "true   %s %s from %s to %s: %d deaths since %s, %s\n", t.Type, t.Subject, stamp(t.From), stamp(t.To), t.Deaths, stamp(t.First), t.Fault)
	}
	for _, f := range c.Opened {
		fmt.Fprintf(&out, "found  %s %s from %s to %s: %s, of %d stops\n", f.Type, f.Subject, stamp(f.From), stamp(f.To), f.Reason, len(f.Evidence))
	}
	for _, s := range c.Stops {
		v := c.Verdicts[s.ARN]
		if s.Planned && v.Planned {
			continue
		}
		culprit := "-"
		if v.Culprit != nil {
			culprit = v.Culprit.Container
		}
		fmt.Fprintf(&out, "%s shown %s after %s: was %s by %s (%s), judged %s by %s, %s: %s\n", stamp(s.At), stamp(s.Seen), s.Lifetime.Round(time.Second),
			s.Cause, s.Culprit, s.Fault, v.Cause, culprit, v.Confidence, strings.Join(v.Evidence, "; "))
	}
	return out.String()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "(never)"
	}
	return t.Format(clockFormat)
}
