package dynamodb

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"taskwarden/store/lease"
	"taskwarden/test/faulty"
	"taskwarden/test/peer"
)

// TestNewerLayoutWhileStandingBy: an older program that stands by never owns a table whose layout a newer one raised, not even
// where that happens between its look and its take.
func TestNewerLayoutWhileStandingBy(t *testing.T) {
	url := peer.DynamoDBLocal(t)
	for name, raiseAt := range map[string]string{"before the look": "", "after the look": "TransactWriteItems"} {
		t.Run(name, func(t *testing.T) {
			table := strings.ReplaceAll(name, " ", "-")
			peer.Table(t, url, table)
			way := &faulty.Way{}
			cfg := peer.Config(url)
			cfg.HTTPClient = way
			old, err := Open(t.Context(), cfg, table, Options{})
			if err != nil {
				t.Fatal(err)
			}
			raise := func() {
				item := own(schemaKey)
				item[numberName] = number(schemaVersion + 1)
				if _, err := dynamodb.NewFromConfig(peer.Config(url)).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
					t.Error(err)
				}
			}
			way.Set(func(c faulty.Call) faulty.Fate {
				if c.Op == raiseAt {
					raise()
				}
				return faulty.Fate{}
			})
			if raiseAt == "" {
				raise()
			}
			_, err = old.Own(t.Context(), lease.Options{ID: "tw", Holder: "old standby", Poll: 10 * time.Millisecond})
			if !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), "run the newer taskwarden") {
				t.Errorf("error %v", err)
			}
			if mustGet(t, url, table, leaseKey) != nil {
				t.Error("the older program owns the table")
			}
		})
	}
}

func mustGet(t *testing.T, url, table, key string) attributes {
	t.Helper()
	out, err := dynamodb.NewFromConfig(peer.Config(url)).GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: own(key), ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

// TestLayoutIsNotedByTheOwner: a process that only looks writes nothing.
func TestLayoutIsNotedByTheOwner(t *testing.T) {
	url := peer.DynamoDBLocal(t)
	peer.Table(t, url, "new")
	table, err := Open(t.Context(), peer.Config(url), "new", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if mustGet(t, url, "new", schemaKey) != nil {
		t.Error("a look noted the layout")
	}
	s, err := table.Own(t.Context(), lease.Options{ID: "tw", Holder: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := uintOf(mustGet(t, url, "new", schemaKey), numberName); n != schemaVersion || err != nil {
		t.Errorf("layout %d, error %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSlowTable: a table that answers slowly, but not slower than a renewal may be, is owned soon and stays so.
func TestSlowTable(t *testing.T) {
	url, bridge := peer.DynamoDBLocal(t), faulty.NewBridge(t)
	for _, d := range []time.Duration{500 * time.Millisecond, 1400 * time.Millisecond, 1600 * time.Millisecond, 2500 * time.Millisecond} {
		t.Run(d.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				way := &faulty.Way{Bridge: bridge}
				cfg, name := peer.Config(url), "slow-"+d.String()
				cfg.HTTPClient = way
				peer.TableBy(t, cfg, name)
				table, err := Open(t.Context(), cfg, name, Options{})
				if err != nil {
					t.Fatal(err)
				}
				way.Set(always(faulty.Fate{After: d}))
				began := time.Now()
				s, err := table.Own(t.Context(), lease.Options{ID: "tw", Holder: "a"})
				if err != nil || time.Since(began) > 12*time.Second || s.Lease().Epoch() != 1 {
					t.Fatalf("after %s: %v", time.Since(began), err)
				}
				time.Sleep(5 * time.Minute)
				if s.Lease().Err() != nil {
					t.Errorf("lost: %v", s.Lease().Err())
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestSettings: what a table lacks is known where it may be asked, and unknown where it may not.
func TestSettings(t *testing.T) {
	url := peer.DynamoDBLocal(t)
	peer.Table(t, url, "kept")
	db := dynamodb.NewFromConfig(peer.Config(url))
	peer.Table(t, url, "bare")
	if _, err := db.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: aws.String("bare"),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("ttl"), Enabled: aws.Bool(false)}}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, table, deny string
		on                bool
	}{{"kept", "kept", "", true}, {"bare", "bare", "", false}, {"denied", "bare", "DescribeTimeToLive", false}} {
		way := &faulty.Way{}
		cfg := peer.Config(url)
		cfg.HTTPClient = way
		table, err := Open(t.Context(), cfg, tt.table, Options{})
		if err != nil {
			t.Fatal(err)
		}
		way.Set(func(c faulty.Call) faulty.Fate {
			if c.Op == tt.deny {
				return faulty.Fate{Answer: faulty.Exception("AccessDeniedException", "no")}
			}
			return faulty.Fate{}
		})
		ttl := table.Settings(t.Context())[0]
		if ttl.On != tt.on || (ttl.Err != nil) != (tt.deny != "") || !strings.Contains(ttl.Lack, "aws dynamodb update-time-to-live --table-name "+tt.table) {
			t.Errorf("%s: %+v", tt.name, ttl)
		}
	}
}
