package peer

import (
	"fmt"
	"testing"
)

// MiniStack starts one (docs/conformance.md) for an account and a region, and gives its URL. DOCKER_HOST leads nowhere, so
// that it behaves the same where a container engine runs.
func MiniStack(t testing.TB, account, region string) string {
	t.Helper()
	const install = "bin/ministack"
	path := installed(t, "MiniStack, an AWS emulator", "TASKWARDEN_MINISTACK", install, "bin/ministack/bin/ministack")
	return program{
		name: "ministack", install: install, alive: "/_ministack/health",
		command: func(int) []string { return []string{path} },
		env: func(port int) []string {
			return []string{"BIND_HOST=127.0.0.1", fmt.Sprintf("GATEWAY_PORT=%d", port), "MINISTACK_ACCOUNT_ID=" + account,
				"MINISTACK_REGION=" + region, "DOCKER_HOST=tcp://127.0.0.1:1", "LOG_LEVEL=WARNING", "PYTHONDONTWRITEBYTECODE=1"}
		},
	}.start(t)
}
