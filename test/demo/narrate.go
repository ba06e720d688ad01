package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// logLine is the part of a log line that is narrated.
type logLine struct {
	Level, Msg, Service, On, Type, Subject, Severity, Message, Cause, Culprit, Signature, Line, Name, Reason, Error string
	Address, ID, From, To, Lifetime                                                                                 string
	Planned, Sidecar                                                                                                bool
	ExitCode                                                                                                        *int
}

// follow narrates the controller's own log.
func (p *process) follow(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l logLine
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			p.story.say("controller", "%s", lines.Text())
			continue
		}
		p.narrate(l)
	}
}

// narrate tells a log line, and shows the step of the story that it proves.
func (p *process) narrate(l logLine) {
	s := p.story
	if l.Level == "error" || l.Level == "warn" {
		s.say("controller", "%s: %s %s", l.Msg, l.Message, l.Error)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch l.Msg {
	case "started":
		p.server = "http://" + l.Address
	case "task stopped":
		l.stopped(s)
	case "stop explained":
		if l.Culprit == "cwagent" && l.Signature == "go-concurrent-map-writes" {
			s.show("signature", "%s", l.Line)
		}
	case "finding opened":
		s.say("controller", "%s %s on %s %s: %s", l.Severity, l.Type, l.On, l.Subject, l.Message)
		if step := map[string]string{"SidecarCrash": "crash", "SilentChurn": "churn"}[l.Type]; step != "" {
			s.show(step, "%s", l.Message)
		}
	case "rollout":
		p.rollout(l)
	case "alarm written":
		s.say("controller", "alarm written: %s", l.Name)
	}
}

func (l logLine) stopped(s *story) {
	code := "no exit code"
	if l.ExitCode != nil {
		code = fmt.Sprintf("exit %d", *l.ExitCode)
	}
	s.say("controller", "%s: unplanned=%t cause=%s culprit=%s (%s)", l.Service, !l.Planned, l.Cause, l.Culprit, code)
	if !l.Planned && l.Culprit == "cwagent" && l.Sidecar && strings.HasSuffix(l.Service, "/django") {
		s.show("verdict", "%s: %s, container cwagent, %s, after %s", l.Service, l.Cause, code, l.Lifetime)
	}
}

// rollout tells how far the fix got.
func (p *process) rollout(l logLine) {
	p.story.say("controller", "rollout %s: %s → %s: %s", l.ID, l.From, l.To, l.Message)
	switch l.To {
	case "proposed":
		p.proposed = l.ID
	case "succeeded":
		p.succeeded = l.ID
		p.story.show("verified", "%s", l.Message)
	}
}
