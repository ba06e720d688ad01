package cloudwatch

import (
	"strings"
	"time"

	"taskwarden/test/account/wire"
)

// setAlarmState forces a state until the next evaluation that concludes another one.
func (s *Service) setAlarmState(in wire.Input, now time.Time) (map[string]any, error) {
	name, state, reason := in.String("AlarmName"), in.String("StateValue"), in.String("StateReason")
	if err := checkState(state, false); err != nil {
		return nil, err
	}
	a := s.named(name)
	switch {
	case name == "":
		return nil, missing("AlarmName")
	case reason == "":
		return nil, missing("StateReason")
	case len(reason) > 1023:
		return nil, invalid("StateReason must have at most 1023 characters.")
	case a == nil:
		return nil, notFound("The alarm %q does not exist.", name)
	}
	if a.state == state {
		a.reason, a.reasonData = reason, in.String("StateReasonData")
		return nil, nil
	}
	s.transit(a, change{at: now, to: state, reason: reason, data: in.String("StateReasonData")}, nil)
	return nil, nil
}

// deleteAlarms deletes the alarms that exist and answers ResourceNotFound when one did not (API reference: "the alarms you
// specify with correct names are still deleted").
func (s *Service) deleteAlarms(in wire.Input, now time.Time) (map[string]any, error) {
	names, err := readNames(in)
	if err != nil {
		return nil, err
	}
	var absent []string
	for _, name := range names {
		if s.named(name) == nil {
			absent = append(absent, name)
			continue
		}
		delete(s.alarms, name)
		delete(s.kept, name)
		s.remember(historyItem{at: now, alarm: name, kind: "ConfigurationUpdate", summary: `Alarm "` + name + `" deleted`})
	}
	if len(absent) > 0 {
		return nil, notFound("Alarms do not exist: %s", strings.Join(absent, ", "))
	}
	return nil, nil
}

func (s *Service) enableAlarmActions(in wire.Input, _ time.Time) (map[string]any, error) {
	return nil, s.setActions(in, true)
}

func (s *Service) disableAlarmActions(in wire.Input, _ time.Time) (map[string]any, error) {
	return nil, s.setActions(in, false)
}

// setActions passes over names without an alarm, as the API does, which has no error for them.
func (s *Service) setActions(in wire.Input, enabled bool) error {
	names, err := readNames(in)
	if err != nil {
		return err
	}
	for _, name := range names {
		if a := s.named(name); a != nil {
			a.enabled = enabled
		}
	}
	return nil
}

func readNames(in wire.Input) ([]string, error) {
	names := in.Strings("AlarmNames")
	switch {
	case len(names) == 0:
		return nil, missing("AlarmNames")
	case len(names) > maxNames:
		return nil, invalid("AlarmNames must have at most %d elements, not %d.", maxNames, len(names))
	}
	return names, nil
}
