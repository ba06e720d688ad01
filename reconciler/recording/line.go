package recording

import (
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// line is one line of the file. Services, tasks, readings, alarms and stops stand on lines of their own, in front of the look, listing
// or memory that they belong to, so that no line grows with the fleet.
type line struct {
	At         time.Time       `json:"at,omitzero"`
	Header     *Header         `json:"recording,omitempty"`
	Start      *Start          `json:"start,omitempty"`
	Stop       *churn.Stop     `json:"stop,omitempty"`
	Memory     *memoryLine     `json:"memory,omitempty"`
	Service    *fleet.Service  `json:"service,omitempty"`
	Task       *fleet.Task     `json:"task,omitempty"`
	Look       *lookLine       `json:"look,omitempty"`
	Sweep      *sweepLine      `json:"sweep,omitempty"`
	Definition *definitionLine `json:"definition,omitempty"`
	Tail       *tailLine       `json:"tail,omitempty"`
	Reading    *readingLine    `json:"reading,omitempty"`
	Metrics    *metricsLine    `json:"metrics,omitempty"`
	Alarm      *alarm.Have     `json:"alarm,omitempty"`
	Alarms     *alarmsLine     `json:"alarms,omitempty"`
	Put        *putLine        `json:"put,omitempty"`
	End        *End            `json:"end,omitempty"`
}

type memoryLine struct {
	Key      fleet.Key         `json:"key"`
	Findings []finding.Finding `json:"findings,omitempty"`
	Restarts *churn.Restarts   `json:"restarts,omitempty"`
}

// lookLine says what the services and tasks in front of it mean: they are new or changed, and the rest is as at the look
// before. A complete look names those that are gone; a partial one shows nothing gone.
type lookLine struct {
	Target       string    `json:"target"`
	Cluster      string    `json:"cluster"`
	ARN          string    `json:"arn,omitempty"`
	Seen         time.Time `json:"seen"` // when the look began
	Complete     bool      `json:"complete,omitempty"`
	Fault        *fault    `json:"fault,omitempty"`
	GoneServices []string  `json:"goneServices,omitempty"` // names
	GoneTasks    []string  `json:"goneTasks,omitempty"`    // ids
}

type sweepLine struct {
	Target   string        `json:"target"`
	Seen     time.Time     `json:"seen"`
	Complete bool          `json:"complete,omitempty"`
	Clusters []string      `json:"clusters"`
	Calls    int           `json:"calls"`
	Took     time.Duration `json:"took"`
	Floor    time.Duration `json:"floor"`
	Fault    *fault        `json:"fault,omitempty"`
}

type definitionLine struct {
	Target     string            `json:"target"`
	ARN        string            `json:"arn"`
	Definition *fleet.Definition `json:"definition,omitempty"`
	Fault      *fault            `json:"fault,omitempty"`
	Tries      int               `json:"tries,omitempty"`
}

type tailLine struct {
	Service fleet.Key    `json:"service"`
	Ref     fleet.LogRef `json:"ref"`
	Lines   []string     `json:"lines,omitempty"`
	Missing string       `json:"missing,omitempty"`
	Fault   *fault       `json:"fault,omitempty"`
	Tries   int          `json:"tries,omitempty"`
}

type readingLine struct {
	Key     fleet.Key     `json:"key"`
	Metrics fleet.Metrics `json:"metrics"`
}

// metricsLine ends the readings in front of it.
type metricsLine struct {
	Target string `json:"target"`
}

// alarmsLine says what the alarms in front of it mean: they are new or changed, and the rest is as at the listing before.
// So are the facts where they are left out.
type alarmsLine struct {
	Target string       `json:"target"`
	Looked time.Time    `json:"looked,omitzero"`
	Facts  *alarm.Facts `json:"facts,omitempty"`
	Gone   []string     `json:"gone,omitempty"` // names
	Fault  *fault       `json:"fault,omitempty"`
}

type putLine struct {
	Target string `json:"target"`
	Fault  *fault `json:"fault,omitempty"`
}
