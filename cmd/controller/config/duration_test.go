package config

import (
	"math"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]Duration{
		"90s": Duration(90 * time.Second), "5m": Duration(5 * time.Minute), "1h30m": Duration(90 * time.Minute),
		"7d": Duration(7 * day), "1d12h": Duration(36 * time.Hour), "0d": 0, "0s": 0, "0": 0, "1.5h": Duration(90 * time.Minute),
		"106751d": Duration(106751 * day), "1d0s": Duration(day), "500ms": Duration(500 * time.Millisecond),
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "5", "5 m", "d", "1.5d", "-7d", "-5m", "1d-5m", "1d+5m", "12h1d", "1w", "106752d", "106751d24h",
		"99999999999999999999d", "9223372036854775808ns", "1d1d", "７d", "1D",
	} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestDurationString(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "5m": 5 * time.Minute, "1h": time.Hour, "1h0m5s": time.Hour + 5*time.Second, "1d": day, "1d12h": 36 * time.Hour,
		"23h59m": day - time.Minute, "1d1ns": day + 1, "10m": 10 * time.Minute, "10h": 10 * time.Hour, "30s": 30 * time.Second,
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%d is written %q, want %q", d, got, want)
		}
	}
}

func TestDurationSurvivesWriting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "d"))
		if got, err := ParseDuration(d.String()); err != nil || got != d {
			t.Fatalf("%d is written %q and read as %d, %v", d, d, got, err)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"7d", "1d12h", "-5m", "+1s", "106751d24h", "1.5h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if again, err := ParseDuration(d.String()); d < 0 || err != nil || again != d {
			t.Errorf("%q is %d, written %q, read as %d (%v)", s, d, d, again, err)
		}
	})
}

func TestAuto(t *testing.T) {
	var a Auto
	if err := a.UnmarshalText([]byte("6h")); err != nil || a != Auto(6*time.Hour) || a.String() != "6h" {
		t.Errorf("6h is %v, %v", a, err)
	}
	if err := a.UnmarshalText([]byte("auto")); err != nil || a != 0 || a.String() != "auto" {
		t.Errorf("auto is %v, %v", a, err)
	}
	for _, s := range []string{"0s", "Auto", "", "-1h"} {
		if err := a.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q is taken as %v", s, a)
		}
	}
}

func TestMoment(t *testing.T) {
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]struct{ start, end string }{
		"2027-01-05":                {"2027-01-05T00:00:00+09:00", "2027-01-06T00:00:00+09:00"},
		"2026-12-31":                {"2026-12-31T00:00:00+09:00", "2027-01-01T00:00:00+09:00"},
		"2027-01-05T18:00:00+09:00": {"2027-01-05T18:00:00+09:00", "2027-01-05T18:00:00+09:00"},
		"2027-01-05T09:00:00Z":      {"2027-01-05T18:00:00+09:00", "2027-01-05T18:00:00+09:00"},
	} {
		m, err := ParseMoment(text)
		if err != nil || m.String() != text {
			t.Errorf("%q is written %q (%v)", text, m, err)
		}
		start, end := m.Start(tokyo).In(tokyo).Format(time.RFC3339), m.End(tokyo).In(tokyo).Format(time.RFC3339)
		if start != want.start || end != want.end {
			t.Errorf("%s lasts from %s to %s, want %+v", text, start, end, want)
		}
	}
	for _, text := range []string{"", "2027-13-01", "2027-02-30", "2027/01/05", "today", "2027-01-05T18:00"} {
		if m, err := ParseMoment(text); err == nil {
			t.Errorf("%q is taken as %v", text, m)
		}
	}
}

func TestDurationIsAFlag(t *testing.T) {
	flags := pflag.NewFlagSet("scan", pflag.ContinueOnError)
	history := Duration(14 * day)
	flags.Var(&history, "history", "how far to look back")
	if flags.Lookup("history").DefValue != "14d" {
		t.Errorf("default is shown as %s", flags.Lookup("history").DefValue)
	}
	if err := flags.Parse([]string{"--history", "1d12h"}); err != nil || history != Duration(36*time.Hour) {
		t.Errorf("--history 1d12h = %v, %v", history, err)
	}
	if err := flags.Parse([]string{"--history", "-1d"}); err == nil {
		t.Error("--history -1d is taken")
	}
}
