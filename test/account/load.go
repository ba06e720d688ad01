package account

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// LoadScenario reads a scenario file. The file may hold variables, written ${name:-default} (or ${name}, which must then be
// set); overrides gives their values, so that one story runs with lifetimes of hours in a test and of seconds in a demo.
// Unknown fields and unknown variables are errors that name the place.
func LoadScenario(path string, overrides map[string]string) (Scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	s, err := ParseScenario(text, overrides)
	if err != nil {
		return s, fmt.Errorf("scenario %s: %w", path, err)
	}
	return s, nil
}

// ParseScenario reads a scenario from YAML text; see LoadScenario.
func ParseScenario(text []byte, overrides map[string]string) (Scenario, error) {
	filled, err := fill(string(text), overrides)
	if err != nil {
		return Scenario{}, err
	}
	var s Scenario
	if err := yaml.UnmarshalWithOptions([]byte(filled), &s, yaml.Strict()); err != nil {
		return Scenario{}, err
	}
	return s, s.Validate()
}

var variable = regexp.MustCompile(`\$\{([A-Za-z][A-Za-z0-9]*)(:-([^}]*))?\}`)

// fill puts the variables' values into the text.
func fill(text string, overrides map[string]string) (string, error) {
	known, missing := map[string]bool{}, map[string]bool{}
	out := variable.ReplaceAllStringFunc(text, func(found string) string {
		m := variable.FindStringSubmatch(found)
		known[m[1]] = true
		if v, ok := overrides[m[1]]; ok {
			return v
		}
		if m[2] == "" {
			missing[m[1]] = true
		}
		return m[3]
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("variables without a value: %s", strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		if !known[name] {
			return "", fmt.Errorf("no variable %q: the scenario has %s", name,
				cmp.Or(strings.Join(slices.Sorted(maps.Keys(known)), ", "), "none"))
		}
	}
	return out, nil
}

// Validate says what is wrong with a scenario, naming the place, or gives nil.
func (s Scenario) Validate() error {
	if !slices.Contains([]string{"", "total", "delta"}, s.RestartCount) {
		return fmt.Errorf("restartCount %q: use total or delta", s.RestartCount)
	}
	clusters := map[string]bool{}
	for _, c := range s.Clusters {
		if c.Name == "" || clusters[c.Name] {
			return fmt.Errorf("clusters: the name %q is empty or there twice", c.Name)
		}
		clusters[c.Name] = true
		if !slices.Contains([]string{"", "disabled", "enabled", "enhanced"}, c.ContainerInsights) {
			return fmt.Errorf("cluster %s: containerInsights %q: use disabled, enabled or enhanced", c.Name, c.ContainerInsights)
		}
		services := map[string]bool{}
		for _, v := range c.Services {
			if v.Name == "" || services[v.Name] {
				return fmt.Errorf("cluster %s: the service name %q is empty or there twice", c.Name, v.Name)
			}
			services[v.Name] = true
			if err := v.validate(); err != nil {
				return fmt.Errorf("service %s/%s: %w", c.Name, v.Name, err)
			}
		}
	}
	if err := validImages(s.Images); err != nil {
		return fmt.Errorf("images: %w", err)
	}
	for i, step := range s.Timeline {
		if err := step.validate(s); err != nil {
			return fmt.Errorf("timeline entry %d (%s): %w", i+1, step.Do, err)
		}
	}
	return nil
}

func (v Service) validate() error {
	switch {
	case v.Desired < 0:
		return fmt.Errorf("desired is %d: it cannot be negative", v.Desired)
	case v.TaskDefinition.Family == "":
		return fmt.Errorf("taskDefinition.family is missing")
	case len(v.TaskDefinition.Containers) == 0:
		return fmt.Errorf("taskDefinition.containers is empty")
	case !slices.Contains([]string{"", "off", "stop", "rollback"}, v.CircuitBreaker):
		return fmt.Errorf("circuitBreaker %q: use off, stop or rollback", v.CircuitBreaker)
	}
	if err := validSignals(v.Signals); err != nil {
		return err
	}
	var names []string
	for i, c := range v.TaskDefinition.Containers {
		name, _ := c["name"].(string)
		if name == "" || slices.Contains(names, name) {
			return fmt.Errorf("taskDefinition.containers[%d]: the name %q is empty or there twice", i, name)
		}
		names = append(names, name)
	}
	for _, name := range slices.Sorted(maps.Keys(v.Models)) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("models.%s: no such container, there are %s", name, strings.Join(names, ", "))
		}
		if err := v.Models[name].validate(); err != nil {
			return fmt.Errorf("models.%s: %w", name, err)
		}
	}
	return nil
}

func validSignals(all []Signal) error {
	for i, g := range all {
		if g.Service == "" || g.Environment == "" || g.Operation == "" || (g.RemoteService == "") != (g.RemoteOperation == "") {
			return fmt.Errorf("signals[%d]: service, environment and operation are needed, and remoteService goes with remoteOperation", i)
		}
	}
	return nil
}

func (m Model) validate() error {
	for i, c := range m.Cases {
		switch c.Death {
		case DeathStart:
			if c.Text == "" {
				return fmt.Errorf("cases[%d]: death start needs text, which is what ECS then says", i)
			}
		case "", DeathExit, DeathOOM, DeathELB, DeathHealth:
			if c.Lifetime.Min < 0 {
				return fmt.Errorf("cases[%d]: lifetime %s is negative", i, c.Lifetime)
			}
		default:
			return fmt.Errorf("cases[%d]: death %q: use exit, oom, elb, health or start", i, c.Death)
		}
	}
	return nil
}

// needsService are the actions on one service's tasks, with whether they also need a container.
var needsService = map[Action]bool{
	DoDeploy: false, DoScale: false, DoSpot: false, DoMaintenance: false, DoHost: false, DoStop: false, DoELB: false, DoKill: true, DoSetModel: true,
}

func (t Step) validate(s Scenario) error {
	switch {
	case t.At.Min < -s.History.Min:
		return fmt.Errorf("at %s lies before the history of %s", t.At, s.History)
	case (t.Every != Span{}) && t.Every.Min < time.Second:
		return fmt.Errorf("every %s: a second is the least", t.Every)
	case t.Do == DoDeny || t.Do == DoAllow:
		if len(t.Actions) == 0 {
			return fmt.Errorf("actions is empty: name IAM actions such as ecs:ListTasks")
		}
		return nil
	case t.Do == DoPush:
		return validImages(t.Push)
	case t.Do == DoFault:
		return t.fault(func(s Span) time.Duration { return s.Min }).validate()
	}
	container, known := needsService[t.Do]
	switch {
	case !known:
		return fmt.Errorf("unknown action: use one of deploy, push, scale, spot, maintenance, host, stop, elb, kill, set-model, deny, allow, fault")
	case len(s.find(t.Service)) != 1:
		return fmt.Errorf("service %q matches %d services: write cluster/service as it is above", t.Service, len(s.find(t.Service)))
	case container && t.Container == "":
		return fmt.Errorf("container is missing")
	}
	if err := t.validateContainers(s); err != nil {
		return err
	}
	return t.Model.validate()
}

// validateContainers makes sure that the containers that a step names are there.
func (t Step) validateContainers(s Scenario) error {
	have := s.containers(t.Service)
	named := slices.Concat(slices.Sorted(maps.Keys(t.Set)), slices.Sorted(maps.Keys(t.Image)))
	if t.Container != "" {
		named = append(named, t.Container)
	}
	for _, name := range named {
		if !slices.Contains(have, name) {
			return fmt.Errorf("container %q: service %s has %s", name, t.Service, strings.Join(have, ", "))
		}
	}
	return nil
}

// containers names the containers of a service.
func (s Scenario) containers(address string) []string {
	var names []string
	for _, c := range s.Clusters {
		for _, v := range c.Services {
			if address != c.Name+"/"+v.Name && address != v.Name {
				continue
			}
			for _, d := range v.TaskDefinition.Containers {
				name, _ := d["name"].(string) // made sure of before
				names = append(names, name)
			}
		}
	}
	return names
}

// find gives the addresses cluster/service that an address or a bare service name means.
func (s Scenario) find(address string) []string {
	var found []string
	for _, c := range s.Clusters {
		for _, v := range c.Services {
			if full := c.Name + "/" + v.Name; address == full || address == v.Name {
				found = append(found, full)
			}
		}
	}
	return found
}

func splitLines(text string) []string { return strings.Split(strings.TrimRight(text, "\n"), "\n") }
