package peer

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Region is the one that Config names.
const Region = "eu-central-1"

// DynamoDBLocal starts Amazon's own emulator of DynamoDB, with nothing in it, and gives its URL. All credentials and
// regions see the same tables.
func DynamoDBLocal(t testing.TB) string {
	t.Helper()
	const install = "bin/dynamodb-local"
	jar := installed(t, "DynamoDB Local", "TASKWARDEN_DYNAMODB_LOCAL", install, install+"/DynamoDBLocal.jar")
	dir := filepath.Dir(jar)
	return program{
		name: "dynamodb-local", install: install, alive: "/",
		command: func(port int) []string {
			return []string{"java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.library.path=" + dir, "-cp", dir + "/*",
				"software.amazon.dynamodb.services.local.main.ServerRunner", "-inMemory", "-sharedDb", "-disableTelemetry", "-port", strconv.Itoa(port)}
		},
		env: func(int) []string { return nil },
	}.start(t)
}

// Config is a configuration of the SDK for an emulator.
func Config(url string) aws.Config {
	return aws.Config{Region: Region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
}

// Table makes a table as docs/store.md says.
func Table(t testing.TB, url, name string) {
	t.Helper()
	TableBy(t, Config(url), name)
}

// TableBy makes a table by a way of the caller's.
func TableBy(t testing.TB, cfg aws.Config, name string) {
	t.Helper()
	db := dynamodb.NewFromConfig(cfg)
	ctx := context.WithoutCancel(t.Context())
	_, err := db.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeB},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
	})
	if err == nil {
		_, err = db.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: &name,
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("ttl"), Enabled: aws.Bool(true)}})
	}
	if err != nil {
		t.Fatalf("create table %s: %v", name, err)
	}
}
