package reconciler

import (
	"context"

	"go.uber.org/zap"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
)

// announce logs what a decision changed, once, and counts it.
func (c *Controller) announce(d Decision) {
	for _, s := range d.New {
		c.metrics.stop(s.Verdict)
		c.o.Log.Info("task stopped", stopFields(d, s)...)
	}
	for _, s := range d.Refined {
		c.o.Log.Info("stop explained", stopFields(d, s)...)
	}
	for _, t := range d.Changes {
		c.change(t, d.Findings)
	}
}

func stopFields(d Decision, s churn.Stop) []zap.Field {
	f := []zap.Field{
		zap.Stringer("service", d.Key), zap.String("task", s.TaskARN), zap.Bool("planned", s.Verdict.Planned),
		zap.String("cause", string(s.Verdict.Cause)), zap.String("confidence", string(s.Verdict.Confidence)),
		zap.Duration("lifetime", s.Lifetime),
	}
	if cu := s.Verdict.Culprit; cu != nil {
		f = append(f, zap.String("culprit", cu.Container), zap.Bool("sidecar", s.Verdict.Sidecar))
		if cu.ExitCode != nil {
			f = append(f, zap.Int("exitCode", *cu.ExitCode))
		}
	}
	for _, sig := range s.Verdict.Signatures {
		f = append(f, zap.String("signature", sig.Name), zap.String("line", sig.Line))
		break
	}
	return f
}

// change logs one finding's change of status, and whether anybody hears of one that opens.
func (c *Controller) change(t finding.Transition, is []finding.Finding) {
	said := "finding opened"
	switch t.To {
	case finding.False:
		said = "finding closed"
	case finding.Unknown:
		said = "finding unknown"
	}
	fields := []zap.Field{zap.Stringer("on", t.Key), zap.String("type", t.Type), zap.String("subject", t.Subject),
		zap.String("severity", string(t.Severity)), zap.String("reason", t.Reason), zap.String("message", t.Message)}
	for _, f := range is {
		if f.Key != t.Key || f.Type != t.Type || f.Subject != t.Subject {
			continue
		}
		if h := c.HearingOf(f); h.Why != "" {
			fields = append(fields, zap.String("unheard", h.Why))
		} else if len(h.Alarms) > 0 {
			fields = append(fields, zap.Strings("heardBy", h.Alarms))
		}
	}
	c.o.Log.Info(said, fields...)
}

// expire frees what the retention has let go, and logs how much that was.
func (c *Controller) expire(ctx context.Context) {
	n, err := c.book.Expire(ctx)
	if err != nil && ctx.Err() == nil {
		c.o.Log.Error("expired records could not be freed", zap.Error(err))
	}
	if n > 0 {
		c.o.Log.Info("expired records freed", zap.Int("records", n))
	}
}

// report logs a summary, on its schedule.
func (c *Controller) report() {
	open := map[string]int{}
	for _, f := range c.book.Findings("") {
		if f.Open() {
			open[f.Type]++
		}
	}
	for _, t := range c.Targets() {
		c.o.Log.Info("report", zap.String("target", t.Target), zap.Bool("complete", t.Complete), zap.Time("lastComplete", t.LastComplete),
			zap.Int("clusters", t.Clusters), zap.Int("services", t.Services), zap.Any("openFindings", open), zap.Strings("unheard", t.Unheard))
	}
}
