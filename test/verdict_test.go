package test

import (
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/test/account"
)

// began gives the one rollout that was started, of those that are known.
func began(t *testing.T, c running) rollout.Rollout {
	t.Helper()
	for _, r := range c.Rollouts(fleet.Key{}) {
		if !r.StartedAt.IsZero() {
			return r
		}
	}
	t.Fatal("no rollout was started")
	return rollout.Rollout{}
}

// A sidecar dies while there is traffic, and never from Friday 18:00 to Monday 08:00. The fix does nothing. A weekend without
// a death is no proof of it.
func TestAWeekendProvesNoFix(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	v := &s.Clusters[0].Services[0]
	busy := v.Models["cwagent"]
	busy.Cases = append([]account.Case{}, busy.Cases...)
	busy.Cases[0].When = nil // the setting has nothing to do with the crash
	v.Models["cwagent"] = busy
	quiet := busy
	quiet.Cases = nil
	s.History = account.Span{}
	const friday, monday = 106 * time.Hour, 168 * time.Hour // since Monday 08:00
	s.Timeline = append(s.Timeline,
		account.Step{At: account.Exactly(friday), Do: account.DoSetModel, Service: "django", Container: "cwagent", Model: quiet, Why: "the weekend: no traffic"},
		account.Step{At: account.Exactly(monday), Do: account.DoSetModel, Service: "django", Container: "cwagent", Model: busy, Why: "Monday morning"})
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.remediate(rollout.Show, cure))
		time.Sleep(friday)
		c.stop()
		c = w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(monday - friday + 48*time.Hour)
		for _, r := range c.Rollouts(fleet.Key{}) {
			if r.Outcome == rollout.Succeeded {
				t.Errorf("a fix that does nothing is proven: %s", r.Message)
			}
		}
	})
}

// A success that does not last is taken away: the culprit dies as before on Monday, and FixIneffective opens.
func TestASuccessIsJudgedOn(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	v := &s.Clusters[0].Services[0]
	busy := v.Models["cwagent"]
	busy.Cases = append([]account.Case{}, busy.Cases...)
	busy.Cases[0].When = nil
	s.Timeline = append(s.Timeline, account.Step{At: account.Exactly(40 * time.Hour), Do: account.DoSetModel, Service: "django", Container: "cwagent", Model: busy, Why: "the crash comes back in spite of the setting"})
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(39 * time.Hour)
		if r := began(t, c); r.Outcome != rollout.Succeeded || !r.Proven() {
			t.Fatalf("%s %s: %s", r.Phase, r.Outcome, r.Message)
		}
		time.Sleep(2 * 24 * time.Hour)
		if r := began(t, c); r.Outcome != rollout.Succeeded || r.Proven() {
			t.Errorf("still a proof for the next wave: %s %s: %s", r.Phase, r.Outcome, r.Message)
		}
		found := false
		for _, f := range c.Findings() {
			found = found || f.Type == finding.FixIneffective && f.Open()
		}
		if !found {
			t.Errorf("FixIneffective is not open: %v", open(c.Controller))
		}
	})
}

// The fix cures. Hours after its deployment a dependency makes all tasks fail the load balancer's health check once.
func TestAnOutageOfADependencyCondemnsNoFix(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{2 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		s := fixable(t)
		s.Timeline = append(s.Timeline, account.Step{At: account.Exactly(after), Do: account.DoELB, Service: "django", Count: 4, Why: "the database restarted"})
		bubble(t, func(t *testing.T) {
			w := newWorld(t, s)
			c := w.run(w.remediate(rollout.Auto, cure))
			defer c.stop()
			time.Sleep(72 * time.Hour)
			if r := began(t, c); r.Outcome != rollout.Succeeded {
				t.Errorf("an outage %s after the deployment: %s %s: %s", after, r.Phase, r.Outcome, r.Message)
			}
		})
	}
}

// Where Application Signals counts the service's requests, lifetimes are compared by them, and InternalOperation is none.
func TestLifetimesAreComparedByRequests(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	incident, err := account.LoadScenario("scenarios/incident.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Clusters[0].Services[0].Signals = incident.Clusters[0].Services[0].Signals
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.remediate(rollout.Show, cure))
		time.Sleep(24 * time.Hour)
		c.stop()
		c = w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(60 * time.Hour)
		r := began(t, c)
		traffic := r.Plan.Before.Traffic
		if r.Outcome != rollout.Succeeded || traffic == nil || !strings.HasPrefix(traffic.Source, "Application Signals of ") {
			t.Fatalf("%s %s: %s; traffic %+v", r.Phase, r.Outcome, r.Message, traffic)
		}
		for _, n := range traffic.Hours[len(traffic.Hours)-20 : len(traffic.Hours)-1] {
			if n < 4*55*60 || n > 4*65*60 { // four tasks of 60 a minute; InternalOperation is 750 more
				t.Errorf("%.0f requests in an hour: %v", n, traffic.Hours)
				break
			}
		}
	})
}
