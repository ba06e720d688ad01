package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is the real binary, started as in production.
type process struct {
	cmd    *exec.Cmd
	dir    string
	exited chan error
	once   sync.Once
	err    error
}

func start(ctx context.Context, binary, config string, w *world, s *story) (*process, error) {
	text, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "taskwarden-demo-")
	if err != nil {
		return nil, err
	}
	text = fmt.Appendf(text, "store: {type: bolt, path: %q}\nserver: {address: \"127.0.0.1:0\"}\n", filepath.Join(dir, "data"))
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, "run", "--config", file, "--log-format", "json")
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+w.url, "AWS_REGION="+w.account.Region(), "AWS_ACCESS_KEY_ID=demo",
		"AWS_SECRET_ACCESS_KEY=demo", "AWS_EC2_METADATA_DISABLED=true")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	logs, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s (make build makes it): %w", binary, err)
	}
	s.say("demo", "%s run --config … (AWS_ENDPOINT_URL=%s)", binary, w.url)
	p := &process{cmd: cmd, dir: dir, exited: make(chan error, 1)}
	go func() {
		follow(logs, s)
		p.exited <- errors.Join(cmd.Wait(), os.RemoveAll(dir))
	}()
	return p, nil
}

// stop ends the process as ECS does, and reports how it ended.
func (p *process) stop() error {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
		select {
		case p.err = <-p.exited:
		case <-time.After(12 * time.Second):
			p.err = errors.Join(errors.New("the controller did not stop within 10 s"), p.cmd.Process.Kill())
		}
	})
	return p.err
}

// logLine is the part of a log line that is narrated.
type logLine struct {
	Level, Msg, Service, On, Type, Subject, Severity, Message, Cause, Culprit, Signature, Line, Name, Reason, Error string
	Planned, Sidecar                                                                                                bool
	ExitCode                                                                                                        *int
	Lifetime                                                                                                        string
}

// follow narrates the controller's own log.
func follow(r io.Reader, s *story) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l logLine
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			s.say("controller", "%s", lines.Text())
			continue
		}
		narrate(l, s)
	}
}

// narrate tells a log line, and shows the step of the story that it proves.
func narrate(l logLine, s *story) {
	if l.Level == "error" || l.Level == "warn" {
		s.say("controller", "%s: %s %s", l.Msg, l.Message, l.Error)
		return
	}
	switch l.Msg {
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
