package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// process is the real binary, started as in production, and what its user runs beside it.
type process struct {
	binary string
	cmd    *exec.Cmd
	dir    string
	story  *story
	exited chan error
	once   sync.Once
	err    error

	mu                  sync.Mutex
	server              string // URL of its API, from its log
	proposed, succeeded string // ids of rollouts
}

// token is the approver's; the server's configuration has its hash alone.
const token = "demo-approver"

func start(ctx context.Context, binary, config string, w *world, s *story) (*process, error) {
	text, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "taskwarden-demo-")
	if err != nil {
		return nil, err
	}
	text = fmt.Appendf(text, "store: {type: bolt, path: %q}\nserver: {address: \"127.0.0.1:0\", tokens: [{name: oncall, role: approver, sha256: %x}]}\n",
		filepath.Join(dir, "data"), sha256.Sum256([]byte(token)))
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
	p := &process{binary: binary, cmd: cmd, dir: dir, story: s, exited: make(chan error, 1)}
	go func() {
		p.follow(logs)
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
