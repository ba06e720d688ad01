package churn

import (
	"math"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
)

func TestRateOf(t *testing.T) {
	// Garwood's table for n = 3: 0.818 and 7.754 (one-sided 95 %).
	r := rateOf(3, 24*time.Hour)
	if r.per != 3 || r.low < 0.8176 || r.low > 0.8178 || r.high < 7.753 || r.high > 7.755 {
		t.Errorf("rate %+v", r)
	}
	if r := rateOf(0, 0); r.low != 0 || r.high <= 0 {
		t.Errorf("rate of nothing %+v", r)
	}
}

// ran is a recorded stop of a task that lived from one time to another, in hours.
func ran(n int, from, to float64) Stop {
	hour := func(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }
	return stopOf(crash(n, hour(to), hour(to-from)), look(0), policy())
}

func TestExposure(t *testing.T) {
	alive := func(n int, since float64) fleet.Task {
		task := running(n)
		task.StartedAt = at(time.Duration(since * float64(time.Hour)))
		return task
	}
	unborn := ran(1, -5, -2)
	unborn.StartedAt, unborn.Lifetime = time.Time{}, 0
	pull := unborn
	pull.Verdict.Cause = ImagePull
	for _, c := range []struct {
		name    string
		stops   []Stop
		tasks   []fleet.Task
		running int
		want    float64 // hours of tasks in the last ten
	}{
		{"tasks that run all the time", nil, []fleet.Task{alive(1, -90), alive(2, -90)}, 2, 20},
		{"one was scaled out four hours ago", nil, []fleet.Task{alive(1, -90), alive(2, -4)}, 2, 14},
		{"what ended counts for as long as it ran", []Stop{ran(1, -90, -6), ran(2, -6, -2), ran(3, -90, -20)}, []fleet.Task{alive(4, -2)}, 1, 4 + 4 + 2},
		{"tasks that are not listed run as at present", nil, []fleet.Task{alive(1, -90)}, 3, 30},
		{"a death without a start: the whole service as at present", []Stop{unborn}, []fleet.Task{alive(2, -1)}, 1, 40},
		{"tasks that never come up: one place since the first", []Stop{pull}, nil, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := look(0, c.tasks...)
			o.Service.Running = c.running
			ct := court{o: o, p: policy(), now: o.At, stops: byTime(c.stops)}
			from := at(-10 * time.Hour)
			got := ct.exposure(from, ct.since(keep(ct.stops, counted), from)).Hours()
			if math.Abs(got-c.want) > 0.05 {
				t.Errorf("%.2f hours of tasks, want %.2f", got, c.want)
			}
		})
	}
}
