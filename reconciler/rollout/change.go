package rollout

import (
	"fmt"
	"maps"
	"slices"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/mask"
	"taskwarden/reconciler/otel"
)

// change fills Set, Changes and LeftAlone from the running revision. The refusal names the first variable that must not be
// set in a container that the policy matches.
func (p *Plan) change(d fleet.Definition, policy Policy) *Refusal {
	_, name := policy.Set[otel.Sampler]
	_, arg := policy.Set[otel.SamplerArg]
	if name != arg {
		return refuse(ReasonPair, nil, "policy %s sets one of %s and %s: a leftover of the other may mean that everything is sampled",
			policy.Name, otel.Sampler, otel.SamplerArg)
	}
	for _, c := range d.Containers {
		if why := policy.passes(c); why != "" {
			p.LeftAlone = append(p.LeftAlone, c.Name+": "+why)
			continue
		}
		for _, variable := range slices.Sorted(maps.Keys(policy.Set)) {
			now, old, bad := settable(c, variable)
			if bad != nil {
				return bad
			}
			// A masked value is none of the policy's: those are kept as they are.
			if !old.Existed || now.Masked || old.Old != policy.Set[variable] {
				old.New = policy.Set[variable]
				p.Changes = append(p.Changes, old)
			}
		}
		if p.Set == nil {
			p.Set = map[string]map[string]string{}
		}
		p.Set[c.Name] = policy.Set
	}
	return nil
}

// passes is why the policy leaves a container alone, or "". A container must carry the variables of match.env with one of
// their values; a policy without them applies where one of its own variables is set.
func (p Policy) passes(c fleet.ContainerDefinition) string {
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		switch s := otel.Read(c, name); {
		case s.Masked:
			return name + " has another value"
		case s.State == otel.Unseen:
			return name + " is not seen: " + s.Why
		case s.State != otel.Set:
			return name + " is not set"
		case !slices.Contains(p.Env[name], s.Value):
			return name + " has another value"
		}
	}
	if len(p.Env) > 0 {
		return ""
	}
	for name := range p.Set {
		if otel.Read(c, name).State != otel.Absent {
			return ""
		}
	}
	return "it carries none of the policy's variables"
}

// settable is the present value of one variable and its change without the new value, or why it must not be set. The old value is for
// show alone: what is registered is made from the raw document, and a way back deploys the old revision.
func settable(c fleet.ContainerDefinition, name string) (now fleet.EnvVar, change otel.Change, bad *Refusal) {
	change = otel.Change{Container: c.Name, Name: name}
	where := []string{fmt.Sprintf("container %s, variable %s", c.Name, name)}
	if slices.Contains(c.Secrets, name) {
		return now, change, refuse(ReasonSecrets, where, "%s of container %s arrives from a secret", name, c.Name)
	}
	for _, v := range c.Env {
		switch {
		case v.Name != name:
		case change.Existed:
			return now, change, refuse(ReasonDuplicate, where, "%s is set twice in container %s", name, c.Name)
		default:
			shown, ok := v.Shown()
			if !ok {
				return now, change, refuse(ReasonUnseen, where, "the value of %s in container %s was not kept", name, c.Name)
			}
			now, change.Existed, change.Old = v, true, shown
		}
	}
	if !change.Existed && c.EnvFiles > 0 {
		return now, change, refuse(ReasonEnvFile, where, "%s of container %s may arrive from an environment file", name, c.Name)
	}
	return now, change, nil
}

// MaskOld masks the old values of a plan from the store: a release before reconciler/mask may have kept a credential.
func (p *Plan) MaskOld() {
	for i, c := range p.Changes {
		if old, ok := mask.Value(c.Old); ok {
			p.Changes[i].Old = old
		} else {
			p.Changes[i].Old = mask.Stars
		}
	}
}

// Carries reports whether a definition has every variable of the plan with its value.
func (p Plan) Carries(d fleet.Definition) bool {
	for container, set := range p.Set {
		c, ok := d.Container(container)
		for name, value := range set {
			if s := otel.Read(c, name); !ok || s.State != otel.Set || s.Masked || s.Value != value || s.Ambiguous {
				return false
			}
		}
	}
	return len(p.Set) > 0
}
