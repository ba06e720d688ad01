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
)

// Read implements lease.Register.
func (r register) Read(ctx context.Context) (lease.Claim, error) {
	a, err := r.get(ctx, own(leaseKey))
	if err != nil || a == nil {
		return lease.Claim{}, err
	}
	var c lease.Claim
	var errs [3]error
	var ms uint64
	c.Epoch, errs[0] = uintOf(a, claimEpoch)
	c.Beat, errs[1] = uintOf(a, claimBeat)
	ms, errs[2] = uintOf(a, claimLasts)
	c.ID, c.Holder, c.Lasts = stringOf(a, claimID), stringOf(a, claimHolder), time.Duration(ms)*time.Millisecond
	if err := errors.Join(errs[:]...); err != nil {
		return c, fmt.Errorf("the lease of table %s: %w", r.name, err)
	}
	return c, nil
}

func stringOf(a attributes, name string) string {
	s, _ := a[name].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// Renew implements lease.Register. A repeat after a lost answer counts twice, which does no harm.
func (r register) Renew(ctx context.Context, epoch uint64) error {
	_, err := r.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &r.name, Key: own(leaseKey), UpdateExpression: aws.String("SET b = b + :one"), ConditionExpression: aws.String("n = :epoch"),
		ExpressionAttributeValues: attributes{":one": number(1), ":epoch": number(epoch)},
	})
	return r.changed("UpdateItem", err)
}

// GiveBack implements lease.Register.
func (r register) GiveBack(ctx context.Context, epoch uint64) error {
	_, err := r.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &r.name, Key: own(leaseKey), UpdateExpression: aws.String("REMOVE h"), ConditionExpression: aws.String("n = :epoch"),
		ExpressionAttributeValues: attributes{":epoch": number(epoch)},
	})
	return r.changed("UpdateItem", err)
}

// Take implements lease.Register: lease and fence in one transaction, so that there is no moment in which the old owner is
// replaced and can still commit.
func (r register) Take(ctx context.Context, was, is lease.Claim) error {
	item := own(leaseKey)
	item[claimID], item[claimHolder] = text(is.ID), text(is.Holder)
	item[claimEpoch], item[claimBeat], item[claimLasts] = number(is.Epoch), number(is.Beat), number(is.Lasts.Milliseconds())
	put := &types.Put{TableName: &r.name, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)")}
	if was.Epoch > 0 {
		put.ConditionExpression = aws.String("n = :epoch AND b = :beat")
		put.ExpressionAttributeValues = attributes{":epoch": number(was.Epoch), ":beat": number(was.Beat)}
	}
	fence := own(fenceKey)
	fence[numberName] = number(is.Epoch)
	_, err := r.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: put},
		{Put: &types.Put{TableName: &r.name, Item: fence, ConditionExpression: aws.String("attribute_not_exists(pk) OR n < :epoch"),
			ExpressionAttributeValues: attributes{":epoch": number(is.Epoch)}}},
	}})
	return r.changed("TransactWriteItems", err)
}

// changed makes a condition that did not hold lease.ErrChanged.
func (r register) changed(operation string, err error) error {
	if _, failed := errors.AsType[*types.ConditionalCheckFailedException](err); failed {
		return lease.ErrChanged
	}
	if c, canceled := errors.AsType[*types.TransactionCanceledException](err); canceled {
		for _, reason := range c.CancellationReasons {
			if code(reason) == reasonCondition {
				return lease.ErrChanged
			}
		}
	}
	return r.explain(operation, err)
}
