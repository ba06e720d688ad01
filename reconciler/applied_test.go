package reconciler

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/alarm"
)

// Records of earlier versions say which actions are ours without the list, or not at all.
func TestRecordsOfWrittenAlarms(t *testing.T) {
	for record, want := range map[string]*alarm.Actions{
		`{"Hash":"x","Own":{"Alarm":["a"],"OK":null}}`:                {Alarm: []string{"a"}},
		`{"Hash":"x","Own":{"Alarm":null,"OK":null},"Actions":["b"]}`: {},
		`{"Hash":"x","Actions":["a","b"]}`:                            {Alarm: []string{"a", "b"}, OK: []string{"a", "b"}},
		`{"Hash":"x","Actions":[]}`:                                   {Alarm: []string{}, OK: []string{}},
		`{"Hash":"x","Actions":null}`:                                 nil,
		`{"Hash":"x"}`:                                                nil,
	} {
		var a applied
		if err := json.Unmarshal([]byte(record), &a); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, a.own()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", record, diff)
		}
	}
}
