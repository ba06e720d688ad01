package judgement

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"taskwarden/reconciler/finding"
)

// Table prints the score beside the naive rules'.
func (r Result) Table() string {
	var out strings.Builder
	w := r.World
	fmt.Fprintf(&out, "%d services, %d days, seed %d: %d stops shown, %d decisions\n\n", w.Services, w.Days, w.Seed, r.Stops.Shown, r.Decided)
	fmt.Fprintln(&out, "| rule | finding | true | over | found | at once | late | recall | opened | right | precision | early | flaps | deaths to detect (median, p95) | hours to detect (median, p95) | hours to clear (median, p95) | a day per 1,000 services |")
	fmt.Fprintln(&out, "|"+strings.Repeat(" --- |", 17))
	row := func(name, kind string, t *Tally) {
		hours := make([]float64, len(t.ToOpen))
		for i, d := range t.ToOpen {
			hours[i] = d.Hours()
		}
		fmt.Fprintf(&out, "| %s | %s | %d | %d | %d | %d | %d | %.4f | %d | %d | %.4f | %d | %d | %d, %d | %.1f, %.1f | %.1f, %.1f | %.1f |\n", name, kind, t.True, t.Over, t.Found, t.AtOnce, t.Late, t.Recall(), t.Opened, t.Right, t.Precision(),
			t.Early, t.Split, median(t.Deaths), quantile(t.Deaths, 0.95), median(hours), quantile(hours, 0.95), median(t.ToClear), quantile(t.ToClear, 0.95), w.daily(t.Opened))
	}
	for _, kind := range []string{finding.SilentChurn, finding.SidecarCrash} {
		row("taskwarden", kind, r.Types[kind])
	}
	for _, n := range r.Naive {
		row(n.Name, finding.SilentChurn, n.Types[finding.SilentChurn])
	}
	fmt.Fprintln(&out, "\n| finding | what was wrong | true | found | deaths to detect (median, p95) | hours to detect (median, p95) |\n|"+strings.Repeat(" --- |", 6))
	for _, kind := range []string{finding.SilentChurn, finding.SidecarCrash} {
		for _, name := range slices.Sorted(maps.Keys(r.Types[kind].Faults)) {
			f := r.Types[kind].Faults[name]
			fmt.Fprintf(&out, "| %s | %s | %d | %d | %d, %d | %.1f, %.1f |\n", kind, name, f.True, f.Found, median(f.Deaths), quantile(f.Deaths, 0.95), median(f.Hours), quantile(f.Hours, 0.95))
		}
	}
	fmt.Fprintln(&out, "\n| false findings with stops of | taskwarden |"+heads(r.Naive))
	fmt.Fprintln(&out, "| --- | --- |"+strings.Repeat(" --- |", len(r.Naive)))
	for _, cause := range []string{"deployment", "scale_in", "spot_interruption", "maintenance", "host_drain", "operator_stop"} {
		fmt.Fprintf(&out, "| %s | %d |", cause, r.Planned[cause])
		for _, n := range r.Naive {
			fmt.Fprintf(&out, " %d |", n.Planned[cause])
		}
		fmt.Fprintln(&out)
	}
	out.WriteString(r.Stops.table())
	fmt.Fprintf(&out, "\nother findings opened: %v\n", r.Others)
	return out.String()
}

func heads(naive []NaiveScore) string {
	out := ""
	for _, n := range naive {
		out += " " + n.Name + " |"
	}
	return out
}

// daily is findings a day per 1,000 services.
func (w World) daily(n int) float64 {
	return float64(n) / float64(w.Days) * 1000 / float64(w.Services)
}

func (v Verdicts) table() string {
	var out strings.Builder
	fmt.Fprintf(&out, "\nstops: %d shown, %d recorded, %d twice; planned or not %.4f, cause %.4f, culprit %.4f of %d\n", v.Shown, v.Recorded, v.Twice,
		share(v.Planned, v.Shown), share(v.Cause, v.Shown), share(v.Culprit, v.WithCulprit), v.WithCulprit)
	fmt.Fprintf(&out, "planned taken for deaths: %v; deaths taken for planned: %v\n", v.PlannedAsDeath, v.DeathAsPlanned)
	keys := slices.SortedFunc(maps.Keys(v.Confused), func(a, b [2]string) int { return v.Confused[b] - v.Confused[a] })
	for _, k := range keys[:min(len(keys), 20)] {
		fmt.Fprintf(&out, "  was %s, judged %s: %d\n", k[0], k[1], v.Confused[k])
	}
	return out.String()
}

// Misses lists what was missed and what was false, by service.
func (t Tally) Misses() string {
	var out strings.Builder
	for _, m := range t.Missed {
		fmt.Fprintf(&out, "missed  service %d %s %s to %s: %s, %d deaths since %s\n", m.Service, m.Truth.Subject, stamp(m.Truth.From), stamp(m.Truth.To), m.Why, m.Truth.Deaths, stamp(m.Truth.First))
	}
	for _, m := range t.False {
		fmt.Fprintf(&out, "false   service %d %s %s to %s: %s\n", m.Service, m.Span.Subject, stamp(m.Span.From), stamp(m.Span.To), m.Why)
	}
	return out.String()
}
