package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	serverEnv     = "TASKWARDEN_SERVER"
	tokenEnv      = "TASKWARDEN_TOKEN"
	defaultServer = "http://127.0.0.1:8080"

	// perPage is the most that the API gives at once.
	perPage = 1000
	// answerLimit bounds what is read of one answer: a thousand stops with their log lines stay far below it.
	answerLimit = 256 << 20
)

// client asks a running controller.
type client struct {
	server string // URL without a trailing slash
	token  string // "": none
	http   *http.Client
}

// client finds the server by --server, then TASKWARDEN_SERVER; and the token by --token-file, then TASKWARDEN_TOKEN.
func (a *app) client(timeout time.Duration) (*client, error) {
	fromEnv, _ := a.env(serverEnv)
	server, err := serverURL(cmp.Or(a.server, fromEnv, defaultServer))
	if err != nil {
		return nil, err
	}
	token, _ := a.env(tokenEnv)
	if a.tokenFile != "" {
		text, err := os.ReadFile(a.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		token = string(text)
	}
	token = strings.TrimSpace(token)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token holds blanks or characters that no token has: --token-file and " + tokenEnv + " hold the token alone")
	}
	return &client{server, token, &http.Client{Timeout: timeout}}, nil
}

// serverURL takes a URL, or a host with a port.
func serverURL(s string) (string, error) {
	full := s
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return "", usageError("--server (or %s): %q is not the URL of a server, as %s", serverEnv, s, defaultServer)
	}
	return strings.TrimRight(full, "/"), nil
}

// list fetches items of a list, page after page; at most limit where that is above 0.
func (c *client) list(ctx context.Context, name string, query url.Values, limit int) ([]json.RawMessage, error) {
	out := []json.RawMessage{}
	for next := ""; ; {
		size := perPage
		if limit > 0 {
			size = min(size, limit-len(out))
		}
		query.Set("limit", strconv.Itoa(size))
		query.Del("next")
		if next != "" {
			query.Set("next", next)
		}
		var page struct {
			Items []json.RawMessage
			Next  string
		}
		if err := c.read(ctx, "/api/v1/"+name+"?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if page.Next == "" || limit > 0 && len(out) >= limit {
			return out, nil
		}
		if page.Next == next || len(page.Items) == 0 {
			return nil, fmt.Errorf("list %s: the server repeats a page", name)
		}
		next = page.Next
	}
}

// read gets a JSON document from the API.
func (c *client) read(ctx context.Context, path string, into any) error {
	status, body, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return c.refused(status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s answered, but not as a taskwarden controller does (%w): check --server or %s", c.server, err, serverEnv)
	}
	return nil
}

// order posts what an approver says, and gives the answer.
func (c *client) order(ctx context.Context, path string, said map[string]string) (json.RawMessage, error) {
	body, err := json.Marshal(said)
	if err != nil {
		return nil, fmt.Errorf("write the order: %w", err)
	}
	status, answered, err := c.ask(ctx, http.MethodPost, path, body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w; should the order have arrived, 'taskwarden get audit' shows it", err)
	case status != http.StatusOK:
		return nil, c.refused(status, answered)
	case !json.Valid(answered):
		return nil, fmt.Errorf("%s answered, but not as a taskwarden controller does: check --server or %s", c.server, serverEnv)
	}
	return answered, nil
}

func (c *client) get(ctx context.Context, path string) (status int, body []byte, err error) {
	return c.ask(ctx, http.MethodGet, path, nil)
}

func (c *client) ask(ctx context.Context, method, path string, sent []byte) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(sent))
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", c.server, err)
	}
	if sent != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, c.unreachable(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return 0, nil, c.unreachable(err)
	}
	return resp.StatusCode, body, nil
}

// unreachable says what to do when no controller answers.
func (c *client) unreachable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the URL is said already
	}
	return fmt.Errorf("no controller answers at %s (%w): start one with 'taskwarden run', or name the one that runs with --server or %s",
		c.server, err, serverEnv)
}

// refusal is an answer of the server that is not the one asked for.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

// passing reports whether the same question may be answered in a moment.
func (r *refusal) passing() bool { return r.status >= http.StatusInternalServerError }

func (c *client) refused(status int, body []byte) error {
	var said struct {
		Error struct{ Message, Phase, Outcome string }
	}
	if json.Unmarshal(body, &said) != nil || said.Error.Message == "" {
		return &refusal{status, fmt.Sprintf("%s answered %d %s, and not as a taskwarden controller does: check --server or %s",
			c.server, status, http.StatusText(status), serverEnv)}
	}
	message := fmt.Sprintf("%s: %s", c.server, plainText(said.Error.Message))
	if stands := plainText(cmp.Or(said.Error.Outcome, said.Error.Phase)); !strings.Contains(message, stands) {
		message += "; the rollout is " + stands
	}
	if status == http.StatusUnauthorized {
		message += fmt.Sprintf("; give it with --token-file FILE or %s", tokenEnv)
		if c.token != "" {
			message += " (the one given was refused)"
		}
	}
	return &refusal{status, message}
}
