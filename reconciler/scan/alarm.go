package scan

import (
	"cmp"
	"slices"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
)

// Told is an alarm that concerns a service, and whether it would tell of a failure of it.
type Told struct {
	Failure string `json:"failure"` // silent-churn, sidecar-crash, …; "": of none that is looked for
	Name    string `json:"name"`
	State   string `json:"state"`
	Actions int    `json:"actions"` // how many it notifies; 0: nobody
	Tells   string `json:"tells"`   // yes, no, unknown
	Why     string `json:"why"`
}

// Cover is whether any alarm tells of one failure of a target's services.
type Cover struct {
	Failure  string `json:"failure"`
	Services int    `json:"services"` // that can fail so
	Covered  int    `json:"covered"`  // of them, those that an alarm tells of
	Unknown  int    `json:"unknown"`  // those of which it cannot be told
}

// Unheard is a finding that no alarm would tell of, and why.
type Unheard struct {
	Service string `json:"service"` // address
	Type    string `json:"type"`
	Why     string `json:"why"`
}

// Alarmed adds to the services of one target which alarms concern those that lose tasks, and gives what is covered and
// what nobody would hear. beside is what else alarms know each service by: its target groups and log groups, by its key.
func Alarmed(services []Service, x *alarm.Index, beside map[fleet.Key]alarm.Place) (covered []Cover, unheard []Unheard) {
	var places []alarm.Place
	for i := range services {
		p := services[i].place(beside)
		places = append(places, p)
		if services[i].Status == Churning || services[i].Status == Stops {
			services[i].Alarms = toldAt(x, p)
		}
		unheard = append(unheard, services[i].unheard(x, p)...)
	}
	for _, s := range x.Summaries(places) {
		covered = append(covered, Cover{string(s.Failure), s.Services, s.Covered, s.Unsure})
	}
	return covered, unheard
}

func (s Service) place(beside map[fleet.Key]alarm.Place) alarm.Place {
	p := beside[fleet.Key{Target: s.Target, Cluster: s.Cluster, Service: s.Service}]
	p.Cluster, p.Service, p.Seen = s.Cluster, s.Service, map[alarm.Kind][]string{}
	for _, f := range s.Findings {
		if kind, ok := alarm.KindOf(f.Type); ok {
			p.Seen[kind] = append(p.Seen[kind], f.Subject)
		}
	}
	return p
}

// toldAt lists the alarms that would tell of the churn first, then what else is on the service.
func toldAt(x *alarm.Index, p alarm.Place) []Told {
	at, out := x.At(p), []Told{}
	for _, f := range alarm.Failures() {
		for _, t := range at[f] {
			out = append(out, Told{string(f), t.Alarm, t.State, t.Heard, string(t.Tells), t.Why})
		}
	}
	for _, r := range x.ForeignRows([]alarm.Place{p}, "") {
		if !slices.ContainsFunc(out, func(t Told) bool { return t.Name == r.Name }) && r.Service == p.Service {
			out = append(out, Told{Name: r.Name, State: r.State, Tells: string(alarm.No), Why: cmp.Or(r.Reason, "it watches something else")})
		}
	}
	return out
}

// unheard are the service's findings that no alarm tells of.
func (s Service) unheard(x *alarm.Index, p alarm.Place) (out []Unheard) {
	at := x.At(p)
	for _, f := range s.Findings {
		kind, ok := alarm.KindOf(f.Type)
		if !ok {
			continue
		}
		all := at[alarm.Failure(kind)]
		switch {
		case len(all) == 0:
			out = append(out, Unheard{s.Address(), f.Type, "no alarm watches for it"})
		case all[0].Tells != alarm.Yes:
			out = append(out, Unheard{s.Address(), f.Type, all[0].Alarm + ": " + all[0].Why})
		}
	}
	return out
}
