package config

import (
	"fmt"
	"strings"
)

// capability is something that a value would switch on and this version lacks.
type capability struct {
	path    string // [] stands for an entry of a list
	wanted  func(Config) bool
	what    string             // the value, for the message
	use     string             // the remedy
	entries func(Config) []int // in place of wanted where the path has []: the entries that want it
}

// missing lists what this version lacks; the version that brings a capability
// deletes its row.
var missing = []capability{
	{path: "watch.events.queueUrl", wanted: func(c Config) bool { return c.Watch.Events.QueueURL != "" }, what: "a queue of events", use: "leave events out; every watch.resync polls"},
	{path: "detect.logs.locations[].stream", entries: searched, what: "searching the group, as without a stream,", use: `give a stream, as "{container}/{task}"`},
	{path: "alarms.muteDuringRollout", wanted: func(c Config) bool { return c.Alarms.MuteDuringRollout }, what: "true", use: "use false"},
}

// searched lists the locations whose stream would have to be searched for.
func searched(c Config) []int {
	var out []int
	for i, l := range c.Detect.Logs.Locations {
		if l.Stream == "" && l.Group != "" { // an entry without a group is noted already
			out = append(out, i)
		}
	}
	return out
}

// paths are the fields that want the capability.
func (m capability) paths(c Config) []string {
	var out []string
	switch {
	case m.entries != nil:
		for _, i := range m.entries(c) {
			out = append(out, strings.Replace(m.path, "[]", fmt.Sprintf("[%d]", i), 1))
		}
	case m.wanted(c):
		out = []string{m.path}
	}
	return out
}

func (d *decoder) refuseMissing(c Config) {
	for _, m := range missing {
		for _, path := range m.paths(c) {
			d.problem(d.where(path), path, path+": "+m.what+" is not available in this version", m.use)
		}
	}
}
