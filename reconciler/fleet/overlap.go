package fleet

import "path"

// nameSymbols are the characters of the names of ECS clusters and services (API reference, CreateCluster and CreateService).
const nameSymbols = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// overlapStates bounds the search for a name. Patterns as people write them need fewer than a hundred.
const overlapStates = 10_000

// Overlap reports whether some service can be in both scopes, and gives one: a cluster's name and a service's. sure is false
// where the patterns are too many to be searched through; then nothing is known.
func Overlap(a, b Scope) (cluster, service string, overlaps, sure bool) {
	cluster, found, sure := common(a.Clusters, a.ExcludeClusters, b.Clusters, b.ExcludeClusters)
	if !found {
		return "", "", false, sure
	}
	service, found, sure = common(a.Services, a.ExcludeServices, b.Services, b.ExcludeServices)
	return cluster, service, found, sure
}

// common finds the shortest name that both pairs of lists let pass. It follows all patterns at once, one character after the
// other, and keeps of each list the places in its patterns at which the name so far may stand.
func common(inA, outA, inB, outB []string) (name string, found, sure bool) {
	lists := [4]matcher{matcherOf(orAll(inA)), matcherOf(outA), matcherOf(orAll(inB)), matcherOf(outB)}
	type node struct {
		name  string
		state [4]string
	}
	first := node{}
	for i, m := range lists {
		first.state[i] = m.start()
	}
	symbols := tellApart(lists[:])
	seen := map[[4]string]bool{}
	for queue := []node{first}; len(queue) > 0; queue = queue[1:] {
		n := queue[0]
		a := lists[0].accepts(n.state[0]) && !lists[1].accepts(n.state[1])
		if b := lists[2].accepts(n.state[2]) && !lists[3].accepts(n.state[3]); a && b && n.name != "" {
			return n.name, true, true
		}
		for _, symbol := range symbols {
			next := node{name: n.name + string(symbol)}
			for i, m := range lists {
				next.state[i] = m.step(n.state[i], symbol)
			}
			if next.state[0] == "" || next.state[2] == "" || seen[next.state] {
				continue // no name that begins so is wanted by both
			}
			if len(seen) == overlapStates {
				return "", false, false
			}
			seen[next.state] = true
			queue = append(queue, next)
		}
	}
	return "", false, true
}

// tellApart gives one symbol of each set of symbols that no pattern tells apart, so that few are tried.
func tellApart(lists []matcher) []byte {
	var out []byte
	known := map[string]bool{}
	for i := range len(nameSymbols) {
		var matches []byte
		for _, m := range lists {
			for _, p := range m.places {
				if p.matches(nameSymbols[i]) {
					matches = append(matches, '1')
				} else {
					matches = append(matches, '0')
				}
			}
		}
		if !known[string(matches)] {
			known[string(matches)] = true
			out = append(out, nameSymbols[i])
		}
	}
	return out
}

func orAll(patterns []string) []string {
	if len(patterns) == 0 {
		return []string{"*"}
	}
	return patterns
}

// matcher follows the patterns of one list. A state is the sorted places at which a name may stand, two bytes each.
type matcher struct{ places []piece }

// piece is one place: what stands there in a pattern.
type piece struct {
	pattern string // of one character, for path.Match; "" at the end of a pattern
	star    bool
}

func (p piece) matches(symbol byte) bool {
	ok, err := path.Match(p.pattern, string(rune(symbol)))
	return ok && err == nil
}

func matcherOf(patterns []string) matcher {
	var m matcher
	for _, p := range patterns {
		for p != "" {
			n := pieceLength(p)
			m.places = append(m.places, piece{pattern: p[:n], star: p[0] == '*'})
			p = p[n:]
		}
		m.places = append(m.places, piece{})
	}
	return m
}

// pieceLength is the length of a pattern's first element: a class in brackets, an escaped character, or one character. The
// pattern is well-formed.
func pieceLength(p string) int {
	switch p[0] {
	case '\\':
		return min(2, len(p))
	case '[':
		for i := 1; i < len(p); i++ {
			switch {
			case p[i] == '\\':
				i++
			case p[i] == ']' && i > 1:
				return i + 1
			}
		}
		return len(p)
	}
	return 1
}

func (m matcher) start() string {
	on := make([]bool, len(m.places)+1)
	for i := range m.places {
		if i == 0 || m.places[i-1].pattern == "" {
			m.enter(on, i)
		}
	}
	return encodePlaces(on)
}

// enter marks a place, and the one behind a star that may stand for nothing.
func (m matcher) enter(on []bool, i int) {
	for ; i < len(m.places) && !on[i]; i++ {
		on[i] = true
		if !m.places[i].star {
			return
		}
	}
}

func (m matcher) step(state string, symbol byte) string {
	on := make([]bool, len(m.places)+1)
	for _, i := range decodePlaces(state) {
		switch p := m.places[i]; {
		case p.pattern == "":
		case p.star:
			m.enter(on, i)
		case p.matches(symbol):
			m.enter(on, i+1)
		}
	}
	return encodePlaces(on)
}

func (m matcher) accepts(state string) bool {
	for _, i := range decodePlaces(state) {
		if m.places[i].pattern == "" {
			return true
		}
	}
	return false
}

func encodePlaces(on []bool) string {
	var out []byte
	for i, is := range on {
		if is {
			out = append(out, byte(i>>8), byte(i))
		}
	}
	return string(out)
}

func decodePlaces(state string) []int {
	var out []int
	for i := 0; i+1 < len(state); i += 2 {
		out = append(out, int(state[i])<<8|int(state[i+1]))
	}
	return out
}
