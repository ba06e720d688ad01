package judgement

import (
	"container/heap"
	"time"
)

// agenda is what is going to happen to a service, in the order of time; what falls on one instant happens as it was put down.
type agenda struct {
	events eventHeap
	put    int
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

func (a *agenda) at(when time.Time, do func()) {
	a.put++
	heap.Push(&a.events, event{when, a.put, do})
}

// next takes the first event that is due by then, or gives false.
func (a *agenda) next(by time.Time) (event, bool) {
	if len(a.events) == 0 || a.events[0].at.After(by) {
		return event{}, false
	}
	return heap.Pop(&a.events).(event), true
}

type eventHeap []event

func (h eventHeap) Len() int      { return len(h) }
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h eventHeap) Less(i, j int) bool {
	if c := h[i].at.Compare(h[j].at); c != 0 {
		return c < 0
	}
	return h[i].seq < h[j].seq
}
func (h *eventHeap) Push(x any) { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
