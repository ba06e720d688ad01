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
	name, rule := in.String("AlarmName"), in.String("AlarmRule")
	if err := checkAlarmName(name); err != nil {
		return nil, err
	}
	switch n := utf8.RuneCountInString(rule); {
	case n == 0 || n > maxRule:
		return nil, invalid("AlarmRule must have 1 to %d characters, not %d.", maxRule, n)
	case s.alarms[name] != nil:
		return nil, invalid("Alarm %s already exists and is not a composite alarm.", name)
	}
	a := &alarm{
		name: name, arn: "arn:aws:cloudwatch:" + s.region + ":" + s.accountID + ":alarm:" + name, composite: true,
		enabled: !in.Has("ActionsEnabled") || in.Bool("ActionsEnabled"), settings: map[string]any{"AlarmRule": rule},
		state: stateInsufficient, reason: "Unchecked: Initial alarm creation", configured: now, updated: now, transitions: now,
	}
	if err := a.readActions(in); err != nil {
		return nil, err
	}
	var err error
	if old := s.composites[name]; old != nil {
		a.tags = old.tags
	} else if a.tags, err = readTags(in, nil); err != nil {
		return nil, err
	}
	s.composites[name] = a
	return nil, nil
}
