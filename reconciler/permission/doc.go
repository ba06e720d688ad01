// Package permission says which IAM actions each mode needs, on which resources, why, and what is lost without them.
//
// The actions are those of the operation table of package cloud, and the few that AWS asks for beside them (iam:PassRole
// for RegisterTaskDefinition). A row that is new there is granted by its class until it has a row here; a test asks for
// one. The verb iam-policy, docs/permissions.md and the tests of the templates in deploy/ all follow from this.
package permission

import (
	"fmt"
	"slices"
	"strings"
)

// Mode is one way to use the product. All but Scan hold what Observe does.
type Mode string

// The modes, in the order in which they are usually switched on.
const (
	Scan      Mode = "scan"      // the verb scan
	Observe   Mode = "observe"   // run: looking, planning alarms, metrics of its own
	Evidence  Mode = "evidence"  // and the last log lines of dead containers (detect.logs.enabled)
	Alarms    Mode = "alarms"    // and alarms (alarms.mode ensure or sync)
	Remediate Mode = "remediate" // and rollouts (remediation.mode plan, which only reads, approve or auto)
)

// Modes lists them all.
func Modes() []Mode { return []Mode{Scan, Observe, Evidence, Alarms, Remediate} }

// Parse reads a mode. The error lists those there are.
func Parse(name string) (Mode, error) {
	if m := Mode(name); slices.Contains(Modes(), m) {
		return m, nil
	}
	var names []string
	for _, m := range Modes() {
		names = append(names, string(m))
	}
	return "", fmt.Errorf("%q is not one of %s", name, strings.Join(names, ", "))
}
