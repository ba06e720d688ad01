package reconciler

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Forms of an id in a record. Ids of tasks, and of containers on EC2, are hexadecimal digits; on Fargate a container's is its
// task's, a dash and a number. Any other text is kept as it is.
const (
	idText     byte = iota // length, bytes
	idHex                  // number of bytes, bytes
	idNumbered             // how many digits are behind the task's id and a dash, their value
)

// appendID appends a text, in the shortest of the forms that gives it back to the letter. task is the id of the task whose container
// it is; "": none.
func appendID(raw []byte, text, task string) []byte {
	if digits, ok := strings.CutPrefix(text, task+"-"); ok && task != "" {
		if n, err := strconv.ParseUint(digits, 10, 64); err == nil { // digits alone: a sign is an error
			return binary.AppendUvarint(binary.AppendUvarint(append(raw, idNumbered), uint64(len(digits))), n)
		}
	}
	if b, err := hex.DecodeString(text); err == nil && hex.EncodeToString(b) == text {
		return append(binary.AppendUvarint(append(raw, idHex), uint64(len(b))), b...)
	}
	return append(binary.AppendUvarint(append(raw, idText), uint64(len(text))), text...)
}

// appendTime appends a time; it comes back in UTC, as AWS tells times.
func appendTime(raw []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(raw, t.Unix()), uint64(t.Nanosecond()))
}

// taskRecord reads what was appended, in the same order.
type taskRecord []byte

func (r *taskRecord) uvarint() uint64 {
	n, size := binary.Uvarint(*r)
	*r = (*r)[size:]
	return n
}

func (r *taskRecord) varint() int64 {
	n, size := binary.Varint(*r)
	*r = (*r)[size:]
	return n
}

func (r *taskRecord) time() time.Time {
	seconds := r.varint()
	return time.Unix(seconds, int64(r.uvarint())).UTC()
}

// id reads a text; task is as it was for appendID.
func (r *taskRecord) id(task string) string {
	form := (*r)[0]
	*r = (*r)[1:]
	n := r.uvarint()
	if form == idNumbered {
		digits := strconv.FormatUint(r.uvarint(), 10)
		return task + "-" + strings.Repeat("0", int(n)-len(digits)) + digits
	}
	b := (*r)[:n]
	*r = (*r)[n:]
	if form == idHex {
		return hex.EncodeToString(b)
	}
	return string(b)
}
