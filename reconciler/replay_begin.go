package reconciler

import (
	"context"
	"time"

	"go.uber.org/zap"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
)

// begin makes the controller of a Start. Its queues of questions are shut: answers come from the recording.
func (r *Replay) begin(ctx context.Context, s recording.Start, o Options) (err error) {
	before := r.accounts
	r.accounts, r.found = map[string]*standIn{}, map[fleet.Key][]finding.Finding{}
	o.Log, o.Registry, o.Recorder, o.Report = zap.NewNop(), nil, nil, nil
	if o.Book, err = OpenBook(ctx, r.store, forever, o.Metrics); err != nil {
		return err
	}
	for i := range o.Targets {
		o.Targets[i].CloudWatch = r.account(o.Targets[i].Name)
	}
	o.Home = r.account(homeAlarms)
	r.c = newController(o, func() time.Time { return r.now })
	r.c.decided = r.decided
	r.listed = s.Listed
	if r.listed {
		r.c.audits.queues.shutDown() // a look comes with its listing
	}
	r.c.definitions.queues.shutDown()
	r.c.evidence.queues.shutDown()
	for _, t := range o.Targets {
		if err := r.c.book.Begin(ctx, t.Name, r.now); err != nil {
			return err
		}
	}
	for target, a := range before { // CloudWatch knows nothing of a controller's restart
		r.account(target).levels = a.levels
	}
	for _, f := range o.Book.Findings("") {
		r.found[f.Key] = append(r.found[f.Key], f)
	}
	r.tick, r.audit = nextTick(r.now), o.AlarmAudit.Next(r.now)
	r.say(Moment{Start: &s})
	return r.failed
}

// stop ends the controller before, if there was one.
func (r *Replay) stop() {
	if r.c != nil {
		r.c.queue.ShutDown()
		r.c = nil
	}
}

// account is the stand-in of a target's CloudWatch, or with homeAlarms of the controller's own.
func (r *Replay) account(target string) *standIn {
	a := r.accounts[target]
	if a == nil {
		a = &standIn{r: r, target: target, levels: map[string]level{}}
		r.accounts[target] = a
	}
	return a
}

// decided tells what a pass concluded.
func (r *Replay) decided(d Decision) {
	for _, s := range d.New {
		r.summary.stopped(s)
		r.say(Moment{Stop: &Recorded{d.Key, s}})
	}
	for _, s := range d.Refined {
		r.say(Moment{Stop: &Recorded{d.Key, s}, Refined: true})
	}
	before := map[[2]string]finding.Finding{}
	for _, f := range r.found[d.Key] {
		before[[2]string{f.Type, f.Subject}] = f
	}
	r.found[d.Key] = d.Findings
	for _, f := range d.Findings {
		was := before[[2]string{f.Type, f.Subject}]
		if was.Status != f.Status || was.Severity != f.Severity || was.Reason != f.Reason {
			r.summary.turned(was, f)
			r.say(Moment{Finding: &Turn{Finding: f, From: was.Status, FromSeverity: was.Severity}})
		}
	}
}

// end says what stands at the end.
func (r *Replay) end() {
	for _, o := range r.c.view.services() {
		if !o.Gone {
			r.summary.Services++
		}
	}
	for _, f := range r.c.book.Findings("") {
		if f.Open() {
			r.summary.Open = append(r.summary.Open, f)
		}
	}
	r.summary.To = r.now
	r.stop()
}

func (r *Replay) say(m Moment) {
	m.At = r.now
	if r.summary.From.IsZero() {
		r.summary.From = r.now
	}
	if r.failed == nil {
		r.failed = r.Each(m)
	}
}
