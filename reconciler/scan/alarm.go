package scan

import (
	"strings"

	"taskwarden/reconciler/alarm"
)

// Told is an alarm that concerns a service, and whether it would tell of its churn.
type Told struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Actions int    `json:"actions"` // how many it notifies; 0: nobody
	Tells   string `json:"tells"`   // yes, no, unknown
	Why     string `json:"why"`
}

// Answers of Told.Tells.
const (
	Yes        = "yes"
	No         = "no"
	NotClear   = "unknown"
	ownedNames = "taskwarden/"
)

// Coverage lists, for a service, the alarms on this product's gauges and those on the service's own dimensions.
func Coverage(s Service, all []alarm.Have) []Told {
	out := []Told{}
	for _, h := range all {
		tells, why, concerns := covers(s, h)
		if !concerns {
			continue
		}
		t := Told{Name: h.Name, State: h.State, Actions: len(h.AlarmActions), Tells: tells, Why: why}
		if h.ActionsDisabled {
			t.Actions = 0
		}
		if t.Actions == 0 && tells != No {
			t.Tells, t.Why = No, "it notifies nobody"
		}
		out = append(out, t)
	}
	return out
}

func covers(s Service, h alarm.Have) (tells, why string, concerns bool) {
	gauge := func(kind alarm.Kind) bool {
		return strings.HasPrefix(h.Name, ownedNames) && strings.Contains(h.Name+"/", "/"+string(kind)+"/")
	}
	switch {
	case gauge(alarm.SilentChurn), gauge(alarm.SidecarCrash) && s.Culprit != nil && s.Culprit.Sidecar:
		return Yes, "while a controller puts the gauge it watches", true
	case !onService(s, h):
		return "", "", false
	case h.Metric == "RunningTaskCount" || h.Metric == "RestartCount":
		return NotClear, "a task that is replaced within a period may not show in " + h.Metric, true
	}
	return No, "it watches " + h.Namespace + " " + h.Metric + ", which does not tell replaced tasks", true
}

// onService tells whether the alarm's dimensions name the service.
func onService(s Service, h alarm.Have) bool {
	var cluster, service bool
	for _, d := range h.Dimensions {
		cluster = cluster || d.Name == "ClusterName" && d.Value == s.Cluster
		service = service || d.Name == "ServiceName" && d.Value == s.Service
	}
	return cluster && service
}
