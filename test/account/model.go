package account

import "strings"

// life is the case that decides over a start of a container under this environment; false: it runs for ever.
func (m Model) life(env map[string]string) (Case, bool) {
	for _, c := range m.Cases {
		if c.matches(env) {
			return c, true
		}
	}
	return Case{}, false
}

func (c Case) matches(env map[string]string) bool {
	for name, want := range c.When {
		if env[name] != want {
			return false
		}
	}
	return true
}

// startCause is the true cause behind ECS's words about a task that never started.
func startCause(text string) string {
	switch {
	case strings.HasPrefix(text, "CannotPull"):
		return "image_pull"
	case strings.Contains(text, "RESOURCE:"), strings.Contains(text, "Capacity is unavailable"), strings.Contains(text, "placement constraint"):
		return "placement"
	}
	return "resource_init"
}
