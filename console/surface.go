package console

import (
	"taskwarden/reconciler"
	"taskwarden/reconciler/finding"
)

// What follows gives the API's items to whoever shows the same things elsewhere, so that a field has one name everywhere.

// FindingItem is a finding as the API shows it, but for its causeId: that takes all findings of the target.
func FindingItem(f finding.Finding) Finding { return findingOf(f, "") }

// StopItem is a recorded stop as the API shows it.
func StopItem(r reconciler.Recorded) Stop { return stopOf(r) }

// AlarmItem is a wanted alarm as the API shows it.
func AlarmItem(a reconciler.AlarmReport) Alarm { return alarmOf(a) }
