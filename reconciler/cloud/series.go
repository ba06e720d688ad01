package cloud

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"taskwarden/reconciler/fleet"
)

// queryPrefix and a query's index are its id, which must begin with a letter.
const queryPrefix = "m"

// clustersACall is what one DescribeClusters call takes (Amazon ECS API reference).
const clustersACall = 100

// Series reads each query period by period in [from, to), oldest first; a period without a datum has no point. The answer
// has the order of the queries and is complete, or there is an error. CloudWatch bills each query, whatever it answers.
func (a *Account) Series(ctx context.Context, queries []fleet.Query, from, to time.Time) ([][]fleet.Point, error) {
	out := make([][]fleet.Point, 0, len(queries))
	for part := range slices.Chunk(queries, maxQueries) {
		series, err := a.series(ctx, part, from, to)
		if err != nil {
			return nil, fmt.Errorf("read metric data: %w", err)
		}
		out = append(out, series...)
	}
	return out, nil
}

func (a *Account) series(ctx context.Context, queries []fleet.Query, from, to time.Time) ([][]fleet.Point, error) {
	in := &cloudwatch.GetMetricDataInput{StartTime: &from, EndTime: &to}
	for i, q := range queries {
		in.MetricDataQueries = append(in.MetricDataQueries, dataQuery(i, q))
	}
	found := make([]map[time.Time]float64, len(queries)) // a page may repeat what another had
	err := a.results(ctx, in, func(i int, r types.MetricDataResult) {
		if found[i] == nil {
			found[i] = map[time.Time]float64{}
		}
		for n := range min(len(r.Values), len(r.Timestamps)) {
			found[i][r.Timestamps[n].UTC()] = r.Values[n]
		}
	})
	if err != nil {
		return nil, err
	}
	out := make([][]fleet.Point, len(queries))
	for i, points := range found {
		for _, at := range slices.SortedFunc(maps.Keys(points), time.Time.Compare) {
			out[i] = append(out[i], fleet.Point{At: at, Value: points[at]})
		}
	}
	return out, nil
}

// results reads all pages and gives each result to each, with its query's index. Anything but a complete answer to every
// query is an error.
func (a *Account) results(ctx context.Context, in *cloudwatch.GetMetricDataInput, each func(int, types.MetricDataResult)) error {
	states := map[string]types.StatusCode{}
	pages := cloudwatch.NewGetMetricDataPaginator(a.cw, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return plain(err)
		}
		for _, r := range page.MetricDataResults {
			id := aws.ToString(r.Id)
			i, err := strconv.Atoi(strings.TrimPrefix(id, queryPrefix))
			if err != nil || i < 0 || i >= len(in.MetricDataQueries) {
				return fmt.Errorf("CloudWatch answered for %q, which was not asked", id)
			}
			states[id] = r.StatusCode
			each(i, r)
		}
	}
	for _, q := range in.MetricDataQueries {
		if s := states[*q.Id]; s != types.StatusCodeComplete {
			return fmt.Errorf("CloudWatch did not finish (%q)", s)
		}
	}
	return nil
}

func dataQuery(i int, q fleet.Query) types.MetricDataQuery {
	return types.MetricDataQuery{
		Id: aws.String(queryPrefix + strconv.Itoa(i)),
		MetricStat: &types.MetricStat{
			Metric: &types.Metric{Namespace: aws.String(q.Namespace), MetricName: aws.String(q.Name), Dimensions: metricDimensions(q.Dimensions)},
			Period: aws.Int32(int32(cmp.Or(q.Period, time.Minute) / time.Second)),
			Stat:   aws.String(q.Statistic),
		},
		ReturnData: aws.Bool(true),
	}
}

// Metrics lists the metrics of a namespace and name that have all these dimensions, one without a value with any, and
// that had data in the last three hours. The list is whole as far as AWS's pages tell, or there is an error.
func (a *Account) Metrics(ctx context.Context, like fleet.Metric) ([]fleet.Metric, error) {
	in := &cloudwatch.ListMetricsInput{Namespace: aws.String(like.Namespace), MetricName: aws.String(like.Name), RecentlyActive: types.RecentlyActivePt3h}
	for _, d := range like.Dimensions {
		in.Dimensions = append(in.Dimensions, types.DimensionFilter{Name: aws.String(d.Name), Value: optional(d.Value)})
	}
	var out []fleet.Metric
	pages := cloudwatch.NewListMetricsPaginator(a.cw, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list metrics of %s: %w", like.Namespace, plain(err))
		}
		for _, m := range page.Metrics {
			out = append(out, metricOf(m))
		}
	}
	return out, nil
}

// optional is nil for "".
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func metricOf(m types.Metric) fleet.Metric {
	out := fleet.Metric{Namespace: aws.ToString(m.Namespace), Name: aws.ToString(m.MetricName)}
	for _, d := range m.Dimensions {
		out.Dimensions = append(out.Dimensions, fleet.Dimension{Name: own(d.Name), Value: own(d.Value)})
	}
	slices.SortFunc(out.Dimensions, func(x, y fleet.Dimension) int { return strings.Compare(x.Name, y.Name) })
	return out
}

func metricDimensions(dims []fleet.Dimension) []types.Dimension {
	var out []types.Dimension
	for _, d := range dims {
		out = append(out, types.Dimension{Name: aws.String(d.Name), Value: aws.String(d.Value)})
	}
	return out
}

// Insights reads the cluster setting containerInsights of clusters by name. A cluster that AWS does not know, and one whose
// answer names no such setting, is not in it.
func (a *Account) Insights(ctx context.Context, clusters []string) (map[string]string, error) {
	out := map[string]string{}
	for part := range slices.Chunk(clusters, clustersACall) {
		in := &ecs.DescribeClustersInput{Clusters: part, Include: []ecstypes.ClusterField{ecstypes.ClusterFieldSettings}}
		answer, err := call(ctx, a.ecs.DescribeClusters, in)
		if err != nil {
			return nil, fmt.Errorf("describe the settings of clusters: %w", err)
		}
		for _, c := range answer.Clusters {
			for _, s := range c.Settings {
				if s.Name == ecstypes.ClusterSettingNameContainerInsights {
					out[aws.ToString(c.ClusterName)] = aws.ToString(s.Value)
				}
			}
		}
	}
	return out, nil
}
