package dynamodb

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"taskwarden/store/lease"
)

// The attributes of the table's items.
const (
	// PartitionKey is the name of the table's partition key, a string (S).
	PartitionKey = "pk"
	// SortKey is the name of the table's sort key, binary (B).
	SortKey = "sk"
	// TTL is the attribute to name when TTL is switched on for the table: seconds since 1970.
	TTL = "ttl"

	versionName = "v"
	bodyName    = "b"
	expiresName = "e"
	numberName  = "n" // of items that are the store's own
)

// Partitions and sort keys of the store's own items.
const (
	storePartition = "_store"
	kindsPartition = "_kinds"
	schemaKey      = "schema"
	leaseKey       = "lease"
	fenceKey       = "fence"
)

// schemaVersion is the layout that this program reads and writes.
const schemaVersion = 1

// wanted follows what is said of a table that is missing or another's.
const wanted = "taskwarden needs a table with the partition key " + PartitionKey + " (type S) and the sort key " + SortKey +
	" (type B), billed on demand, with TTL on the attribute " + TTL + " and point-in-time recovery: docs/store.md has the command"

// ErrUnfit says that the table is there and cannot be used.
var ErrUnfit = fmt.Errorf("the table %w", lease.ErrUnfit)

// Actions are the IAM actions on the table that this package needs, in order. TransactWriteItems has none of its own: it
// needs those of its parts.
func Actions() []string {
	return []string{
		"dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable",
		"dynamodb:DescribeTimeToLive", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
	}
}

// fit refuses a table that is not made for this.
func fit(d *types.TableDescription) error {
	if d == nil {
		return fmt.Errorf("%w: nothing is said of it", ErrUnfit)
	}
	if d.TableStatus != types.TableStatusActive && d.TableStatus != types.TableStatusUpdating {
		return fmt.Errorf("%w: its status is %s: wait until it is ACTIVE", ErrUnfit, d.TableStatus)
	}
	kinds := map[string]types.ScalarAttributeType{}
	for _, a := range d.AttributeDefinitions {
		kinds[*a.AttributeName] = a.AttributeType
	}
	has := ""
	for _, k := range d.KeySchema {
		has += fmt.Sprintf(" %s %s %s", k.KeyType, *k.AttributeName, kinds[*k.AttributeName])
	}
	if want := " HASH " + PartitionKey + " S RANGE " + SortKey + " B"; has != want {
		return fmt.Errorf("%w: its key schema is%s: it is another program's; %s", ErrUnfit, has, wanted)
	}
	return nil
}

// known refuses a layout that is newer than this program; without a record there is none yet.
func known(schema attributes) error {
	if schema == nil {
		return nil
	}
	switch version, err := uintOf(schema, numberName); {
	case err != nil:
		return fmt.Errorf("%w: its schema record: %w", ErrUnfit, err)
	case version > schemaVersion:
		return fmt.Errorf("%w: its schema is %d, this program knows up to %d: run the newer taskwarden", ErrUnfit, version, schemaVersion)
	}
	return nil
}
