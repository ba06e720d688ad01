package cloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"taskwarden/reconciler/fleet"
)

const (
	maxEvents = 10_000    // of one GetLogEvents call
	maxLine   = 8 << 10   // bytes kept of one line
	maxTail   = 256 << 10 // bytes kept of all lines, the newest ones
	morePages = 2         // followed where a page is empty, which AWS documents as possible
)

// Tail reads the newest lines of a stream between from and to (both zero: no bound), oldest first, each without its
// line end. No such group or stream is an answer: Tail.Missing. A denied call gives both Tail.Missing and the error.
func (a *Account) Tail(ctx context.Context, ref fleet.LogRef, from, to time.Time, lines int) (fleet.Tail, error) {
	in := tailInput(ref, from, to, lines)
	client := a.logsIn(ref.Region)
	for range 1 + morePages {
		out, err := call(ctx, client.GetLogEvents, in)
		if err != nil {
			return untold(ref, err)
		}
		if len(out.Events) > 0 {
			return fleet.Tail{Lines: newest(out.Events, int(*in.Limit))}, nil
		}
		back := aws.ToString(out.NextBackwardToken)
		if back == "" || back == aws.ToString(in.NextToken) {
			break
		}
		in.NextToken = &back
	}
	return fleet.Tail{Missing: "the stream " + ref.Group + " " + ref.Stream + " has no lines of that time"}, nil
}

func tailInput(ref fleet.LogRef, from, to time.Time, lines int) *cloudwatchlogs.GetLogEventsInput {
	in := &cloudwatchlogs.GetLogEventsInput{
		LogStreamName: &ref.Stream,
		StartFromHead: aws.Bool(false),
		Limit:         aws.Int32(int32(min(max(lines, 1), maxEvents))),
	}
	if strings.HasPrefix(ref.Group, "arn:") {
		in.LogGroupIdentifier = &ref.Group
	} else {
		in.LogGroupName = &ref.Group
	}
	if !from.IsZero() {
		in.StartTime = aws.Int64(from.UnixMilli())
	}
	if !to.IsZero() {
		in.EndTime = aws.Int64(to.UnixMilli())
	}
	return in
}

// untold says why there are no lines.
func untold(ref fleet.LogRef, err error) (fleet.Tail, error) {
	place := ref.Group + " " + ref.Stream
	if errors.Is(err, fleet.ErrNotFound) {
		return fleet.Tail{Missing: "no log group or stream " + place + ": the container wrote no line"}, nil
	}
	err = fmt.Errorf("read the log %s: %w", place, err)
	if errors.Is(err, fleet.ErrDenied) {
		return fleet.Tail{Missing: err.Error()}, err
	}
	return fleet.Tail{}, err
}

// newest orders the events by time (AWS promises no order within a page) and keeps the last ones that fit the bounds.
func newest(events []types.OutputLogEvent, lines int) []string {
	slices.SortStableFunc(events, func(x, y types.OutputLogEvent) int {
		return cmp.Compare(aws.ToInt64(x.Timestamp), aws.ToInt64(y.Timestamp))
	})
	var out []string
	size := 0
	for _, e := range slices.Backward(events) {
		line := bounded(strings.TrimRight(aws.ToString(e.Message), "\r\n"))
		if size += len(line); len(out) == lines || size > maxTail {
			break
		}
		out = append(out, line)
	}
	slices.Reverse(out)
	return out
}

// bounded cuts a line to maxLine bytes, between two characters.
func bounded(line string) string {
	if len(line) <= maxLine {
		return line
	}
	end := maxLine
	for end > 0 && !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end]
}
