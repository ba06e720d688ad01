package account_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"taskwarden/test/account"
)

// A policy allows what it says on what it says, and all that a call needs beside its own action.
func TestEnforce(t *testing.T) {
	a, c := open(t, account.Bulk(1, 1, 1))
	e, err := a.Enforce("taskwarden", []byte(`{"Version":"2012-10-17","Statement":[
	  {"Sid":"A","Effect":"Allow","Action":"ecs:UpdateService","Resource":["arn:aws:ecs:*:*:service/prod-*/*"]},
	  {"Sid":"B","Effect":"Allow","Action":["ecs:RegisterTaskDefinition"],"Resource":"*"},
	  {"Sid":"C","Effect":"Allow","Action":["iam:PassRole"],"Resource":"arn:aws:iam::*:role/tasks/*","Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}},
	  {"Sid":"D","Effect":"Allow","Action":["cloudwatch:PutMetricData"],"Resource":"*","Condition":{"StringLike":{"cloudwatch:namespace":["Task*"]}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	update := func(cluster string) error {
		_, err := c.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: &cluster, Service: aws.String("service-00000")})
		return err
	}
	register := func(role string, tags ...types.Tag) error {
		_, err := c.ecs.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{Family: aws.String("f"), TaskRoleArn: &role, Tags: tags,
			ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("a"), Image: aws.String("b")}}})
		return err
	}
	put := func(namespace string) error {
		_, err := c.cw.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: &namespace, MetricData: []cwtypes.MetricDatum{{MetricName: aws.String("M"), Value: aws.Float64(1)}}})
		return err
	}
	for _, tc := range []struct {
		err  error
		lack string // the action that the denial names; "": allowed
	}{
		{update("prod-000"), ""}, {update("dev"), "ecs:UpdateService"},
		{register("arn:aws:iam::111122223333:role/tasks/x"), ""}, {register("arn:aws:iam::111122223333:role/admin"), "iam:PassRole"},
		{register("arn:aws:iam::111122223333:role/tasks/x", types.Tag{Key: aws.String("a"), Value: aws.String("b")}), "ecs:TagResource"},
		{put("TaskWarden"), ""}, {put("AWS/ECS"), "cloudwatch:PutMetricData"},
	} {
		if tc.lack == "" && tc.err != nil || tc.lack != "" && (code(tc.err) != "AccessDeniedException" || !strings.Contains(tc.err.Error(), "not authorized to perform: "+tc.lack+" on resource: ")) {
			t.Errorf("want %q: %v", tc.lack, tc.err)
		}
	}
	if want := []string{"cloudwatch:PutMetricData", "ecs:RegisterTaskDefinition", "ecs:UpdateService", "iam:PassRole"}; !slices.Equal(e.Used(), want) {
		t.Errorf("used %v", e.Used())
	}
}

// A policy that is not understood does not load.
func TestEnforceRefusesWhatItDoesNotKnow(t *testing.T) {
	a, _ := open(t, account.Bulk(1, 1, 1))
	for name, text := range map[string]string{
		"version":   `{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*"}]}`,
		"deny":      `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"a:B","Resource":"*"}]}`,
		"notAction": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"a:B","Resource":"*"}]}`,
		"resource":  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B"}]}`,
		"operator":  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"::1"}}}]}`,
		"empty":     `{"Version":"2012-10-17","Statement":[]}`,
	} {
		if _, err := a.Enforce("x", []byte(text)); err == nil {
			t.Errorf("%s loads", name)
		}
	}
}
