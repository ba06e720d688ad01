package scan

import (
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

// advise reads the settings of the running revision and ranks what may help the culprit. A service whose culprit is no
// sidecar gets the settings alone.
func (s *Service) advise(d fleet.Definition, p Policy) {
	options := p.Lint
	options.Crash = s.Culprit != nil && s.Culprit.Sidecar
	problems := otel.Lint(d, options)
	s.Settings = append(s.Settings, problems...)
	c := s.Culprit
	if c == nil || !c.Sidecar {
		return
	}
	blamed, _ := otel.Advise(finding.Cause{Container: c.Container, Sidecar: true, Signature: c.Signature, Line: c.Line, Image: c.Image}, nil, p.Lint)
	s.Cures = append(s.Cures, otel.Cures(blamed, d, problems)...)
}
