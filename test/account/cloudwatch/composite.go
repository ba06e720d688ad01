package cloudwatch

import (
	"time"
	"unicode/utf8"

	"taskwarden/test/account/wire"
)

// maxRule is how long the rule of a composite alarm may be (API reference, PutCompositeAlarm).
const maxRule = 10_240

// putCompositeAlarm creates a composite alarm or overwrites every setting of the one of that name. It is kept and shown;
// its rule is never evaluated, so that its state stays as it was created.
func (s *Service) putCompositeAlarm(in wire.Input, now time.Time) (map[string]any, error) {
	a, err := s.newAlarm(in, compositeAlarm, now)
	if err != nil {
		return nil, err
	}
	rule := in.String("AlarmRule")
	if n := utf8.RuneCountInString(rule); n == 0 || n > maxRule {
		return nil, invalid("AlarmRule must have 1 to %d characters, not %d.", maxRule, n)
	}
	a.settings["AlarmRule"] = rule
	s.place(a, false)
	return nil, nil
}
