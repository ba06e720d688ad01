package account

import (
	"container/heap"
	"time"
)

// agenda is what is still to happen, by time; what is due at one time happens in the order in which it was put down.
type agenda struct {
	items []item
	next  uint64
}

type item struct {
	at  time.Time
	seq uint64
	do  func()
}

func (g *agenda) put(at time.Time, do func()) {
	g.next++
	heap.Push(g, item{at, g.next, do})
}

// due takes the first item out if its time is not after now.
func (g *agenda) due(now time.Time) (item, bool) {
	if len(g.items) == 0 || g.items[0].at.After(now) {
		return item{}, false
	}
	return heap.Pop(g).(item), true
}

// Len, Less, Swap, Push and Pop make the agenda a heap.
func (g *agenda) Len() int { return len(g.items) }

// Less orders by time, then by when it was put down.
func (g *agenda) Less(i, j int) bool {
	a, b := g.items[i], g.items[j]
	if a.at.Equal(b.at) {
		return a.seq < b.seq
	}
	return a.at.Before(b.at)
}

// Swap exchanges two items.
func (g *agenda) Swap(i, j int) { g.items[i], g.items[j] = g.items[j], g.items[i] }

// Push appends an item.
func (g *agenda) Push(x any) { g.items = append(g.items, x.(item)) }

// Pop removes the last item.
func (g *agenda) Pop() any {
	last := g.items[len(g.items)-1]
	g.items[len(g.items)-1] = item{}
	g.items = g.items[:len(g.items)-1]
	return last
}
