package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// operate is what the person on call does once the alarm has come: reads the plan, and says yes to exactly that.
func (p *process) operate(ctx context.Context) error {
	if !p.story.shown("silent", "verdict", "signature", "crash", "churn", "gauge", "created", "alarm", "heartbeat") {
		return nil
	}
	p.mu.Lock()
	id := p.proposed
	p.proposed = ""
	p.mu.Unlock()
	if id == "" {
		return nil
	}
	text, err := p.verb(ctx, "describe", "rollout", id, "-o", "table")
	if err != nil {
		return err
	}
	p.story.show("plan", "taskwarden describe rollout %s", id)
	p.story.print(text)
	document, err := p.verb(ctx, "describe", "rollout", id, "-o", "json")
	if err != nil {
		return err
	}
	var plan struct{ PlanHash string }
	if err := json.Unmarshal(document, &plan); err != nil || plan.PlanHash == "" {
		return errors.Join(errors.New("the plan has no hash"), err)
	}
	if _, err := p.verb(ctx, "approve", id, "--hash", plan.PlanHash, "--reason", "seen", "--ticket", "OPS-7"); err != nil {
		return err
	}
	p.story.show("approved", "taskwarden approve %s --hash %s --reason seen --ticket OPS-7", id, plan.PlanHash)
	return nil
}

// report prints the rollout as it ended, with the service before and after.
func (p *process) report(ctx context.Context) error {
	p.mu.Lock()
	id := p.succeeded
	p.mu.Unlock()
	text, err := p.verb(ctx, "describe", "rollout", id, "-o", "table")
	if err == nil {
		p.story.say("demo", "taskwarden describe rollout %s", id)
		p.story.print(text)
	}
	return err
}

// verb runs the binary as its user does, and gives what it prints.
func (p *process) verb(ctx context.Context, args ...string) ([]byte, error) {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	file := filepath.Join(p.dir, "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, p.binary, append(args, "--server", server, "--token-file", file)...).Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("taskwarden %s: %w: %s", strings.Join(args, " "), err, failed.Stderr)
	}
	return out, err
}
