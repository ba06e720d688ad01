package alarm

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"unicode/utf8"
)

// nameLimit is CloudWatch's limit for an alarm name, in characters (PutMetricAlarm, AlarmName).
const nameLimit = 255

// NamePrefix is what the names of every controller's alarms begin with.
const NamePrefix = "taskwarden/"

// Prefix is what the names of all alarms of an owner begin with.
func Prefix(owner string) string { return NamePrefix + url.PathEscape(owner) + "/" }

// Name is the name of an alarm: taskwarden/<owner>/<target>/<kind>[/<cluster>[/<service>]]. Parts are escaped so that
// no two collide; a name that would be too long is cut and ends in 8 hex digits of the sha256 of the whole.
func Name(owner, target string, kind Kind, more ...string) string {
	parts := []string{Prefix(owner) + url.PathEscape(target), url.PathEscape(string(kind))}
	for _, m := range more {
		parts = append(parts, url.PathEscape(m))
	}
	name := strings.Join(parts, "/")
	if utf8.RuneCountInString(name) <= nameLimit {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:nameLimit-9] + "-" + hex.EncodeToString(sum[:4]) // escaped names are ASCII: bytes are characters
}
