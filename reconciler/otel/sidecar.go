package otel

import (
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
)

// beside tells whether c is a sidecar of something: an agent that is a service of its own has nobody to take down.
func (l look) beside(c fleet.ContainerDefinition) bool {
	return l.sidecar(c) && slices.ContainsFunc(l.definition.Containers, l.app)
}

func sidecarEssential(l look, c fleet.ContainerDefinition) []hit {
	if !l.beside(c) || !c.Essential || c.Unseen["essential"] != "" {
		return nil
	}
	return []hit{{message: "the sidecar is essential, so its crash stops the whole task; non-essential with a restart policy keeps the service up, if the application can do without it for a moment"}}
}

func sidecarNoRestart(l look, c fleet.ContainerDefinition) []hit {
	if !l.beside(c) || c.Restart || c.Unseen["restartPolicy"] != "" || l.definition.Helper(c.Name) {
		return nil
	}
	message := "without a restart policy the sidecar stays dead after a crash while the task runs on"
	if c.Essential {
		message = "without a restart policy a crash of the sidecar replaces the whole task"
	}
	return []hit{{message: message}}
}

func sidecarNoHealthCheck(l look, c fleet.ContainerDefinition) []hit {
	if !l.sidecar(c) || c.HealthCheck || c.Unseen["healthCheck"] != "" || l.definition.Helper(c.Name) {
		return nil
	}
	return []hit{{message: "without a health check a hanging sidecar looks like a healthy one; the command must exist in the image, and many agents' images have no shell"}}
}

func sidecarNoMemory(l look, c fleet.ContainerDefinition) []hit {
	if !l.beside(c) || c.Memory > 0 || c.Unseen["memory"] != "" || l.definition.Helper(c.Name) {
		return nil
	}
	return []hit{{message: "without a hard memory limit a leak of the sidecar takes the service's memory; memoryReservation alone limits nothing"}}
}

func sidecarNoLogs(l look, c fleet.ContainerDefinition) []hit {
	if !l.sidecar(c) || c.LogDriver != "" || c.Unseen["logConfiguration"] != "" || l.definition.Helper(c.Name) {
		return nil
	}
	return []hit{{message: "without a log configuration nothing says why the sidecar died"}}
}

func sidecarBadVersion(_ look, c fleet.ContainerDefinition) []hit {
	a, _ := agentOf(c.Image)
	missing := a.missing(c.Image)
	if len(missing) == 0 {
		return nil
	}
	v, _ := versionOf(c.Image)
	crashes := make([]string, 0, len(missing))
	for _, r := range missing {
		crashes = append(crashes, r.Crash+" (fixed in "+r.In.String()+", "+r.Ref+")")
	}
	return []hit{{message: "version " + v.String() + " is older than the fix of: " + strings.Join(crashes, "; ") + ". Upgrade to " + missing[0].In.String() + " or later"}}
}
