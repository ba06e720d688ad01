package cloud

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
)

// Active lists the series of a metric that had data in the last three hours (recent), or in the last two weeks. The
// answer is complete, or there is an error. A new metric may take 15 minutes to show (PutMetricData).
func (a *Account) Active(ctx context.Context, namespace, metric string, recent bool) ([]alarm.Series, error) {
	in := &cloudwatch.ListMetricsInput{Namespace: &namespace, MetricName: &metric}
	if recent {
		in.RecentlyActive = types.RecentlyActivePt3h
	}
	var out []alarm.Series
	pages := cloudwatch.NewListMetricsPaginator(a.cw, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the metrics %s %s: %w", namespace, metric, plain(err))
		}
		for _, m := range page.Metrics {
			out = append(out, alarm.Series{Namespace: aws.ToString(m.Namespace), Metric: aws.ToString(m.MetricName), Dimensions: dimensionsOf(m.Dimensions)})
		}
	}
	return out, nil
}

// Topic reads how many subscriptions an SNS topic has. One that does not exist is an answer.
func (a *Account) Topic(ctx context.Context, arn string) (alarm.Topic, error) {
	out, err := call(ctx, a.topics(arn).GetTopicAttributes, &sns.GetTopicAttributesInput{TopicArn: &arn})
	if errors.Is(err, fleet.ErrNotFound) {
		return alarm.Topic{Missing: true}, nil
	}
	if err != nil {
		return alarm.Topic{}, fmt.Errorf("read the topic %s: %w", arn, err)
	}
	var t alarm.Topic
	for name, into := range map[string]*int{"SubscriptionsConfirmed": &t.Confirmed, "SubscriptionsPending": &t.Pending} {
		if *into, err = strconv.Atoi(out.Attributes[name]); err != nil {
			return alarm.Topic{}, fmt.Errorf("read the topic %s: %s is %q", arn, name, out.Attributes[name])
		}
	}
	return t, nil
}

// topics is a client in the topic's own region: the only one that knows it.
func (a *Account) topics(arn string) *sns.Client {
	region := fleet.RegionOf(arn)
	if region == "" {
		region = a.base.Region
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sns[region] == nil {
		a.sns[region] = sns.NewFromConfig(a.guarded("sns", region))
	}
	return a.sns[region]
}
