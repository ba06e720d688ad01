package account

import (
	"slices"
	"time"
)

// logs are the account's log groups.
type logs struct{ groups map[string]*logGroup }

type logGroup struct {
	name    string
	created time.Time
	streams map[string]*stream
}

// stream is one container's log. What a healthy container writes now and then is not stored but computed when it is read.
type stream struct {
	name    string
	created time.Time
	lines   []line
	chatter Chatter
	from    time.Time // since when it chatters
	until   time.Time // zero: still going
}

type line struct {
	at   time.Time
	text string
}

// openLog starts a container's log, or goes on with it after a restart: stream <prefix>/<container>/<task id> as the awslogs
// driver names it. A container that logs elsewhere has none.
func (c *container) openLog(m Model) {
	a := c.task.service.account
	if c.spec.group == "" {
		return
	}
	if c.log == nil {
		name := c.spec.prefix + "/" + c.spec.name + "/" + c.task.id
		c.log = a.logs.stream(c.spec.group, name, c.began)
	} else {
		c.log.settle(c.began)
	}
	c.log.chatter, c.log.from, c.log.until = m.Chatter, c.began, time.Time{}
	c.log.write(c.began, m.Start)
}

func (l *logs) stream(group, name string, now time.Time) *stream {
	g := l.groups[group]
	if g == nil {
		g = &logGroup{name: group, created: now, streams: map[string]*stream{}}
		l.groups[group] = g
	}
	s := &stream{name: name, created: now}
	g.streams[name] = s
	return s
}

// write adds lines; a container without a log loses them.
func (s *stream) write(at time.Time, text Lines) {
	if s == nil {
		return
	}
	for _, t := range text {
		s.lines = append(s.lines, line{at, t})
	}
}

// close ends the chatter.
func (s *stream) close(at time.Time) {
	if s != nil {
		s.until = at
	}
}

// settle turns the chatter up to now into stored lines, before another life chatters on.
func (s *stream) settle(now time.Time) {
	s.lines = s.all(now)
	s.from = now
}

// all gives the lines up to now, oldest first.
func (s *stream) all(now time.Time) []line {
	if !s.until.IsZero() && s.until.Before(now) {
		now = s.until
	}
	out := slices.Clone(s.lines)
	every := s.chatter.Every.Min
	if every <= 0 || len(s.chatter.Lines) == 0 {
		return out
	}
	for i, at := 0, s.from.Add(every); !at.After(now); i, at = i+1, at.Add(every) {
		out = append(out, line{at, s.chatter.Lines[i%len(s.chatter.Lines)]})
	}
	slices.SortStableFunc(out, func(a, b line) int { return a.at.Compare(b.at) })
	return out
}
