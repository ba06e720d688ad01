package cloud

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
)

const (
	maxData    = 1000 // of one PutMetricData call
	maxQueries = 500  // of one GetMetricData call
	statistic  = "Maximum"
)

// PutError is a PutData that did not end well.
type PutError struct {
	Accepted int // so many data, the first ones, were accepted; what became of the next maxData ones is not known
	Err      error
}

// Error says how far it came.
func (e *PutError) Error() string {
	return fmt.Sprintf("put metric data (%d accepted before): %v", e.Accepted, e.Err)
}

// Unwrap gives the *fleet.Fault.
func (e *PutError) Unwrap() error { return e.Err }

// PutData puts the data in their order, 1000 a call, and stops at the first call that fails with a *PutError. Nothing is
// repeated here: PutMetricData has no client token, so a call that failed may have been accepted, and whether to put
// the same again is the caller's decision (Maxima tells what arrived).
func (a *Account) PutData(ctx context.Context, data []alarm.Datum) error {
	accepted := 0
	for part := range slices.Chunk(data, maxData) {
		in := &cloudwatch.PutMetricDataInput{Namespace: aws.String(alarm.Namespace)}
		for _, d := range part {
			in.MetricData = append(in.MetricData, datumOf(d))
		}
		if _, err := call(ctx, a.cw.PutMetricData, in); err != nil {
			return &PutError{accepted, err}
		}
		accepted += len(part)
	}
	return nil
}

func datumOf(d alarm.Datum) types.MetricDatum {
	return types.MetricDatum{
		MetricName: &d.Metric,
		Dimensions: dimensionList(d.Dimensions),
		Timestamp:  &d.At,
		Value:      &d.Value,
		Unit:       types.StandardUnit(d.Unit),
	}
}

// Maxima reads back, for each datum, the maximum that CloudWatch has for its metric and dimensions in its minute; NaN
// where it has none. The answer is complete, or there is an error. What was put less than some minutes ago may not show
// yet.
func (a *Account) Maxima(ctx context.Context, data []alarm.Datum) ([]float64, error) {
	out := make([]float64, len(data))
	byMinute := map[time.Time][]int{} // the indexes
	for i, d := range data {
		out[i] = math.NaN()
		minute := d.At.Truncate(time.Minute)
		byMinute[minute] = append(byMinute[minute], i)
	}
	for minute, of := range byMinute {
		for part := range slices.Chunk(of, maxQueries) {
			if err := a.maxima(ctx, minute, data, part, out); err != nil {
				return nil, fmt.Errorf("read metric data of %s back: %w", minute.UTC().Format(time.RFC3339), err)
			}
		}
	}
	return out, nil
}

// maxima fills out for the data with the indexes of, all of one minute.
func (a *Account) maxima(ctx context.Context, minute time.Time, data []alarm.Datum, of []int, out []float64) error {
	in := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(minute), EndTime: aws.Time(minute.Add(time.Minute))}
	for n, i := range of {
		in.MetricDataQueries = append(in.MetricDataQueries, dataQuery(n, maximumOf(data[i])))
	}
	return a.results(ctx, in, func(q int, r types.MetricDataResult) {
		for _, v := range r.Values {
			if i := of[q]; math.IsNaN(out[i]) || v > out[i] {
				out[i] = v
			}
		}
	})
}

func maximumOf(d alarm.Datum) fleet.Query {
	q := fleet.Query{Metric: fleet.Metric{Namespace: alarm.Namespace, Name: d.Metric}, Statistic: statistic}
	for _, dim := range d.Dimensions {
		q.Dimensions = append(q.Dimensions, fleet.Dimension(dim))
	}
	return q
}
