package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"taskwarden/test/account"
)

func TestServes(t *testing.T) {
	s, err := account.LoadScenario("../../../scenarios/incident.yaml", settings{"crashLifetime": "1s", "terminate": "1ms", "deprovision": "1ms"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := account.New(s, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, listener, a) }()
	url := "http://" + listener.Addr().String()
	deadline := time.Now().Add(20 * time.Second)
	var stops []account.Stop
	for len(stops) == 0 && time.Now().Before(deadline) { // a container lives a second; nobody calls the API meanwhile
		time.Sleep(50 * time.Millisecond)
		get(t, url+"/_account/stops", &stops)
	}
	if len(stops) == 0 || stops[0].Culprit != "cwagent" {
		t.Errorf("the world does not move by itself: %+v", stops)
	}
	var counts map[string]int
	if get(t, url+"/_account/calls", &counts); len(counts) != 0 {
		t.Errorf("control reads count as calls: %v", counts)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func TestRefusesOtherMachines(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "example.com:80", "[::]:0", "nonsense"} {
		if l, err := listen(addr); err == nil {
			l.Close()
			t.Errorf("%s was opened", addr)
		}
	}
	for _, args := range [][]string{{}, {"-set", "x"}, {"-scenario", "nope.yaml"}, {"-scenario", "../../../scenarios/quiet.yaml", "-set", "nope=1"}} {
		if err := run(t.Context(), args); err == nil || strings.Contains(err.Error(), "panic") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
