package account

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Span is a range of durations; a value is drawn from it uniformly. In YAML it is "6h..7h", or "30s" for exactly that, with
// days as in "7d" and a leading minus for a time before the start.
type Span struct{ Min, Max time.Duration }

// Exactly is the span that holds one duration.
func Exactly(d time.Duration) Span { return Span{d, d} }

// Between is the span from one duration to another.
func Between(low, high time.Duration) Span { return Span{low, high} }

// ParseSpan reads "6h..7h" or "30s".
func ParseSpan(text string) (Span, error) {
	low, high, ranged := strings.Cut(text, "..")
	from, err := parseDuration(low)
	if err != nil {
		return Span{}, err
	}
	if !ranged {
		return Exactly(from), nil
	}
	to, err := parseDuration(high)
	if err != nil {
		return Span{}, err
	}
	if to < from {
		return Span{}, fmt.Errorf("duration %q: the second value is the smaller one", text)
	}
	return Span{from, to}, nil
}

func parseDuration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || n > 36500 || n < -36500 || n != n {
			return 0, fmt.Errorf("duration %q: days are written as in 7d", text)
		}
		return time.Duration(n * float64(24*time.Hour)), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("duration %q: write it as in 1h30m, 250ms, 7d or 6h..7h", text)
	}
	return d, nil
}

// UnmarshalYAML reads the text form.
func (s *Span) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	span, err := ParseSpan(text)
	*s = span
	return err
}

// MarshalYAML writes the text form.
func (s Span) MarshalYAML() (any, error) { return s.String(), nil }

// String is the text form.
func (s Span) String() string {
	if s.Min == s.Max {
		return s.Min.String()
	}
	return s.Min.String() + ".." + s.Max.String()
}
