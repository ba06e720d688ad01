package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Duration is a length of time, written as in Go ("90s", "1h30m") and with days
// of 24 hours in front ("7d", "1d12h").
type Duration time.Duration

// String writes the duration so that [ParseDuration] reads it back, whole days
// first and without empty units: "7d", "1d12h", "5m".
func (d Duration) String() string {
	rest := time.Duration(d)
	days := rest / day
	if days < 1 {
		return trimUnits(rest.String())
	}
	out := strconv.FormatInt(int64(days), 10) + "d"
	if rest %= day; rest > 0 {
		out += trimUnits(rest.String())
	}
	return out
}

func trimUnits(s string) string {
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes the duration as String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the duration as [ParseDuration] does.
func (d *Duration) UnmarshalText(text []byte) error {
	got, err := ParseDuration(string(text))
	if err == nil {
		*d = got
	}
	return err
}

// Set reads the duration from a flag; with Type it makes a [Duration] a value
// for the flags of verbs.
func (d *Duration) Set(text string) error { return d.UnmarshalText([]byte(text)) }

// Type names the value in a flag's help.
func (*Duration) Type() string { return "duration" }

var (
	dayPart     = regexp.MustCompile(`^(\d+)d(.*)$`)
	errDuration = errors.New(`not a duration: write it as "90s", "5m", "1h30m", "7d" or "1d12h"`)
)

// ParseDuration reads a Go duration, with days of 24 hours allowed in front.
// Negative ones are refused.
func ParseDuration(s string) (Duration, error) {
	rest, days := s, int64(0)
	if m := dayPart.FindStringSubmatch(s); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || n > math.MaxInt64/int64(day) {
			return 0, fmt.Errorf("longer than %dd", math.MaxInt64/int64(day))
		}
		if rest, days = m[2], n; rest == "" {
			return Duration(days) * Duration(day), nil
		}
	}
	tail, err := time.ParseDuration(rest)
	if err != nil || strings.HasPrefix(rest, "+") && days > 0 {
		return 0, errDuration
	}
	if tail < 0 || strings.HasPrefix(rest, "-") {
		return 0, errors.New("a duration below zero")
	}
	sum := time.Duration(days)*day + tail
	if sum < tail {
		return 0, fmt.Errorf("longer than %dd", math.MaxInt64/int64(day))
	}
	return Duration(sum), nil
}

// Auto is a duration that may be left to the controller: zero is "auto".
type Auto Duration

// String writes "auto" or the duration.
func (a Auto) String() string {
	if a == 0 {
		return "auto"
	}
	return Duration(a).String()
}

// MarshalText writes the value as String does.
func (a Auto) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads "auto" or a duration above zero.
func (a *Auto) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*a = 0
		return nil
	}
	d, err := ParseDuration(string(text))
	switch {
	case err != nil:
		return fmt.Errorf(`%w, or "auto"`, err)
	case d == 0:
		return errors.New(`a duration of zero: write "auto" or at least "1s"`)
	}
	*a = Auto(d)
	return nil
}

// Share is a part of a whole, above 0 and at most 1.
type Share float64

// Moment is a day or an instant: the zero value is neither.
type Moment struct {
	at  time.Time
	day bool
}

// ParseMoment reads a date ("2027-01-05") or a time in RFC 3339.
func ParseMoment(s string) (Moment, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return Moment{at: t, day: true}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return Moment{}, errors.New(`not a date: write it as "2027-01-05" or "2027-01-05T18:00:00+09:00"`)
	}
	return Moment{at: t}, nil
}

// IsZero reports whether nothing was given.
func (m Moment) IsZero() bool { return m == Moment{} }

// Equal reports whether both are the same day or the same instant.
func (m Moment) Equal(o Moment) bool { return m.day == o.day && m.at.Equal(o.at) }

// Start is the instant, or the first one of the day in loc.
func (m Moment) Start(loc *time.Location) time.Time { return m.midnight(loc, 0) }

// End is the instant, or the first one after the day in loc.
func (m Moment) End(loc *time.Location) time.Time { return m.midnight(loc, 1) }

func (m Moment) midnight(loc *time.Location, later int) time.Time {
	if !m.day {
		return m.at
	}
	y, month, d := m.at.Date()
	return time.Date(y, month, d+later, 0, 0, 0, 0, loc)
}

// String writes the moment so that [ParseMoment] reads it back; empty if nothing was given.
func (m Moment) String() string {
	switch {
	case m.IsZero():
		return ""
	case m.day:
		return m.at.Format(time.DateOnly)
	}
	return m.at.Format(time.RFC3339Nano)
}

// MarshalText writes the moment as String does.
func (m Moment) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the moment as [ParseMoment] does.
func (m *Moment) UnmarshalText(text []byte) error {
	got, err := ParseMoment(string(text))
	if err == nil {
		*m = got
	}
	return err
}
