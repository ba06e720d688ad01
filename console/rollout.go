package console

import (
	"net/http"
	"slices"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// Rollout is one plan and what became of it.
type Rollout struct {
	Place
	ID           string     `json:"id" jsonschema_description:"Names it, as approve takes it."`
	Policy       string     `json:"policy" jsonschema_description:"The policy of remediation.policies that wants it."`
	Phase        string     `json:"phase" jsonschema_description:"proposed, approved, registering, rolling, soaking or rolling_back; the last one where it has an outcome."`
	Outcome      string     `json:"outcome" jsonschema_description:"succeeded, rolled_back, failed, inconclusive, superseded, rejected, expired, refused, exported or adopted; empty while it is on its way."`
	Reason       string     `json:"reason" jsonschema_description:"A stable code for the outcome, or for what it waits for; empty: nothing is in the way."`
	Message      string     `json:"message" jsonschema_description:"The same in words."`
	Remedy       string     `json:"remedy,omitempty" jsonschema_description:"What would let it go on."`
	PlanHash     string     `json:"planHash" jsonschema_description:"Of all that an approval is given for: approve takes it."`
	Changes      []Change   `json:"changes" jsonschema_description:"All that differs between the two revisions."`
	BaseRevision string     `json:"baseRevision" jsonschema_description:"ARN of the task definition it starts from."`
	NewRevision  string     `json:"newRevision" jsonschema_description:"ARN of the task definition it registered; empty: none yet."`
	CreatedAt    *time.Time `json:"createdAt,omitempty" jsonschema_description:"When it was planned."`
	Since        *time.Time `json:"since,omitempty" jsonschema_description:"When the phase, or the outcome, began."`
	WaitsSince   *time.Time `json:"waitsSince,omitempty" jsonschema_description:"Since when reason holds it up; left out: nothing does."`
	Deadline     *time.Time `json:"deadline,omitempty" jsonschema_description:"When the phase ends by itself; left out: it has an outcome."`
	Table        *Table     `json:"table,omitempty" jsonschema_description:"Before and after the change; left out: nothing was deployed, or nothing is known yet."`
	SameChange   int        `json:"sameChange,omitempty" jsonschema_description:"How many other services are exported with the same change of the same owner, or wait for approval with the same change of the same policy; left out: none."`
}

// Change is one variable of one container.
type Change struct {
	Container string `json:"container" jsonschema_description:"Container name."`
	Name      string `json:"name" jsonschema_description:"Name of the variable."`
	Old       string `json:"old" jsonschema_description:"Value of the base revision; empty: it has none."`
	New       string `json:"new" jsonschema_description:"Value wanted."`
	Existed   bool   `json:"existed" jsonschema_description:"The base revision sets it."`
}

// Table compares a service before and after the change.
type Table struct {
	Verdict    string  `json:"verdict" jsonschema_description:"effective, worse or undecided."`
	Confidence float64 `json:"confidence" jsonschema_description:"1 less the chance of seeing this from a fix that does nothing; 0 while undecided."`
	Message    string  `json:"message" jsonschema_description:"The verdict in words."`
	Rows       []Row   `json:"rows" jsonschema_description:"What is compared."`
	Before     Side    `json:"before" jsonschema_description:"The base revision, over the baseline."`
	After      Side    `json:"after" jsonschema_description:"The new revision, so far."`
}

// Row is one line of a Table, in words.
type Row struct {
	What   string `json:"what" jsonschema_description:"What is compared."`
	Before string `json:"before" jsonschema_description:"Of the base revision."`
	After  string `json:"after" jsonschema_description:"Of the new revision."`
}

// Side is one side of a Table in numbers.
type Side struct {
	Deaths            int      `json:"deaths" jsonschema_description:"Deaths of the culprit."`
	OtherDeaths       int      `json:"otherDeaths" jsonschema_description:"Unplanned deaths of others."`
	TaskDays          float64  `json:"taskDays" jsonschema_description:"How long its tasks ran, together."`
	Rate              float64  `json:"rate" jsonschema_description:"Deaths of the culprit a task and day."`
	Low               float64  `json:"low" jsonschema_description:"Its lower bound of 95 % confidence."`
	High              float64  `json:"high" jsonschema_description:"Its upper bound of 95 % confidence."`
	OldestSeconds     float64  `json:"oldestSeconds" jsonschema_description:"Age of the oldest task."`
	Q90Seconds        float64  `json:"q90Seconds" jsonschema_description:"The age that a tenth of the tasks outlives; 0: none died."`
	InternalOperation *float64 `json:"internalOperation,omitempty" jsonschema_description:"Datapoints a minute; left out: not known."`
	Restarts          *float64 `json:"restarts,omitempty" jsonschema_description:"Restarts of containers a day; left out: not known."`
}

// RolloutDetail is all that a person needs to say yes or no, and who said what.
type RolloutDetail struct {
	Rollout
	Why       []string `json:"why" jsonschema_description:"The findings it answers."`
	Expected  []string `json:"expected" jsonschema_description:"What it is expected to do."`
	Lost      []string `json:"lost" jsonschema_description:"What will be lost."`
	LeftAlone []string `json:"leftAlone" jsonschema_description:"What the policy does not touch, and why."`
	Cures     []string `json:"cures" jsonschema_description:"Other cures, best first."`
	Power     string   `json:"power" jsonschema_description:"How long the lifetimes need to decide."`
	Owner     Owner    `json:"owner" jsonschema_description:"Who owns the task definition."`
	Handling  string   `json:"handling" jsonschema_description:"What the policy does because of the owner: apply, export or refuse."`
	Canary    bool     `json:"canary" jsonschema_description:"It is of its policy's first wave."`
	Approval  *Word    `json:"approval,omitempty" jsonschema_description:"Who approved it; left out: nobody, or nobody had to."`
	Order     *Word    `json:"rollback,omitempty" jsonschema_description:"Who had it taken back; left out: nobody."`
	Alike     []string `json:"sameChangeServices,omitempty" jsonschema_description:"Addresses of the services that sameChange counts."`
}

// Owner is who owns a service's task definition.
type Owner struct {
	State    string   `json:"state" jsonschema_description:"none, owned or unknown."`
	Name     string   `json:"name,omitempty" jsonschema_description:"The tool or stack; left out: none is known."`
	Evidence []string `json:"evidence" jsonschema_description:"What it rests on."`
}

// Word is what a person said.
type Word struct {
	By     string     `json:"by" jsonschema_description:"Name of the token."`
	Reason string     `json:"reason,omitempty" jsonschema_description:"As they gave it."`
	Ticket string     `json:"ticket,omitempty" jsonschema_description:"As they gave it."`
	At     *time.Time `json:"at,omitempty" jsonschema_description:"When."`
}

// AuditEntry is one line of the audit log.
type AuditEntry struct {
	Place
	At      *time.Time `json:"at,omitempty" jsonschema_description:"When."`
	By      string     `json:"by" jsonschema_description:"Name of the token; taskwarden for the controller, configuration for a change of its file, nobody where no token or an unknown one was sent."`
	Action  string     `json:"action" jsonschema_description:"As propose, approve, reject, rollback, reset, pause, resume, raise, lower. New ones may appear."`
	Rollout string     `json:"rollout,omitempty" jsonschema_description:"Id of the rollout; left out: it is about none."`
	Hash    string     `json:"hash,omitempty" jsonschema_description:"Of the plan; with approve what the person gave."`
	Reason  string     `json:"reason,omitempty" jsonschema_description:"As a person gave it."`
	Ticket  string     `json:"ticket,omitempty" jsonschema_description:"As a person gave it."`
	Text    string     `json:"text" jsonschema_description:"What came of it."`
	Refused bool       `json:"refused" jsonschema_description:"A refused attempt: nothing was changed. Listed with refused=true alone."`
}

func rolloutOf(r rollout.Rollout) Rollout {
	out := Rollout{Place: placeOf(r.Key()), ID: r.ID, Policy: r.Plan.Policy, Phase: string(r.Phase), Outcome: string(r.Outcome), Reason: string(r.Reason),
		Message: r.Message, Remedy: r.Remedy, PlanHash: r.Plan.Hash, Changes: []Change{}, BaseRevision: r.Plan.Base, NewRevision: r.Revision,
		CreatedAt: moment(r.CreatedAt), Since: moment(r.Since), WaitsSince: moment(r.WaitsSince), Table: comparison(r.Soak.Table)}
	for _, c := range r.Plan.Changes {
		out.Changes = append(out.Changes, Change(c))
	}
	if r.Live() {
		out.Deadline = moment(r.Deadline)
	}
	return out
}

func comparison(t *rollout.Table) *Table {
	if t == nil {
		return nil
	}
	out := &Table{Verdict: string(t.Verdict), Confidence: t.Confidence, Message: t.Message, Before: sideOf(t.Before), After: sideOf(t.After)}
	for _, r := range t.Rows() {
		out.Rows = append(out.Rows, Row{r[0], r[1], r[2]})
	}
	return out
}

func sideOf(s rollout.Side) Side {
	return Side{s.Deaths, s.OtherDeaths, s.TaskDays, s.Rate, s.Low, s.High, s.Oldest.Seconds(), s.Q90.Seconds(), s.Volume, s.Restarts}
}

func planOf(r rollout.Rollout) RolloutDetail {
	p := r.Plan
	return RolloutDetail{Rollout: rolloutOf(r), Why: filled(p.Why), Expected: filled(p.Expected), Lost: filled(p.Lost), LeftAlone: filled(p.LeftAlone),
		Cures: filled(p.Cures), Power: p.Power, Owner: Owner{string(p.Owner.State), p.Owner.Name, filled(p.Owner.Evidence)},
		Handling: string(p.Handling), Canary: r.Canary, Approval: wordOf(r.Approval), Order: wordOf(r.Order)}
}

func wordOf(o *rollout.Order) *Word {
	if o == nil {
		return nil
	}
	return &Word{o.By, o.Reason, o.Ticket, moment(o.At)}
}

func entryOf(e reconciler.AuditEntry) AuditEntry {
	return AuditEntry{Place: placeOf(e.Key), At: moment(e.At), By: e.By, Action: e.Action, Rollout: e.Rollout, Hash: e.Hash, Reason: e.Reason,
		Ticket: e.Ticket, Text: e.Text, Refused: e.Refused}
}

// rollout answers for one rollout.
func (a *api) rollout(w http.ResponseWriter, r *http.Request) {
	src := a.o.Source()
	if src == nil {
		fail(w, a.absent())
		return
	}
	if _, p := parse(r, nil); p != nil {
		fail(w, p)
		return
	}
	found, ok := src.Rollout(r.PathValue("id"))
	if !ok {
		fail(w, &problem{status: http.StatusNotFound, Code: "not_found",
			Message: "no rollout " + quoted(r.PathValue("id")) + "; list what there is at " + rolloutsPath})
		return
	}
	out := planOf(found)
	for _, k := range rollout.Alike(rollout.Groups(src.Rollouts(fleet.Key{})), found) {
		out.Alike = append(out.Alike, k.String())
	}
	out.SameChange = len(out.Alike)
	answer(w, http.StatusOK, out)
}

// numbered is an audit entry with its number among those of one moment, oldest first.
type numbered struct {
	reconciler.AuditEntry
	n int
}

// number numbers the whole log, so that entries of one moment keep their order from page to page.
func number(log []reconciler.AuditEntry) []numbered {
	out := make([]numbered, 0, len(log))
	for _, e := range slices.Backward(log) { // newest first as given
		n := 0
		if len(out) > 0 && out[len(out)-1].At.Equal(e.At) {
			n = out[len(out)-1].n + 1
		}
		out = append(out, numbered{e, n})
	}
	return out
}
