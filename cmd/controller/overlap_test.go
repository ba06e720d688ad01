package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

const roleOf = "arn:aws:iam::111122223333:role/r"

// A role of the ambient account watches what an ambient target watches: the first target has the services. The account is asked
// for where it matters alone.
func TestOverlapsAreFoundWithTheAmbientAccount(t *testing.T) {
	for name, c := range map[string]struct {
		targets string
		account string
		err     error
		asked   int
		why     string
		left    string // cluster/service that the second target leaves
		kept    string
	}{
		"same account, one names a cluster": {"[{name: one, region: eu-west-1, clusters: [prod]}, {name: two, region: eu-west-1, roleArn: \"" + roleOf + "\"}]", "111122223333", nil, 1,
			"target one is of the same account 111122223333 and Region and comes first", "prod/web", "dev/web"},
		"the role first": {"[{name: one, region: eu-west-1, roleArn: \"" + roleOf + "\", services: [web]}, {name: two, region: eu-west-1}]", "111122223333", nil, 1,
			"target one is of the same account", "prod/web", "prod/api"},
		"another account": {"[{name: one, region: eu-west-1}, {name: two, region: eu-west-1, roleArn: \"" + roleOf + "\"}]", "444455556666", nil, 1, "", "", "prod/web"},
		"another Region":  {"[{name: one, region: us-east-1}, {name: two, region: eu-west-1, roleArn: \"" + roleOf + "\"}]", "111122223333", nil, 0, "", "", "prod/web"},
		"other clusters":  {"[{name: one, region: eu-west-1, clusters: [\"prod-*\"]}, {name: two, region: eu-west-1, clusters: [\"dev-*\"], roleArn: \"" + roleOf + "\"}]", "111122223333", nil, 0, "", "", "dev-1/web"},
		"not known": {"[{name: one, region: eu-west-1}, {name: two, region: eu-west-1, roleArn: \"" + roleOf + "\"}]", "", errors.New("no answer"), 1,
			"target one may watch the same services, which would be counted twice: whether their accounts are one is not known: no answer", "", "prod/web"},
	} {
		t.Run(name, func(t *testing.T) {
			targets := loaded(t, "targets: "+c.targets).Targets
			asked := 0
			got := findOverlaps(t.Context(), targets, func(context.Context) (string, error) { asked++; return c.account, c.err })
			if asked != c.asked || got[0].why != "" || !strings.Contains(got[1].why, c.why) || (c.why == "") != (got[1].why == "") {
				t.Errorf("asked %d times, %+v", asked, got)
			}
			scope := targets[1].Scope()
			scope.Others = got[1].others
			watches := func(address string) bool {
				cluster, service, _ := strings.Cut(address, "/")
				return scope.Watches(cluster, service)
			}
			if c.left != "" && watches(c.left) || !watches(c.kept) {
				t.Errorf("watches %s: %t, %s: %t", c.left, watches(c.left), c.kept, watches(c.kept))
			}
		})
	}
}
