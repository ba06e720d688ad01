package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"taskwarden/store/lease"
)

// register keeps the lease's claim in the table.
type register struct{ *Table }

// Attributes of the claim.
const (
	claimID     = "id"
	claimHolder = "h"
	claimEpoch  = "n"
	claimBeat   = "b"
	claimLasts  = "ms"
	claimToken  = "t" // of the fence, too
	claimNote   = "c"
)

// Read implements lease.Register: the store's own items in one Query, which costs no more than one of them. A layout that this
// program does not know is lease.ErrUnfit.
func (r register) Read(ctx context.Context) (lease.Claim, error) {
	own, err := r.ownItems(ctx)
	if err != nil {
		return lease.Claim{}, err
	}
	c, err := claimOf(own[leaseKey])
	if err != nil {
		return c, fmt.Errorf("the lease of table %s (pk %s, sk %s): %w", r.name, storePartition, leaseKey, err)
	}
	fence := own[fenceKey]
	if fence != nil {
		if c.Fence, err = uintOf(fence, numberName); err != nil {
			return c, fmt.Errorf("the fence of table %s (pk %s, sk %s): %w", r.name, storePartition, fenceKey, err)
		}
	}
	if own[leaseKey] == nil {
		c.Token = stringOf(fence, claimToken)
		c.Deleted = fence != nil || own[schemaKey] != nil // only an owner writes them
	}
	return c, nil
}

// ownItems are the store's own items by sort key, where this program knows the layout.
func (r register) ownItems(ctx context.Context) (map[string]attributes, error) {
	out, err := r.db.Query(ctx, r.partition(storePartition))
	if err != nil {
		return nil, r.explain("Query", err)
	}
	own := map[string]attributes{}
	for _, a := range out.Items {
		if sk, ok := a[SortKey].(*types.AttributeValueMemberB); ok {
			own[string(sk.Value)] = a
		}
	}
	return own, known(own[schemaKey])
}

// claimOf reads the lease's item; none is the zero value.
func claimOf(a attributes) (c lease.Claim, err error) {
	if a == nil {
		return c, nil
	}
	var errs [3]error
	var ms uint64
	c.Epoch, errs[0] = uintOf(a, claimEpoch)
	c.Beat, errs[1] = uintOf(a, claimBeat)
	ms, errs[2] = uintOf(a, claimLasts)
	c.ID, c.Holder, c.Lasts = stringOf(a, claimID), stringOf(a, claimHolder), time.Duration(ms)*time.Millisecond
	c.Token, c.Note = stringOf(a, claimToken), stringOf(a, claimNote)
	return c, errors.Join(errs[:]...)
}

func stringOf(a attributes, name string) string {
	s, _ := a[name].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// Renew implements lease.Register. A repeat after a lost answer counts twice, which does no harm.
func (r register) Renew(ctx context.Context, epoch uint64, note string) error {
	return r.update(ctx, epoch, "SET b = b + :one, c = :note", attributes{":one": number(1), ":note": text(note)})
}

// GiveBack implements lease.Register.
func (r register) GiveBack(ctx context.Context, epoch uint64) error {
	return r.update(ctx, epoch, "REMOVE h", attributes{})
}

// update changes the lease while epoch is its owner's.
func (r register) update(ctx context.Context, epoch uint64, expression string, values attributes) error {
	values[":epoch"] = number(epoch)
	_, err := r.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &r.name, Key: own(leaseKey), UpdateExpression: &expression, ConditionExpression: aws.String("n = :epoch"),
		ExpressionAttributeValues: values, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		if len(failed.Item) == 0 {
			return fmt.Errorf("%w: table %s, pk %s, sk %s", lease.ErrDeleted, r.name, storePartition, leaseKey)
		}
		return lease.ErrChanged
	}
	return r.explain("UpdateItem", err)
}

// Take implements lease.Register: lease, fence and layout in one transaction. So there is no moment in which the old owner is
// replaced and can still commit, and only an owner raises the layout's version.
func (r register) Take(ctx context.Context, was, is lease.Claim) error {
	item := own(leaseKey)
	item[claimID], item[claimHolder], item[claimToken], item[claimNote] = text(is.ID), text(is.Holder), text(is.Token), text(is.Note)
	item[claimEpoch], item[claimBeat], item[claimLasts] = number(is.Epoch), number(is.Beat), number(is.Lasts.Milliseconds())
	put := &types.Put{TableName: &r.name, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)")}
	if was.Epoch > 0 {
		put.ConditionExpression = aws.String("n = :epoch AND b = :beat")
		put.ExpressionAttributeValues = attributes{":epoch": number(was.Epoch), ":beat": number(was.Beat)}
	}
	fence, schema := own(fenceKey), own(schemaKey)
	fence[numberName], fence[claimToken] = number(is.Epoch), text(is.Token)
	schema[numberName] = number(schemaVersion)
	_, err := r.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: put},
		{Put: &types.Put{TableName: &r.name, Item: fence, ConditionExpression: aws.String("attribute_not_exists(pk) OR n < :epoch"),
			ExpressionAttributeValues: attributes{":epoch": number(is.Epoch)}}},
		{Put: &types.Put{TableName: &r.name, Item: schema, ConditionExpression: aws.String("attribute_not_exists(pk) OR n <= :known"),
			ExpressionAttributeValues: attributes{":known": number(schemaVersion)}}},
	}})
	// Another process that took it, or a newer layout: the next look says which.
	if c, canceled := errors.AsType[*types.TransactionCanceledException](err); canceled {
		for _, reason := range c.CancellationReasons {
			if code(reason) == reasonCondition {
				return lease.ErrChanged
			}
		}
	}
	return r.explain("TransactWriteItems", err)
}
