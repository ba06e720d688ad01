package faulty

import (
	"bytes"
	"encoding/json"
)

// Units are capacity units as AWS bills them.
type Units struct {
	Reads, Writes float64
	Calls         map[string]int
}

// measured are the operations that say what they consume.
var measured = map[string]bool{
	"GetItem": true, "Query": true, "PutItem": true, "UpdateItem": true, "DeleteItem": true, "TransactWriteItems": true,
}

// metered asks for what a call consumes.
func metered(op string, body []byte) []byte {
	if !measured[op] || len(body) == 0 || body[0] != '{' || bytes.Contains(body, []byte(`"ReturnConsumedCapacity"`)) {
		return body
	}
	return append([]byte(`{"ReturnConsumedCapacity":"TOTAL",`), body[1:]...)
}

// add counts what an answer says. DynamoDB Local counts the writes of a transaction once; AWS bills twice as many, one to prepare
// and one to commit each of them (developer guide, "Capacity management for transactions").
func (u *Units) add(op string, body []byte) {
	if u.Calls == nil {
		u.Calls = map[string]int{}
	}
	u.Calls[op]++
	var said struct {
		ConsumedCapacity json.RawMessage
	}
	if json.Unmarshal(body, &said) != nil || len(said.ConsumedCapacity) == 0 {
		return
	}
	type consumed struct{ CapacityUnits float64 }
	var all []consumed
	if said.ConsumedCapacity[0] == '{' {
		all = make([]consumed, 1)
		_ = json.Unmarshal(said.ConsumedCapacity, &all[0]) // what cannot be read counts nothing
	} else {
		_ = json.Unmarshal(said.ConsumedCapacity, &all)
	}
	for _, c := range all {
		switch op {
		case "GetItem", "Query":
			u.Reads += c.CapacityUnits
		case "TransactWriteItems":
			u.Writes += 2 * c.CapacityUnits
		default:
			u.Writes += c.CapacityUnits
		}
	}
}
