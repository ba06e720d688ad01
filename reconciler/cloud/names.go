package cloud

import "sync"

// names keeps one copy of each string that many tasks share (images, digests, revisions, statuses): of a fleet of
// 50,000 tasks most of the memory is such strings. One is made for each sweep, so nothing outlives its last user.
type names struct {
	mu   sync.Mutex
	seen map[string]string
}

func newNames() *names { return &names{seen: map[string]string{}} }

// of is the kept copy of *p, or "" where AWS gave none.
func (n *names) of(p *string) string {
	if p == nil {
		return ""
	}
	return n.keep(*p)
}

func (n *names) keep(s string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if kept, ok := n.seen[s]; ok {
		return kept
	}
	n.seen[s] = s
	return s
}
