package fleet

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLogGroups(t *testing.T) {
	awslogs := func(group string) ContainerDefinition {
		return ContainerDefinition{LogDriver: "awslogs", LogOptions: map[string]string{"awslogs-group": group}}
	}
	for name, c := range map[string]struct {
		containers []ContainerDefinition
		want       []string
	}{
		"two groups, one twice":       {[]ContainerDefinition{awslogs("/a"), awslogs("/b"), awslogs("/a")}, []string{"/a", "/b"}},
		"one writes no log":           {[]ContainerDefinition{awslogs("/a"), {}}, []string{"/a"}},
		"none writes a log":           {[]ContainerDefinition{{}}, []string{}},
		"one writes through a router": {[]ContainerDefinition{awslogs("/a"), {LogDriver: "awsfirelens"}}, nil},
		"a group that is not said":    {[]ContainerDefinition{awslogs("")}, nil},
	} {
		if diff := cmp.Diff(c.want, Definition{Containers: c.containers}.LogGroups()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
