package account_test

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"taskwarden/test/account"
)

// An AWS client that talks to a simulated account without a listener.
func ExampleAccount_Transport() {
	scenario, err := account.LoadScenario("../scenarios/incident.yaml", map[string]string{"tasks": "2"})
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := account.New(scenario, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	client := ecs.NewFromConfig(aws.Config{
		Region:       a.Region(),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		BaseEndpoint: aws.String("http://account.invalid"), // never resolved
		HTTPClient:   a.Transport(),
	})
	out, err := client.DescribeServices(context.Background(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{"django"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(*out.Services[0].ServiceName, out.Services[0].RunningCount)
	// Output: django 2
}
