package test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"taskwarden/test/account"
	"taskwarden/test/faulty"
	"taskwarden/test/peer"
)

// joinBy starts a real replica whose way to the table fails on demand.
func joinBy(t *testing.T, a *account.Account, endpoint, db, table, key string) (*replica, *faulty.Way) {
	t.Helper()
	way := &faulty.Way{To: db}
	server := httptest.NewServer(way)
	t.Cleanup(func() { way.Set(nil); server.CloseClientConnections(); server.Close() })
	r := &replica{key: key}
	r.process = launchOn(t, endpoint, a.Region(), t.TempDir(), quick, fmt.Sprintf("{type: dynamodb, table: %s}", table),
		"AWS_ENDPOINT_URL_DYNAMODB="+server.URL, "AWS_ACCESS_KEY_ID="+key)
	return r, way
}

// TestTakeoverAmidThrottling: the owner is killed, and the table refuses what the next one reads, for longer than its lease lasts.
// It does not end, says what it waits for, and goes on when it can read. Then the lease is deleted by hand, and it goes on again.
func TestTakeoverAmidThrottling(t *testing.T) {
	t.Parallel()
	binary(t)
	db, table := peer.DynamoDBLocal(t), "throttled-takeover"
	peer.Table(t, db, table)
	acc, endpoint := serve(t, crashing(t, time.Hour))
	a, _ := joinBy(t, acc, endpoint, db, table, "AKIAREPLICAA")
	eventually(t, "the first replica owns the store", 15*time.Second, a.owns)
	b, way := joinBy(t, acc, endpoint, db, table, "AKIAREPLICAB")
	b.standsBy(t)
	throttle := faulty.Fate{Answer: faulty.Exception("ThrottlingException", "slow down")}
	way.Set(func(c faulty.Call) faulty.Fate {
		if (c.Op == "GetItem" || c.Op == "Query") && !strings.Contains(c.Body, `"_store"`) {
			return throttle
		}
		return faulty.Fate{}
	})
	a.kill()
	eventually(t, "the second replica says what it waits for", 30*time.Second, func() bool {
		code, text := b.status("/readyz")
		return code == 503 && strings.Contains(text, "reads what it remembers: store is throttled")
	})
	for until := time.Now().Add(12 * time.Second); time.Now().Before(until); time.Sleep(500 * time.Millisecond) {
		if code, _ := b.status("/healthz"); code != 200 {
			t.Fatalf("the process is gone: %s", b.stderr.String())
		}
	}
	way.Set(nil)
	eventually(t, "it owns the store after the fault", takeoverWithin, b.owns)

	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "_store"}, "sk": &types.AttributeValueMemberB{Value: []byte("lease")}}
	if _, err := dynamodb.NewFromConfig(peer.Config(db)).DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it notices that its lease was deleted", 10*time.Second, func() bool { return strings.Contains(b.stderr.String(), "the claim was deleted") })
	eventually(t, "it owns the store again", takeoverWithin, b.owns)
	b.terminate()
}
