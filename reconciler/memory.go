package reconciler

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/store"
)

// Kinds of items in the store. Keys begin with the target, so that one target's items lie together.
const (
	kindMemory     = "memory"     // key: fleet.Key; what is remembered of a service or a target
	kindStop       = "stop"       // key: fleet.Key + task id; one stopped task
	kindCounter    = "counter"    // key: target + minute + metric + dimensions; one datum to be sent
	kindAlarm      = "alarm"      // key: alarm name; the hash of what was last applied
	kindDefinition = "definition" // key: allow-list hash + ARN; one reduced task definition
	kindTarget     = "target"     // key: target; when it was first watched
)

// Memory is what is remembered of one service, or of one target where the key has no service.
type Memory struct {
	Key      fleet.Key
	Findings []finding.Finding
	History  churn.History
	Rollouts []rollout.Rollout // of the service
	Reset    time.Time         // a person's last reset of the service
	Learning bool              // no complete look at the service's cluster since the start: history is read, nothing opens
	Alarms   AlarmSight        // what the last look at the alarms says; never stored
	Hindered []finding.Claim   // what stands in the way of the service's fix; never stored
	version  uint64            // of the stored item; 0: never written
	written  memoryBody        // that item
}

const (
	// stopsInMemory bounds the history judged of one service; older stops stay in the store.
	stopsInMemory = 2000
	// shownFor is how long AWS may still show a stopped task, with room: it promises an hour and no end (DescribeTasks). A
	// stop that is shown must be remembered, or it would be taken for a new one: 200 tasks in a storm are 7,000 stops an hour.
	shownFor = 3 * time.Hour
)

// After is what is remembered once a decision is recorded: it is pure, and judging from it is judging from the book.
func (m Memory) After(d Decision) Memory {
	next, _ := m.after(d)
	return next
}

// after also gives the stops recorded before that the decision refines, as they are to be written.
func (m Memory) after(d Decision) (next Memory, refined []churn.Stop) {
	stops := m.History.Stops
	if len(d.New)+len(d.Refined) > 0 {
		stops = slices.Concat(stops, d.New)
	}
	for _, s := range d.Refined {
		i := slices.IndexFunc(stops, func(o churn.Stop) bool { return o.TaskARN == s.TaskARN })
		if i < 0 {
			continue
		}
		s.Verdict.Planned = stops[i].Verdict.Planned // fixed when it was recorded
		stops[i] = s
		refined = append(refined, s)
	}
	if len(d.New)+len(refined) > 0 {
		m.History.Stops = bounded(stops)
	}
	m.Findings, m.History.Held, m.History.Short, m.History.Restarts = d.Findings, d.Held, d.Short, d.Restarts
	return m, refined
}

// bounded is the newest stops, oldest first, and all that may still be shown.
func bounded(stops []churn.Stop) []churn.Stop {
	slices.SortStableFunc(stops, func(a, b churn.Stop) int {
		return cmp.Or(a.StoppedAt.Compare(b.StoppedAt), cmp.Compare(a.TaskARN, b.TaskARN))
	})
	from := max(0, len(stops)-stopsInMemory)
	for from > 0 && stops[len(stops)-1].StoppedAt.Sub(stops[from-1].StoppedAt) < shownFor {
		from--
	}
	return stops[from:]
}

// memoryBody is a Memory as stored; the stops are items of their own.
type memoryBody struct {
	Findings []finding.Finding
	Restarts churn.Restarts
}

// targetBody is what is stored of a target.
type targetBody struct {
	FirstStart time.Time // stops before it are recorded and judged, and never counted
	Looked     time.Time // the last complete look, to lookNoted; zero: none is noted
	Watched    time.Time // since when stops have been seen without a hole; zero: since the first start
}

// counterState is how far a counter's datum has got.
type counterState string

const (
	counterPending counterState = "pending" // may still grow while its minute lasts
	counterSending counterState = "sending" // a put is under way, or was when the process died
	counterSent    counterState = "sent"
)

// counterBody is one datum of a counter.
type counterBody struct {
	Datum alarm.Datum
	State counterState
}

// applied is what is stored of an alarm after a write.
type applied struct {
	Target  string
	Hash    string
	Own     *alarm.Actions // those that are ours; null in records of versions that did not keep them
	Actions []string       // the same in records of versions that did not tell the lists apart
	At      time.Time
}

// own are the actions that are ours. An older record does not say in which list they are: then they count in both.
func (a applied) own() *alarm.Actions {
	if a.Own == nil && a.Actions != nil {
		return &alarm.Actions{Alarm: a.Actions, OK: a.Actions}
	}
	return a.Own
}

func encode(kind, key string, v any) (store.Item, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return store.Item{}, fmt.Errorf("encode %s %s: %w", kind, key, err)
	}
	return store.Item{Kind: kind, Key: key, Body: body}, nil
}

func decode[T any](it store.Item) (T, error) {
	var v T
	if err := json.Unmarshal(it.Body, &v); err != nil {
		return v, fmt.Errorf("decode %s %s: %w", it.Kind, it.Key, err)
	}
	return v, nil
}
