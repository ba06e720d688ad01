package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"taskwarden/reconciler/mask"
)

// hidden stands for a secret. No field that is masked would take it, so a masked
// configuration cannot be put to use by mistake.
const hidden = mask.Stars

// Masked is a copy to show: external ids and the hashes of tokens are replaced,
// and so are the values of environment variables that may hold a secret. What
// names an account, such as ARNs and the queue's URL, stays: it is no secret,
// and a reader needs it to see what is watched.
func (c Config) Masked() Config {
	c.Targets = slices.Clone(c.Targets)
	for i := range c.Targets {
		hide(&c.Targets[i].ExternalID)
	}
	c.Server.Tokens = slices.Clone(c.Server.Tokens)
	for i := range c.Server.Tokens {
		hide(&c.Server.Tokens[i].SHA256)
	}
	c.Remediation.Policies = slices.Clone(c.Remediation.Policies)
	for i := range c.Remediation.Policies {
		p := &c.Remediation.Policies[i]
		p.Set = maps.Clone(p.Set)
		for name := range p.Set {
			if !showable(name) {
				p.Set[name] = hidden
			}
		}
		p.Match.Env = maps.Clone(p.Match.Env)
		for name := range p.Match.Env {
			if !showable(name) {
				p.Match.Env[name] = []string{hidden}
			}
		}
	}
	return c
}

// Shared is a copy to give away with a recording: masked, and without what only the machine it runs on needs, which is how
// to get into the targets, where the store is, and who may use the API. Unlike a masked one it can be loaded again.
func (c Config) Shared() Config {
	c = c.Masked()
	for i := range c.Targets {
		c.Targets[i].RoleARN, c.Targets[i].ExternalID = "", ""
	}
	c.Watch.Events = Events{}
	c.Store, c.Server = Default().Store, Default().Server
	return c
}

func hide(s *string) {
	if *s != "" {
		*s = hidden
	}
}

// showable reports whether a variable's value is safe to show: OpenTelemetry's
// own settings, except headers and keys, which carry credentials.
func showable(env string) bool {
	return strings.HasPrefix(env, "OTEL_") && !strings.Contains(env, "HEADERS") && !strings.Contains(env, "KEY")
}

// YAML writes the configuration, secrets included; see [Config.Masked].
func (c Config) YAML() ([]byte, error) {
	return yaml.MarshalWithOptions(c, yaml.IndentSequence(true))
}
