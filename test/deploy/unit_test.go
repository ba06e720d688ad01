package deploy

import (
	"slices"
	"strings"
	"testing"
)

// The unit runs as nobody, writes only where its state is, and takes a new configuration by a signal.
func TestTheUnitIsHardened(t *testing.T) {
	lines := strings.Split(string(file(t, "deploy/taskwarden.service")), "\n")
	for _, want := range []string{
		"DynamicUser=yes", "StateDirectory=taskwarden", "WorkingDirectory=%S/taskwarden", "ExecReload=/bin/kill -HUP $MAINPID", "Restart=always",
		"NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes", "PrivateDevices=yes", "RestrictNamespaces=yes",
		"MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "UMask=0077",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s", want)
		}
	}
}
