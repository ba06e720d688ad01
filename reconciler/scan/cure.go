package scan

import (
	"fmt"
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

// Cure is something that may help; nothing of it was measured here.
type Cure struct {
	Kind      string            `json:"kind"` // upgrade, restart_policy, sampling_rule, sampler_settings
	Container string            `json:"container"`
	Text      string            `json:"text"`
	Set       map[string]string `json:"set,omitempty"` // variables to set together
}

// Kinds of cures, in the order in which to try them: the one that removes the fault, the one that contains it, and the
// ones that make it rarer (a central rule before a deployment).
const (
	Upgrade         = "upgrade"
	RestartPolicy   = "restart_policy"
	SamplingRule    = "sampling_rule"
	SamplerSettings = "sampler_settings"
)

// advise reads the settings of the running revision and ranks what may help the culprit. A service whose culprit is no
// sidecar gets the settings alone.
func (s *Service) advise(d fleet.Definition, p Policy) {
	options := p.Lint
	options.Crash = s.Culprit != nil && s.Culprit.Sidecar
	s.Settings = append(s.Settings, otel.Lint(d, options)...)
	if s.Culprit == nil || !s.Culprit.Sidecar {
		return
	}
	c, ok := d.Container(s.Culprit.Container)
	if !ok {
		return
	}
	if i := slices.IndexFunc(s.Settings, func(p otel.Problem) bool { return p.Container == c.Name && p.Rule == "sidecar-known-bad-version" }); i >= 0 {
		s.Cures = append(s.Cures, Cure{Upgrade, c.Name, s.Settings[i].Message, nil})
	}
	if !c.Restart {
		s.Cures = append(s.Cures, Cure{RestartPolicy, c.Name, restartText(c), nil})
	}
	s.sampling()
	slices.SortStableFunc(s.Cures, func(a, b Cure) int { return rank(a) - rank(b) })
}

// sampling adds what lowers the load that the application's tracing puts on the sidecar.
func (s *Service) sampling() {
	for _, problem := range s.Settings {
		if problem.Rule != "sampler-xray" && problem.Rule != "sampler-always-on" {
			continue
		}
		if problem.Rule == "sampler-xray" {
			s.Cures = append(s.Cures, Cure{SamplingRule, problem.Container,
				"a central X-Ray sampling rule may lower the traces that reach the sidecar, without a deployment; Application Signals metrics come from unsampled spans too", nil})
		}
		if problem.Fix != nil {
			s.Cures = append(s.Cures, Cure{SamplerSettings, problem.Container, samplerText(problem), problem.Fix})
		}
	}
}

func rank(c Cure) int {
	return slices.Index([]string{Upgrade, RestartPolicy, SamplingRule, SamplerSettings}, c.Kind)
}

func restartText(c fleet.ContainerDefinition) string {
	text := "a restart policy on " + c.Name + " may bring it back inside its task"
	if c.Essential {
		text += "; as an essential container it takes the task down where the restart fails"
	}
	return text + ". Restarts then show in Container Insights alone"
}

func samplerText(p otel.Problem) string {
	var set []string
	for _, name := range []string{otel.Sampler, otel.SamplerArg} {
		if v, ok := p.Fix[name]; ok {
			set = append(set, name+"="+v)
		}
	}
	return fmt.Sprintf("%s, set together, may lower the load on the sidecar; central rules, the reservoir and adaptive boosts are lost", strings.Join(set, " and "))
}
