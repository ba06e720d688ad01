// Package dynamodb is the store.Store that replicas share: one DynamoDB table, of which one process at a time is the owner.
//
// Layout. The partition key pk (string) is the kind, the sort key sk (binary, ordered bytewise by DynamoDB) is the key. An
// item carries v, its version; b, its body; and, where it expires, e, the instant in Unix milliseconds, and ttl, the same
// in seconds, rounded up, for DynamoDB's own deletion. A partition key may get a suffix #n should one kind ever need more
// than one partition's capacity: kinds are of [a-z-], so neither that nor a name with an underscore meets one.
//
//	pk _store, sk schema   n: version of this layout
//	pk _store, sk lease    who owns the table, see package lease; renewed every few seconds
//	pk _store, sk fence    n: the epoch of the last owner, t: the token of its take; written with each takeover
//	pk _kinds, sk <kind>   a kind that was ever written, so that they can be listed without a scan
//
// Writes. All commits that wait go together into one TransactWriteItems, one such call at a time, each with a condition on
// the fence: what a process commits that is no longer the owner fails with store.ErrFenced and changes nothing. Lease and
// fence are two items, so that renewals and commits never stand in each other's way. A commit of one item is a transaction
// too: its client token makes a repeat by the SDK harmless, where a repeated conditional PutItem would read as a conflict.
//
// Reads are strongly consistent. Expiry is judged by this process's clock, in conditions as well as in reads; nothing depends
// on when, or whether, DynamoDB deletes what has expired.
package dynamodb
