package test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that may open 256 files answers a health check at once while somebody holds 400 connections open.
func TestIdleConnectionsDoNotStopTheHealthCheck(t *testing.T) {
	t.Parallel()
	_, url := serve(t, fixable(t))
	p := launch(t, url, "ap-northeast-1", t.TempDir(), "targets: [{name: prod, region: ap-northeast-1}]")
	few := unix.Rlimit{Cur: 256, Max: 256}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it answers", 30*time.Second, func() bool { status, _ := p.status("/healthz"); return status == 200 })
	http.DefaultClient.CloseIdleConnections()
	for range 400 {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") // the server may have closed it
	}
	for range 10 {
		client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get(p.url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	p.terminate()
}
