package cloud

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnknownFields(t *testing.T) {
	for in, want := range map[string][]string{
		`{}`: nil,
		`{"family":"web","cpu":"256","runtimePlatform":{"cpuArchitecture":"ARM64"},"enableFaultInjection":false,"tags":[{"key":"a","value":"b"}],
		  "volumes":[{"name":"v","efsVolumeConfiguration":{"fileSystemId":"fs-1","authorizationConfig":{"iam":"ENABLED"}}}],
		  "containerDefinitions":[{"name":"app","dockerLabels":{"anything":"goes"},"linuxParameters":{"initProcessEnabled":true},
		    "logConfiguration":{"logDriver":"awslogs","options":{"x":"y"}},"restartPolicy":{"enabled":true,"ignoredExitCodes":[0]}}]}`: nil,
		`{"novelty":1,"containerDefinitions":[{"name":"a"},{"name":"b","deep":{"er":1},"healthCheck":{"grace":2}}],"noSmithyDocumentSerde":1}`: {
			"containerDefinitions[1].deep", "containerDefinitions[1].healthCheck.grace", "noSmithyDocumentSerde", "novelty"},
	} {
		got, err := new(Account).UnknownFields([]byte(in))
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v %s", in, err, d)
		}
	}
	if _, err := new(Account).UnknownFields([]byte(`{`)); err == nil {
		t.Error("no JSON, and no error")
	}
}
