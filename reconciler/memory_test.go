package reconciler

import (
	"fmt"
	"testing"
	"time"

	"taskwarden/reconciler/churn"
)

// A storm brings more stops within the hour in which AWS shows them than are kept of a quiet month.
func TestAStormsStopsAreRememberedWhileTheyAreShown(t *testing.T) {
	for _, c := range []struct {
		name  string
		every time.Duration
		n     int
		want  int
	}{
		{"few", time.Hour, 10, 10},
		{"a long history", time.Hour, stopsInMemory + 500, stopsInMemory},
		{"a storm", time.Second, stopsInMemory + 500, stopsInMemory + 500},
		{"a storm of hours", time.Second, 4 * 3600, int(shownFor / time.Second)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decision
			for i := range c.n {
				d.New = append(d.New, churn.Stop{TaskARN: fmt.Sprintf("%06d", i), StoppedAt: noon.Add(time.Duration(i) * c.every)})
			}
			m := Memory{}.After(d)
			last := m.History.Stops[len(m.History.Stops)-1]
			if got := len(m.History.Stops); got != c.want || last.TaskARN != fmt.Sprintf("%06d", c.n-1) {
				t.Errorf("%d stops remembered, the last %s; want %d", got, last.TaskARN, c.want)
			}
		})
	}
}
