package cloud

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

func TestHistoryMapping(t *testing.T) {
	brief := briefOf(types.ServiceDeploymentBrief{
		ServiceDeploymentArn: aws.String("d"), Status: "A_NEW_ONE", StatusReason: aws.String("why"), TargetServiceRevisionArn: aws.String("r"),
		CreatedAt: when(1), StartedAt: when(2), FinishedAt: when(3),
	})
	full := serviceDeploymentOf(types.ServiceDeployment{
		ServiceDeploymentArn: aws.String("d"), Status: "A_NEW_ONE", StatusReason: aws.String("why"),
		TargetServiceRevision:  &types.ServiceRevisionSummary{Arn: aws.String("r")},
		SourceServiceRevisions: []types.ServiceRevisionSummary{{Arn: aws.String("was")}}, LifecycleStage: "BAKE_TIME", CreatedAt: when(1), StartedAt: when(2), FinishedAt: when(3),
	})
	want := fleet.ServiceDeployment{ARN: "d", Status: "A_NEW_ONE", StatusReason: "why", Target: "r", Sources: []string{"was"}, Stage: "BAKE_TIME", CreatedAt: second(1), StartedAt: second(2), FinishedAt: second(3)}
	whole(t, reflect.ValueOf(want), "ServiceDeployment")
	if diff := cmp.Diff(want, full); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want.Sources, want.Stage = nil, ""
	if diff := cmp.Diff(want, brief); diff != "" {
		t.Errorf("brief (-want +got):\n%s", diff)
	}
	revision := fleet.ServiceRevision{ARN: "r", TaskDefinition: "td", CreatedAt: second(1), Images: []fleet.RevisionImage{{Container: "c", Image: "i", Digest: "sha256:1"}}}
	whole(t, reflect.ValueOf(revision), "ServiceRevision")
	got := revisionOf(types.ServiceRevision{ServiceRevisionArn: aws.String("r"), TaskDefinition: aws.String("td"), CreatedAt: when(1),
		ContainerImages: []types.ContainerImage{{ContainerName: aws.String("c"), Image: aws.String("i"), ImageDigest: aws.String("sha256:1")}}})
	if diff := cmp.Diff(revision, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	events := eventsOf([]types.ServiceEvent{{CreatedAt: when(1), Message: aws.String("m")}, {}})
	if diff := cmp.Diff([]fleet.ServiceEvent{{At: second(1), Message: "m"}, {}}, events); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// busy is an account whose one service was deployed n times, an hour apart.
func busy(n int) account.Scenario {
	s := account.Bulk(1, 1, 1)
	s.History = account.Exactly(time.Duration(n+1) * time.Hour)
	s.Timeline = []account.Step{{At: account.Exactly(-time.Duration(n) * time.Hour), Every: account.Exactly(time.Hour), Times: n, Do: account.DoDeploy, Service: "service-00000", Why: "again"}}
	return s
}

func TestDeploymentsReadEveryPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, busy(130))
		a := watching(w, Options{})
		all, err := a.Deployments(t.Context(), "prod-000", "service-00000", time.Now().Add(-90*24*time.Hour))
		if err != nil || len(all) != 131 || count(w, "ListServiceDeployments") != 2 {
			t.Fatalf("%d deployments in %d calls: %v", len(all), count(w, "ListServiceDeployments"), err)
		}
		for i := range all[1:] {
			if all[i].CreatedAt.Before(all[i+1].CreatedAt) {
				t.Fatalf("%d is older than the next", i)
			}
		}
		lately, err := a.Deployments(t.Context(), "prod-000", "service-00000", time.Now().Add(-10*time.Hour))
		if err != nil || len(lately) >= 12 || len(lately) < 9 {
			t.Errorf("%d since ten hours ago: %v", len(lately), err)
		}
		var arns, revisions []string
		for _, d := range all[:45] {
			arns, revisions = append(arns, d.ARN), append(revisions, d.Target)
		}
		described, err := a.DescribeDeployments(t.Context(), append(arns, strings.Replace(arns[0], "prod-000", "gone", 1)))
		if err != nil || len(described) != 45 || count(w, "DescribeServiceDeployments") != 3 {
			t.Fatalf("%d described: %v", len(described), err)
		}
		if described[0].Sources[0] != all[1].Target || described[0].Target != all[0].Target {
			t.Errorf("%+v does not follow %+v", described[0], all[1])
		}
		read, err := a.Revisions(t.Context(), revisions)
		if err != nil || len(read) != 45 || read[0].TaskDefinition == "" || count(w, "DescribeServiceRevisions") != 3 {
			t.Errorf("%d revisions: %v", len(read), err)
		}
	})
}

func TestDeploymentsSayWhenTheyAreNotAll(t *testing.T) {
	page := `{"serviceDeployments":[{"serviceDeploymentArn":"a","createdAt":1}],"nextToken":"more"}`
	synctest.Test(t, func(t *testing.T) {
		a := New(baseConfig(canned{"ListServiceDeployments": {page}}), Options{Allow: everything()})
		got, err := a.Deployments(t.Context(), "c", "s", time.Now())
		if err == nil || len(got) != deploymentPages {
			t.Errorf("%d, %v", len(got), err)
		}
	})
}

func TestFailuresOfHistoryAreErrors(t *testing.T) {
	failure := `"failures":[{"arn":"arn:aws:ecs:us-east-1:1:x/c/s/1","reason":"%s","detail":"later"}]`
	for reason, fails := range map[string]bool{"MISSING": false, "INTERNAL": true} {
		synctest.Test(t, func(t *testing.T) {
			with := fmt.Sprintf(failure, reason)
			a := New(baseConfig(canned{"DescribeServiceDeployments": {`{"serviceDeployments":[],` + with + `}`}, "DescribeServiceRevisions": {`{"serviceRevisions":[],` + with + `}`}}), Options{Allow: everything()})
			_, one := a.DescribeDeployments(t.Context(), []string{"d"})
			_, two := a.Revisions(t.Context(), []string{"r"})
			if (one != nil) != fails || (two != nil) != fails {
				t.Errorf("%s: %v, %v", reason, one, two)
			}
		})
	}
}

func TestStreamOfATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		c := sweep(t.Context(), a).clusters["prod-000"]
		ref := fleet.LogRef{Group: "/ecs/service-00000", Stream: "ecs/app/" + c.Tasks[0].ID()}
		s, err := a.Stream(t.Context(), ref)
		if err != nil || s.Missing != "" || s.CreatedAt.IsZero() || s.CreatedAt.After(time.Now()) {
			t.Errorf("%+v, %v", s, err)
		}
		arn := ref
		arn.Group = "arn:aws:logs:us-east-1:111122223333:log-group:" + ref.Group
		if by, err := a.Stream(t.Context(), arn); err != nil || by != s {
			t.Errorf("by ARN: %+v, %v", by, err)
		}
		for _, none := range []fleet.LogRef{{Group: ref.Group, Stream: "ecs/app/none"}, {Group: ref.Group, Stream: ref.Stream[:len(ref.Stream)-1]}, {Group: "/none", Stream: "x"}} {
			if s, err := a.Stream(t.Context(), none); err != nil || s.Missing == "" || !s.CreatedAt.IsZero() {
				t.Errorf("%+v: %+v, %v", none, s, err)
			}
		}
		w.Deny("logs:DescribeLogStreams")
		if s, err := a.Stream(t.Context(), ref); !errors.Is(err, fleet.ErrDenied) || !strings.Contains(s.Missing, "logs:DescribeLogStreams") {
			t.Errorf("denied: %+v, %v", s, err)
		}
	})
}

func TestTimesOfAStream(t *testing.T) {
	got := milli(logtypes.LogStream{LastEventTimestamp: aws.Int64(1_500)}.LastEventTimestamp)
	if !got.Equal(time.UnixMilli(1500)) || !milli(nil).IsZero() || !milli(aws.Int64(0)).IsZero() {
		t.Errorf("%v", got)
	}
}

func TestEventsAreToldOnlyWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, busy(3))
		told := map[string]int{}
		a := watching(w, Options{Events: func(service string, events []fleet.ServiceEvent) { told[fleet.NameOf(service)] = len(events) }})
		sweep(t.Context(), a)
		if len(told) != 1 || told["service-00000"] < 4 {
			t.Errorf("%v", told)
		}
		sweep(t.Context(), watching(w, Options{})) // nobody asks: nothing to call
	})
}
