package dynamodb

import (
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"taskwarden/store"
)

// Conditions on the item in a write's place, with :now in Unix milliseconds.
const (
	isAbsent  = "(attribute_not_exists(pk) OR e <= :now)"
	isVersion = "v = :version AND (attribute_not_exists(e) OR e > :now)"
	// isNotExpired lets a write under store.Any add to the version that is there. Where it fails, an expired item is in the
	// place, and the write has to be made again as a new one.
	isNotExpired = "(attribute_not_exists(pk) OR attribute_not_exists(e) OR e > :now)"
)

// action is one write as a part of a transaction. over says that an expired item was found in the place of a write under
// store.Any.
func (t *Table) action(w store.Write, over bool, now time.Time) types.TransactWriteItem {
	values := attributes{":now": number(now.UnixMilli())}
	condition := isAbsent
	if w.If == store.IfVersion {
		condition, values[":version"] = isVersion, number(w.Version)
	}
	const old = types.ReturnValuesOnConditionCheckFailureAllOld
	switch {
	case w.Delete && w.If == store.Any:
		return types.TransactWriteItem{Delete: &types.Delete{TableName: &t.name, Key: keyOf(w.Kind, w.Key)}}
	case w.Delete:
		return types.TransactWriteItem{Delete: &types.Delete{TableName: &t.name, Key: keyOf(w.Kind, w.Key),
			ConditionExpression: &condition, ExpressionAttributeValues: values, ReturnValuesOnConditionCheckFailure: old}}
	case w.If == store.Any && !over:
		return types.TransactWriteItem{Update: t.increment(w, values)}
	}
	item := keyOf(w.Kind, w.Key)
	item[versionName] = number(uint64(1))
	if w.If == store.IfVersion {
		item[versionName] = number(w.Version + 1)
	}
	if len(w.Body) > 0 {
		item[bodyName] = &types.AttributeValueMemberB{Value: w.Body}
	}
	maps.Copy(item, expiry(w.Expires))
	return types.TransactWriteItem{Put: &types.Put{TableName: &t.name, Item: item,
		ConditionExpression: &condition, ExpressionAttributeValues: values, ReturnValuesOnConditionCheckFailure: old}}
}

// increment puts the whole item with one more than the version that is there, without reading it first.
func (t *Table) increment(w store.Write, values attributes) *types.Update {
	set, remove := "SET v = if_not_exists(v, :zero) + :one", ""
	values[":zero"], values[":one"] = number(0), number(1)
	put := func(name, placeholder string, v types.AttributeValue) {
		if v == nil {
			if remove == "" {
				remove = " REMOVE " + name
			} else {
				remove += ", " + name
			}
			return
		}
		set += ", " + name + " = " + placeholder
		values[placeholder] = v
	}
	var body types.AttributeValue
	if len(w.Body) > 0 {
		body = &types.AttributeValueMemberB{Value: w.Body}
	}
	when := expiry(w.Expires)
	put(bodyName, ":b", body)
	put(expiresName, ":e", when[expiresName])
	put("#ttl", ":ttl", when[TTL])
	return &types.Update{
		TableName: &t.name, Key: keyOf(w.Kind, w.Key), UpdateExpression: aws.String(set + remove),
		ExpressionAttributeNames: map[string]string{"#ttl": TTL}, ExpressionAttributeValues: values, ConditionExpression: aws.String(isNotExpired),
	}
}

// fenced demands that epoch is the last owner's.
func (t *Table) fenced(epoch uint64) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &t.name, Key: own(fenceKey), ConditionExpression: aws.String("n = :epoch"),
		ExpressionAttributeValues: attributes{":epoch": number(epoch)}, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
}
