package cloud

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

func TestActiveReadsEveryPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		var data []alarm.Datum
		for i := range 700 {
			data = append(data, alarm.Datum{Metric: "SilentChurn", Dimensions: alarm.ServiceDimensions("c", fmt.Sprintf("s%03d", i)), At: time.Now(), Value: 1, Unit: "Count"})
		}
		if err := a.PutData(t.Context(), append(data, alarm.Datum{Metric: "Other", At: time.Now(), Value: 1, Unit: "Count"})); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			after  time.Duration
			recent bool
			want   int
		}{{0, true, 700}, {0, false, 700}, {4 * time.Hour, true, 0}, {0, false, 700}, {15 * 24 * time.Hour, false, 0}} {
			time.Sleep(c.after)
			got, err := a.Active(t.Context(), alarm.Namespace, "SilentChurn", c.recent)
			if err != nil || len(got) != c.want {
				t.Errorf("%s later, recent %t: %d series, want %d: %v", c.after, c.recent, len(got), c.want, err)
			}
			if c.want > 0 && !slices.ContainsFunc(got, func(s alarm.Series) bool {
				return s.String() == "TaskWarden SilentChurn {ClusterName=c, ServiceName=s699}"
			}) {
				t.Errorf("the last series is not there: %s", got[0])
			}
		}
	})
}

func TestTopics(t *testing.T) {
	const topic = "arn:aws:sns:eu-west-1:111122223333:page"
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		w.SetTopic(topic, account.Topic{Confirmed: 2, Pending: 1})
		got, err := a.Topic(t.Context(), topic)
		if diff := cmp.Diff(alarm.Topic{Confirmed: 2, Pending: 1}, got); diff != "" || err != nil {
			t.Errorf("%v: %s", err, diff)
		}
		if calls := w.Calls(); calls[len(calls)-1].Region != "eu-west-1" {
			t.Errorf("asked in %s", calls[len(calls)-1].Region)
		}
		w.DeleteTopic(topic)
		if got, err := a.Topic(t.Context(), topic); err != nil || !got.Missing {
			t.Errorf("one that is gone: %+v, %v", got, err)
		}
		w.Deny("sns:GetTopicAttributes")
		if _, err := a.Topic(t.Context(), topic); fleet.DeniedAction(err) != "sns:GetTopicAttributes" {
			t.Errorf("denied: %v", err)
		}
	})
}

// An alarm is deleted only while its tag, read at that moment, says the owner.
func TestDeleteAlarmAsksWhoseItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		for _, name := range []string{"mine", "theirs", "untagged"} {
			tags := map[string]string{alarm.OwnerTag: "me"}
			switch name {
			case "theirs":
				tags[alarm.OwnerTag] = "another"
			case "untagged":
				tags = nil
			}
			if err := a.PutAlarm(t.Context(), metricSpec(name), nil, tags); err != nil {
				t.Fatal(err)
			}
		}
		arn := func(name string) string { return "arn:aws:cloudwatch:us-east-1:111122223333:alarm:" + name }
		for _, name := range []string{"theirs", "untagged"} {
			if err := a.DeleteAlarm(t.Context(), name, arn(name), "me"); !errors.Is(err, fleet.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, name := range []string{"mine", "mine", "never there"} {
			if err := a.DeleteAlarm(t.Context(), name, arn(name), "me"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.Deny("cloudwatch:ListTagsForResource")
		if err := a.DeleteAlarm(t.Context(), "theirs", arn("theirs"), "another"); fleet.DeniedAction(err) != "cloudwatch:ListTagsForResource" {
			t.Errorf("without a look at the tags: %v", err)
		}
		if n := count(w, "DeleteAlarms"); n != 1 {
			t.Errorf("%d deletions", n)
		}
	})
}

// A list that lacks alarms which the last one had, and which are there when asked for, is no list.
func TestAlarmsThatAListLacksAreAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		for i := range 3 {
			if err := a.PutAlarm(t.Context(), metricSpec(fmt.Sprintf("a%d", i)), nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(alarms(t, a, "x")); n != 3 {
			t.Fatalf("%d alarms", n)
		}
		f, err := w.Inject(account.Fault{Ops: []string{"cloudwatch:DescribeAlarms"}, Kind: account.FaultEmpty, Calls: 1})
		if err != nil {
			t.Fatal(err)
		}
		if have, err := a.Alarms(t.Context(), nil); have != nil || !errors.Is(err, fleet.ErrConflict) || f.Hits() != 1 {
			t.Errorf("an empty list: %d alarms, %v", len(have), err)
		}
		before := count(w, "DescribeAlarms")
		alarms(t, a, "x")
		if n := count(w, "DescribeAlarms") - before; n != 1 {
			t.Errorf("%d calls in a steady state", n)
		}
	})
}
