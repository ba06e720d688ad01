package reconciler

import (
	"context"
	"slices"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
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
	if len(d.Changes) > 0 {
		c.say(d)
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

// voice is a finding that speaks for all of its type and cause.
type voice struct {
	key          fleet.Key
	typ, subject string
}

func voiceOf(f finding.Finding) voice { return voice{f.Key, f.Type, f.Subject} }

// voices are the findings that were announced: the others of the same cause and type are not, so that an agent's bug in 300
// services is said once. They are in memory only: after a restart the next one to open speaks again.
type voices struct {
	mu sync.Mutex
	of map[voice]bool
}

// speaks tells whether a finding's change is to be announced, given the others that are open and have its cause. When the
// one that spoke closes, another takes over, and the last one's closing is announced.
func (v *voices) speaks(f finding.Finding, others []finding.Finding) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	me := voiceOf(f)
	heard := slices.ContainsFunc(others, func(o finding.Finding) bool { return v.of[voiceOf(o)] })
	switch {
	case f.Status != finding.False:
		first := v.of[me] || !heard
		if first {
			v.of[me] = true
		}
		return first
	case v.of[me] && len(others) > 0 && !heard:
		v.of[voiceOf(others[0])] = true
	}
	delete(v.of, me)
	return len(others) == 0
}

// say logs the findings that changed their status: once a cause and type in full, the others for who debugs.
func (c *Controller) say(d Decision) {
	all := c.book.Findings(d.Key.Target)
	ids := finding.CauseIDs(all)
	for _, t := range d.Changes {
		i := slices.IndexFunc(all, func(f finding.Finding) bool { return f.Key == t.Key && f.Type == t.Type && f.Subject == t.Subject })
		level, services, id := zap.InfoLevel, 1, ""
		if i >= 0 {
			var others []finding.Finding
			for n, o := range all {
				if n != i && ids[n] == ids[i] && o.Type == t.Type && o.Open() {
					others = append(others, o)
				}
			}
			id, services = ids[i], len(others)+1
			if !c.voices.speaks(all[i], others) {
				level = zap.DebugLevel
			}
		}
		c.change(level, t, zap.String("causeId", id), zap.Int("findings", services))
	}
}

// change logs one finding's change of status.
func (c *Controller) change(level zapcore.Level, t finding.Transition, of ...zap.Field) {
	said := "finding opened"
	switch t.To {
	case finding.False:
		said = "finding closed"
	case finding.Unknown:
		said = "finding unknown"
	}
	c.o.Log.Log(level, said, append([]zap.Field{zap.Stringer("on", t.Key), zap.String("type", t.Type), zap.String("subject", t.Subject),
		zap.String("severity", string(t.Severity)), zap.String("reason", t.Reason), zap.String("message", t.Message)}, of...)...)
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
			zap.Int("clusters", t.Clusters), zap.Int("services", t.Services), zap.Any("openFindings", open))
	}
}
