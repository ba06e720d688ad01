package account

import (
	"strconv"
	"strings"

	"taskwarden/test/account/wire"
)

// Topic is an SNS topic as alarms know it. Nothing is delivered.
type Topic struct {
	Confirmed int // subscriptions that were confirmed
	Pending   int // that were not
}

// SetTopic makes the topic with the ARN, or changes it. A topic that was never made is not found.
func (a *Account) SetTopic(arn string, t Topic) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.topics[arn] = t
}

// DeleteTopic deletes a topic; the alarms that notify it do not change.
func (a *Account) DeleteTopic(arn string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.topics, arn)
}

// getTopicAttributes answers the attributes that tell of subscriptions (SNS API reference, GetTopicAttributes).
func getTopicAttributes(a *Account, in wire.Input) (map[string]any, error) {
	arn := in.String("TopicArn")
	if !strings.HasPrefix(arn, "arn:") || strings.Count(arn, ":") != 5 {
		return nil, wire.Bad("InvalidParameter", "Invalid parameter: TopicArn")
	}
	t, ok := a.topics[arn]
	if !ok {
		return nil, &wire.Error{Code: "NotFound", Status: 404, Message: "Topic does not exist"}
	}
	return map[string]any{"Attributes": wire.Entries{
		"TopicArn": arn, "Owner": a.accountID,
		"SubscriptionsConfirmed": strconv.Itoa(t.Confirmed), "SubscriptionsPending": strconv.Itoa(t.Pending), "SubscriptionsDeleted": "0",
	}}, nil
}
