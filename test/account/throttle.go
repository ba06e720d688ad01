package account

import (
	"time"

	"taskwarden/test/account/wire"
)

// rate is a token bucket of AWS: so many calls at once, so many more a second.
type rate struct{ burst, refill float64 }

// buckets are the documented limits per account and region that actions share (ECS API reference, request throttling;
// CloudWatch user guide, limits; CloudWatch Logs user guide, limits). An action that is in none is not limited here.
var buckets = map[string]struct {
	rate
	actions []string
}{
	"cluster read":           {rate{50, 20}, []string{"ecs:DescribeClusters", "ecs:ListClusters"}},
	"cluster resource read":  {rate{100, 20}, []string{"ecs:DescribeTasks", "ecs:ListTasks"}},
	"service read":           {rate{100, 20}, []string{"ecs:DescribeServices", "ecs:ListServices"}},
	"service modify":         {rate{50, 5}, []string{"ecs:UpdateService"}},
	"task definition modify": {rate{20, 1}, []string{"ecs:RegisterTaskDefinition", "ecs:DeregisterTaskDefinition"}},
	"task definition read":   {rate{50, 20}, []string{"ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"}},
	"service deployment":     {rate{50, 20}, []string{"ecs:DescribeServiceDeployments", "ecs:ListServiceDeployments"}},
	"service revision":       {rate{50, 20}, []string{"ecs:DescribeServiceRevisions"}},
	"cluster modify":         {rate{100, 40}, []string{"ecs:StopTask"}},
	"tag read":               {rate{50, 20}, []string{"ecs:ListTagsForResource"}},
	"PutMetricAlarm":         {rate{3, 3}, []string{"cloudwatch:PutMetricAlarm"}},
	"DescribeAlarms":         {rate{9, 9}, []string{"cloudwatch:DescribeAlarms"}},
	"DeleteAlarms":           {rate{3, 3}, []string{"cloudwatch:DeleteAlarms"}},
	"alarm tags":             {rate{10, 10}, []string{"cloudwatch:ListTagsForResource"}},
	"ListMetrics":            {rate{25, 25}, []string{"cloudwatch:ListMetrics"}},
	"GetLogEvents":           {rate{25, 25}, []string{"logs:GetLogEvents"}},
	"FilterLogEvents":        {rate{10, 10}, []string{"logs:FilterLogEvents"}},
	"DescribeLogStreams":     {rate{25, 25}, []string{"logs:DescribeLogStreams"}},
}

// level is how full a bucket is.
type level struct {
	tokens float64
	at     time.Time
}

// Throttle has the account enforce AWS's documented request limits from now on; every bucket starts full. What is over them
// is answered with ThrottlingException "Rate exceeded" and not applied.
func (a *Account) Throttle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.levels = map[string]*level{}
}

// throttled takes a token for a call; nil: there was one, or the account does not throttle.
func (a *Account) throttled(req wire.Request) *wire.Error {
	name, ok := bucketOf[req.Service+":"+req.Op]
	if !ok || a.levels == nil {
		return nil
	}
	r, l := buckets[name].rate, a.levels[name]
	if l == nil {
		l = &level{r.burst, a.now}
		a.levels[name] = l
	}
	l.tokens = min(r.burst, l.tokens+a.now.Sub(l.at).Seconds()*r.refill)
	l.at = a.now
	if l.tokens < 1 {
		return wire.Bad("ThrottlingException", "Rate exceeded")
	}
	l.tokens--
	return nil
}

// bucketOf finds an action's bucket.
var bucketOf = func() map[string]string {
	of := map[string]string{}
	for name, b := range buckets {
		for _, action := range b.actions {
			of[action] = name
		}
	}
	return of
}()
