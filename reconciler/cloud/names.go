package cloud

import (
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// names keeps one copy of each string that many tasks share (images, digests, revisions, statuses): of a fleet of
// 50,000 tasks most of the memory is such strings. One is made for each sweep, so nothing outlives its last user. What it
// keeps are copies; see own.
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
	s = strings.Clone(s)
	n.seen[s] = s
	return s
}

// own is a copy of *p, for what no other task shares. The SDK cuts the strings of one answer from blocks of up to 4 KiB
// (smithy-go's StringArena), so that one small string kept as it came would keep a block with it.
func own(p *string) string { return strings.Clone(aws.ToString(p)) }
