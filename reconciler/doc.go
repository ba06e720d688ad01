// Package reconciler is the loop: it keeps a view of every target, judges each service of it, records what was concluded,
// and tells CloudWatch.
//
// It is level-triggered. A sweeper per target fills the view; two kinds of passes work from it:
//
//	service pass, key target/cluster/service   Observation + Memory -> Decide -> Decision -> Book.Record
//	target pass,  key target                   findings -> gauges, counters, heartbeat, alarms
//
// A pass works from what is, not from what happened, so a missed event costs time and never correctness. Decide is
// pure: values in, values out. Nothing here knows the AWS SDK: package cloud stands behind the ports below.
package reconciler

import (
	"context"
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
)

// Observer looks at one target. Its errors are *fleet.Fault where AWS answered.
type Observer interface {
	// Sweep looks at every watched cluster and visits each with what was read of it, also where that is not all.
	Sweep(ctx context.Context, visit func(fleet.Cluster)) fleet.Sweep
	// Definition reads one task definition revision.
	Definition(ctx context.Context, arn string) (fleet.Definition, error)
	// Insights reads the setting containerInsights of clusters by name.
	Insights(ctx context.Context, clusters []string) (map[string]string, error)
	// Metrics lists the metrics with these dimensions (one without a value: any) that had data in the last three hours.
	Metrics(ctx context.Context, like fleet.Metric) ([]fleet.Metric, error)
	// Series reads each query minute by minute in [from, to), in the order of the queries: all of it, or an error.
	Series(ctx context.Context, queries []fleet.Query, from, to time.Time) ([][]fleet.Point, error)
	// Tail reads the last lines of a log stream between two times.
	Tail(ctx context.Context, ref fleet.LogRef, from, to time.Time, lines int) (fleet.Tail, error)
}

// CloudWatch is one account and region's metrics and alarms.
type CloudWatch interface {
	AlarmWriter
	// Alarms lists all alarms, those that tagged picks with their tags: all of them, or an error.
	Alarms(ctx context.Context, tagged func(name string) bool) ([]alarm.Have, error)
	// Active lists the series of a metric that had data in the last three hours (recent), or in two weeks.
	Active(ctx context.Context, namespace, metric string, recent bool) ([]alarm.Series, error)
	// Topic reads whom an SNS topic reaches. One that does not exist is an answer.
	Topic(ctx context.Context, arn string) (alarm.Topic, error)
	// PutData sends data once, without retries: after an error it is not known whether they were accepted.
	PutData(ctx context.Context, data []alarm.Datum) error
	// Maxima reads back the maximum of each datum's metric in its minute; NaN where there is none.
	Maxima(ctx context.Context, data []alarm.Datum) ([]float64, error)
}

// AlarmWriter is the one way to change an alarm. Planning only uses a writer that refuses.
type AlarmWriter interface {
	// PutAlarm makes an alarm with tags, or repairs the one that was read; one that is not as it was read stays as it is.
	PutAlarm(ctx context.Context, spec alarm.Spec, was *alarm.Have, tags map[string]string) error
	TagAlarm(ctx context.Context, arn string, tags map[string]string) error
	// DeleteAlarm deletes the alarm if its owner tag, read at that moment, is the owner.
	DeleteAlarm(ctx context.Context, name, arn, owner string) error
}

// Target is one account and region to watch.
type Target struct {
	Name       string
	Observer   Observer
	CloudWatch CloudWatch
	Deployer   Deployer // needed where remediation is not off
	Registry   Registry // nil: only images pinned by digest are known to stay
	Actions    alarm.Actions
	Overlap    string // why services that its scope names are left to another target; "": none are
}
