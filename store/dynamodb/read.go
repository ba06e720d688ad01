package dynamodb

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"taskwarden/store"
)

// Get is store.Store's.
func (s *Store) Get(ctx context.Context, kind, key string) (store.Item, error) {
	if err := store.ValidateKey(kind, key); err != nil {
		return store.Item{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Item{}, fmt.Errorf("get %s %q: %w", kind, key, err)
	}
	defer s.calls.Done()
	found, err := s.table.get(ctx, keyOf(kind, key))
	if err != nil {
		return store.Item{}, fmt.Errorf("get %s %q: %w", kind, key, err)
	}
	r, err := decode(kind, found)
	if err != nil {
		return store.Item{}, err
	}
	if !r.live(s.table.now()) {
		return store.Item{}, fmt.Errorf("get %s %q: %w", kind, key, store.ErrNotFound)
	}
	return r.item(kind), nil
}

// Range is store.Store's.
func (s *Store) Range(ctx context.Context, kind, prefix, after string, limit int) ([]store.Item, error) {
	limit, err := store.ValidateRange(kind, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, fmt.Errorf("range over %s: %w", kind, err)
	}
	defer s.calls.Done()
	items, err := s.table.scan(ctx, kind, prefix, after, limit)
	if err != nil {
		return nil, fmt.Errorf("range over %s from %q after %q: %w", kind, prefix, after, err)
	}
	return items, nil
}

// Kinds is store.Store's.
func (s *Store) Kinds(ctx context.Context) ([]string, error) {
	if err := s.enter(ctx); err != nil {
		return nil, fmt.Errorf("list kinds: %w", err)
	}
	defer s.calls.Done()
	var kinds []string
	for pages := dynamodb.NewQueryPaginator(s.table.db, s.table.partition(kindsPartition)); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list kinds: %w", s.table.explain("Query", err))
		}
		for _, a := range page.Items {
			if sk, ok := a[SortKey].(*types.AttributeValueMemberB); ok {
				kinds = append(kinds, string(sk.Value))
			}
		}
	}
	return kinds, nil
}

// partition asks for all that a partition holds.
func (t *Table) partition(pk string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{TableName: &t.name, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: attributes{":pk": text(pk)}}
}

// pageLimit bounds how many items one Query is asked to look at; DynamoDB ends a page at 1 MB by itself.
const pageLimit = 1000

// scan reads page after page until limit live items are there or no more come. What has expired is left out by DynamoDB and
// still counts towards a page, so pages grow where many have.
func (t *Table) scan(ctx context.Context, kind, prefix, after string, limit int) ([]store.Item, error) {
	condition, values, some := span(prefix, after)
	if !some {
		return nil, nil
	}
	now := t.now()
	values[":pk"], values[":now"] = text(kind), number(now.UnixMilli())
	in := &dynamodb.QueryInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk" + condition),
		FilterExpression: aws.String("attribute_not_exists(e) OR e > :now"), ExpressionAttributeValues: values,
	}
	var items []store.Item
	for page := min(limit, pageLimit); ; page = min(2*page, pageLimit) {
		in.Limit = aws.Int32(int32(page))
		out, err := t.db.Query(ctx, in)
		if err != nil {
			return nil, t.explain("Query", err)
		}
		for _, a := range out.Items {
			r, err := decode(kind, a)
			if err != nil {
				return nil, err
			}
			if !strings.HasPrefix(r.key, prefix) { // the one key that the upper bound lets through
				continue
			}
			if items = append(items, r.item(kind)); len(items) == limit {
				return items, nil
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return items, nil
		}
	}
}

// span is the condition on the sort key for keys that begin with prefix and are greater than after; some is false where
// there can be none. A key condition takes one comparison, so the bounds are one BETWEEN, which includes both ends: the
// lower is the first key after after, the upper is one that does not begin with prefix.
func span(prefix, after string) (condition string, values attributes, some bool) {
	switch {
	case prefix == "" && after == "":
		return "", attributes{}, true
	case after < prefix:
		return " AND begins_with(sk, :from)", attributes{":from": binary(prefix)}, true
	case !strings.HasPrefix(after, prefix):
		return "", nil, false
	}
	from := after + "\x00"
	if end, bounded := successor(prefix); bounded {
		return " AND sk BETWEEN :from AND :end", attributes{":from": binary(from), ":end": binary(end)}, true
	}
	return " AND sk >= :from", attributes{":from": binary(from)}, true
}

// successor is the first string after all that begin with prefix; false where there is none.
func successor(prefix string) (string, bool) {
	b := []byte(prefix)
	for len(b) > 0 && b[len(b)-1] == 0xff {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return "", false
	}
	b[len(b)-1]++
	return string(b), true
}
