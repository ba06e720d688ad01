package dynamodb

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"taskwarden/contain"
	"taskwarden/store"
	"taskwarden/store/lease"
	"taskwarden/test/faulty"
	"taskwarden/test/peer"
)

func put(key, body string, If store.Condition, version uint64) store.Write {
	return store.Write{Item: store.Item{Kind: "stop", Key: key, Body: []byte(body), Version: version}, If: If}
}

func mustHave(t *testing.T, s *Store, key, body string, version uint64) {
	t.Helper()
	it, err := s.Get(t.Context(), "stop", key)
	if version == 0 {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %+v, error %v, want ErrNotFound", key, it, err)
		}
		return
	}
	if err != nil || string(it.Body) != body || it.Version != version {
		t.Errorf("%s: version %d %q, error %v, want version %d %q", key, it.Version, it.Body, err, version, body)
	}
}

// TestFaults runs what may go wrong between here and the table, in one emulator.
func TestFaults(t *testing.T) {
	url := peer.DynamoDBLocal(t)
	for name, test := range map[string]func(*testing.T, *Store, *faulty.Way){
		"lost-replies": lostReplies, "never-answered": neverAnswered, "throttled": throttled, "busy": busy, "always-busy": alwaysBusy, "odd": odd,
		"capacity": capacity, "fenced": fenced, "groups": groups, "actions": actions, "query-is-throttled": queryIsThrottled,
		"panics": panics,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := owned(t, url, name)
			test(t, s, c)
		})
	}
}

// A reply that is lost makes the SDK repeat the call, which counts once: no conflict with ourselves, no second version.
func lostReplies(t *testing.T, s *Store, c *faulty.Way) {
	c.Set(func(a faulty.Call) faulty.Fate {
		return faulty.Fate{Lose: a.N%2 == 1 && (a.Op == "TransactWriteItems" || a.Op == "PutItem")}
	})
	for i := range 10 {
		key := fmt.Sprint(i)
		for _, w := range []store.Write{put(key, "a", store.Absent, 0), put(key, "b", store.IfVersion, 1), put(key, "c", store.Any, 0)} {
			if err := s.Commit(t.Context(), w, put("also "+key, "x", store.Any, 0)); err != nil {
				t.Fatal(err)
			}
		}
		mustHave(t, s, key, "c", 3)
		mustHave(t, s, "also "+key, "x", 3)
	}
	if n := len(c.Of("TransactWriteItems")); n < 60 {
		t.Errorf("%d attempts: no reply was lost", n)
	}
}

// When no reply ever comes, the error is none of those that say that nothing was written.
func neverAnswered(t *testing.T, s *Store, c *faulty.Way) {
	if err := s.Commit(t.Context(), put("before", "v", store.Any, 0)); err != nil { // lists the kind
		t.Fatal(err)
	}
	c.Set(func(a faulty.Call) faulty.Fate { return faulty.Fate{Lose: a.Op == "TransactWriteItems"} })
	err := s.Commit(t.Context(), put("k", "v", store.Absent, 0), put("l", "v", store.Absent, 0))
	if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrFenced) || !strings.Contains(err.Error(), "no answer from DynamoDB") {
		t.Errorf("error %v", err)
	}
	if n := len(c.Of("TransactWriteItems")); n != attempts {
		t.Errorf("%d attempts, want %d", n, attempts)
	}
	c.Set(nil)
	mustHave(t, s, "k", "v", 1) // it took place, once and whole
	mustHave(t, s, "l", "v", 1)
}

func throttled(t *testing.T, s *Store, c *faulty.Way) {
	answer := faulty.Exception("ProvisionedThroughputExceededException", "The level of configured provisioned throughput for the table was exceeded")
	c.Set(func(a faulty.Call) faulty.Fate {
		if a.N <= 3 {
			return faulty.Fate{Answer: answer}
		}
		return faulty.Fate{}
	})
	if err := s.Commit(t.Context(), put("k", "v", store.Absent, 0)); err != nil {
		t.Errorf("throttled three times: %v", err)
	}
	c.Set(func(a faulty.Call) faulty.Fate { return faulty.Fate{Answer: answer} })
	err := s.Commit(t.Context(), put("l", "v", store.Absent, 0))
	if !errors.Is(err, store.ErrThrottled) || !strings.Contains(err.Error(), "table throttled") {
		t.Errorf("always throttled: %v", err)
	}
	c.Set(nil)
	mustHave(t, s, "k", "v", 1)
	mustHave(t, s, "l", "", 0)
}

func queryIsThrottled(t *testing.T, s *Store, c *faulty.Way) {
	for i := range 5 {
		if err := s.Commit(t.Context(), put(fmt.Sprint(i), "v", store.Any, 0)); err != nil {
			t.Fatal(err)
		}
	}
	c.Set(func(a faulty.Call) faulty.Fate {
		if a.Op == "Query" && a.N == 2 { // the second page is lost, then throttled
			return faulty.Fate{Lose: true}
		}
		if a.Op == "Query" && a.N == 3 {
			return faulty.Fate{Answer: faulty.Exception("ThrottlingException", "slow down")}
		}
		return faulty.Fate{}
	})
	n := 0
	for after := ""; ; n++ {
		page, err := s.Range(t.Context(), "stop", "", after, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		after = page[0].Key
	}
	if n != 5 {
		t.Errorf("%d items, want 5", n)
	}
}

// A transaction that DynamoDB cancels, since another one has an item, is made again.
func busy(t *testing.T, s *Store, c *faulty.Way) {
	c.Set(func(a faulty.Call) faulty.Fate {
		if a.Op == "TransactWriteItems" && a.N <= 3 {
			return faulty.Fate{Answer: cancelled(a, []string{reasonConflict, reasonThrottling, reasonCapacity}[a.N-1])}
		}
		return faulty.Fate{}
	})
	if err := s.Commit(t.Context(), put("k", "v", store.Absent, 0)); err != nil {
		t.Error(err)
	}
	mustHave(t, s, "k", "v", 1)
}

func alwaysBusy(t *testing.T, s *Store, c *faulty.Way) {
	c.Set(func(a faulty.Call) faulty.Fate {
		if a.Op == "TransactWriteItems" {
			return faulty.Fate{Answer: cancelled(a, reasonConflict)}
		}
		return faulty.Fate{}
	})
	if err := s.Commit(t.Context(), put("k", "v", store.Absent, 0)); !errors.Is(err, store.ErrThrottled) {
		t.Errorf("error %v, want ErrThrottled", err)
	}
	if n := len(c.Of("TransactWriteItems")); n != busyTries {
		t.Errorf("%d tries, want %d", n, busyTries)
	}
	c.Set(nil)
	mustHave(t, s, "k", "", 0)
}

// A transaction that is cancelled for no reason that is known is made again with pauses, and not for ever.
func odd(t *testing.T, s *Store, c *faulty.Way) {
	for _, code := range []string{reasonNone, "SomethingNew"} {
		c.Set(func(a faulty.Call) faulty.Fate {
			if a.Op == "TransactWriteItems" && (a.N > 1 || code == reasonNone) {
				return faulty.Fate{Answer: cancelled(a, reasonNone)}
			}
			if a.Op == "TransactWriteItems" {
				return faulty.Fate{Answer: strings.Replace(cancelled(a, reasonNone), reasonNone+`"}`, code+`"}`, 1)}
			}
			return faulty.Fate{}
		})
		began := time.Now()
		err := s.Commit(t.Context(), put("k", "v", store.Absent, 0))
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "no reason that is given: nothing was written") {
			t.Errorf("%s: error %v", code, err)
		}
		if n := len(c.Of("TransactWriteItems")); n != busyTries || time.Since(began) < 200*time.Millisecond {
			t.Errorf("%s: %d tries in %s", code, n, time.Since(began))
		}
		c.Set(nil)
		mustHave(t, s, "k", "", 0)
	}
}

// A commit that the table refuses for its own reasons is an error with the reason, and says nothing of others'.
func capacity(t *testing.T, s *Store, c *faulty.Way) {
	c.Set(func(a faulty.Call) faulty.Fate {
		if a.Op == "TransactWriteItems" && strings.Contains(a.Body, "cG9pc29u") { // the body "poison" in base64
			return faulty.Fate{Answer: faulty.Exception("ValidationException", "one of the items is poison")}
		}
		return faulty.Fate{}
	})
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		body := "fine"
		if i == 10 {
			body = "poison"
		}
		wg.Go(func() { errs[i] = s.Commit(t.Context(), put(fmt.Sprint(i), body, store.Any, 0)) })
	}
	wg.Wait()
	for i, err := range errs {
		if (err != nil) != (i == 10) || i == 10 && !strings.Contains(err.Error(), "poison") {
			t.Errorf("commit %d: %v", i, err)
		}
	}
}

// When another process took the table, the old owner's commits change nothing, and it learns of it.
func fenced(t *testing.T, s *Store, _ *faulty.Way) {
	if err := s.Commit(t.Context(), put("k", "mine", store.Any, 0)); err != nil {
		t.Fatal(err)
	}
	was, err := register{s.table}.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	is := lease.Claim{ID: "test", Holder: "thief", Epoch: was.Epoch + 1, Lasts: lease.DefaultLasts}
	if err := (register{s.table}).Take(t.Context(), was, is); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := s.Commit(t.Context(), put("k", "stale", store.Any, 0), put(fmt.Sprint(i), "stale", store.Absent, 0)); !errors.Is(err, store.ErrFenced) {
				t.Errorf("error %v, want ErrFenced", err)
			}
		})
	}
	wg.Wait()
	select {
	case <-s.Lease().Done():
	default:
		t.Error("the lease goes on until its next renewal")
	}
	mustHave(t, s, "k", "mine", 1)
	mustHave(t, s, "0", "", 0)
	if err := (register{s.table}).Take(t.Context(), was, is); !errors.Is(err, lease.ErrChanged) {
		t.Errorf("take of an old claim: %v", err)
	}
	if err := (register{s.table}).Renew(t.Context(), was.Epoch, ""); !errors.Is(err, lease.ErrChanged) {
		t.Errorf("renewal by the old owner: %v", err)
	}
}

// A panic while a group is committed answers each of the group with an error, leaves no caller waiting, and the next commits are
// made as before.
func panics(t *testing.T, s *Store, c *faulty.Way) {
	t.Cleanup(contain.Report(func(*contain.Panic) {}))
	if err := s.Commit(t.Context(), put("before", "v", store.Absent, 0)); err != nil { // the kind is listed
		t.Fatal(err)
	}
	c.Set(func(a faulty.Call) faulty.Fate { return faulty.Fate{Panic: a.Op == "TransactWriteItems" && a.N <= 2} })
	const n = 40
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = s.Commit(t.Context(), put(fmt.Sprintf("p%02d", i), "v", store.Absent, 0)) })
	}
	wg.Wait() // every caller returns
	failed := 0
	for i, err := range errs {
		version := uint64(1)
		if err != nil {
			failed, version = failed+1, 0
			if contain.In(err) == nil || errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "whether it was written is unknown") {
				t.Errorf("commit %d: %v", i, err)
			}
		}
		mustHave(t, s, fmt.Sprintf("p%02d", i), "v", version)
	}
	if failed == 0 {
		t.Error("no commit met the panics")
	}
	c.Set(nil)
	if err := s.Commit(t.Context(), put("after", "v", store.Absent, 0)); err != nil {
		t.Errorf("after the panics: %v", err)
	}
}

// When the goroutine that empties the queue ends by a panic, all requests that wait are answered, and the next one starts another.
func TestAQueueThatFailsAnswersAllThatWait(t *testing.T) {
	var q queue
	waiting := []*request{newRequest([]store.Write{put("a", "v", store.Any, 0)}), newRequest([]store.Write{put("b", "v", store.Any, 0)})}
	for _, r := range waiting {
		q.add(r)
	}
	why := errors.New("it panicked")
	q.fail(why)
	for _, r := range waiting {
		select {
		case <-r.done:
			if !errors.Is(r.err, why) {
				t.Errorf("answered with %v", r.err)
			}
		default:
			t.Error("a request still waits")
		}
	}
	if !q.add(newRequest(nil)) {
		t.Error("the next request does not start another one to empty the queue")
	}
}

// Commits that wait share a transaction; one whose condition does not hold leaves the others alone.
func groups(t *testing.T, s *Store, c *faulty.Way) {
	if err := s.Commit(t.Context(), put("there", "v", store.Any, 0)); err != nil {
		t.Fatal(err)
	}
	c.Set(nil)
	const n = 60
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		writes := []store.Write{put(fmt.Sprintf("g%02d", i), "v", store.Absent, 0)}
		if i%10 == 3 {
			writes = append(writes, put("there", "x", store.Absent, 0))
		}
		if i%10 == 4 {
			writes = append(writes, put("shared", "x", store.Any, 0)) // no two in one transaction
		}
		wg.Go(func() { errs[i] = s.Commit(t.Context(), writes...) })
	}
	wg.Wait()
	for i, err := range errs {
		if (i%10 == 3) != errors.Is(err, store.ErrConflict) || i%10 != 3 && err != nil {
			t.Errorf("commit %d: %v", i, err)
		}
		mustHave(t, s, fmt.Sprintf("g%02d", i), "v", map[bool]uint64{true: 0, false: 1}[i%10 == 3])
	}
	mustHave(t, s, "shared", "x", n/10)
	if got := len(c.Of("TransactWriteItems")); got > n/2 {
		t.Errorf("%d transactions for %d commits", got, n)
	}
}

// actions is what an owner's life needs of IAM: all that Actions lists and nothing else.
func actions(t *testing.T, s *Store, c *faulty.Way) {
	c.Set(nil)
	cfg := peer.Config("http://unused")
	cfg.HTTPClient, cfg.BaseEndpoint = c, s.table.db.Options().BaseEndpoint
	table, err := Open(t.Context(), cfg, s.table.name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	writes := []store.Write{put("a", "v", store.Any, 0), put("b", "v", store.Absent, 0)}
	gone := store.Write{Item: store.Item{Kind: "stop", Key: "a"}, Delete: true}
	_, get := s.Get(t.Context(), "stop", "b")
	_, kinds := s.Kinds(t.Context())
	for what, err := range map[string]error{
		"commit": s.Commit(t.Context(), writes...), "delete": s.Commit(t.Context(), gone), "kinds": kinds,
		"renew": register{table}.Renew(t.Context(), s.Lease().Epoch(), ""),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, setting := range table.Settings(t.Context()) {
		if setting.Name == "TTL" && (!setting.On || setting.Err != nil) {
			t.Errorf("%+v", setting)
		}
	}
	_ = get // read before or after the commit: what matters is that it was asked
	used := map[string]bool{}
	for _, a := range c.Of("") {
		if a.Op != "TransactWriteItems" {
			used["dynamodb:"+a.Op] = true
			continue
		}
		for part, action := range map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"} {
			if strings.Contains(a.Body, `"`+part+`":{`) {
				used["dynamodb:"+action] = true
			}
		}
	}
	var got []string
	for action := range used {
		got = append(got, action)
	}
	slices.Sort(got)
	if diff := cmp.Diff(Actions(), got); diff != "" {
		t.Errorf("Actions and what was called (-listed +called):\n%s", diff)
	}
}

// TestOpenSaysWhatIsWrong: each with what to do about it.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	url := peer.DynamoDBLocal(t)
	peer.Table(t, url, "newer")
	peer.Table(t, url, "denied")
	db := dynamodb.NewFromConfig(peer.Config(url))
	if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("newer"), Item: attributes{"pk": text("_store"), "sk": binary("schema"), "n": number(7)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: aws.String("foreign"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}}}); err != nil {
		t.Fatal(err)
	}
	denied := func(op string) func(faulty.Call) faulty.Fate {
		return func(a faulty.Call) faulty.Fate {
			if a.Op == op {
				return faulty.Fate{Answer: faulty.Exception("AccessDeniedException", "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: dynamodb:"+op+" on resource: arn:x because no identity-based policy allows it")}
			}
			return faulty.Fate{}
		}
	}
	for name, tt := range map[string]struct {
		table, region string
		rule          func(faulty.Call) faulty.Fate
		words         []string
	}{
		"missing table":  {table: "absent", words: []string{"there is no table absent in region eu-central-1", "partition key pk (type S)", "sort key sk (type B)", "docs/store.md"}},
		"another schema": {table: "foreign", words: []string{"HASH id S", "another program's", "partition key pk"}},
		"newer schema":   {table: "newer", words: []string{"schema is 7", "newer taskwarden"}},
		"no region":      {table: "newer", region: "-", words: []string{"no AWS region", "AWS_REGION"}},
		"not described":  {table: "denied", rule: denied("DescribeTable"), words: []string{"allow the IAM action dynamodb:DescribeTable on table denied"}},
		"not read":       {table: "denied", rule: denied("Query"), words: []string{"allow the IAM action dynamodb:Query on table denied"}},
		"credentials": {table: "denied", rule: func(faulty.Call) faulty.Fate {
			return faulty.Fate{Answer: faulty.Exception("UnrecognizedClientException", "The security token is invalid")}
		},
			words: []string{"did not accept the credentials", "AWS_PROFILE"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := peer.Config(url)
			way := &faulty.Way{}
			way.Set(tt.rule)
			cfg.HTTPClient = way
			if tt.region != "" {
				cfg.Region = ""
			}
			_, err := Open(t.Context(), cfg, tt.table, Options{})
			for _, w := range tt.words {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("error %v does not say %q", err, w)
				}
			}
		})
	}
}

// TestDeniedCommitNamesTheAction: a transaction is denied by the action of one of its parts, which AWS names.
func TestDeniedCommitNamesTheAction(t *testing.T) {
	url := peer.DynamoDBLocal(t)
	s, c := owned(t, url, "denied-commit")
	c.Set(func(a faulty.Call) faulty.Fate {
		if a.Op != "TransactWriteItems" {
			return faulty.Fate{}
		}
		return faulty.Fate{Answer: faulty.Exception("AccessDeniedException", "User: u is not authorized to perform: dynamodb:ConditionCheckItem on resource: arn:x")}
	})
	if err := s.Commit(t.Context(), put("k", "v", store.Any, 0)); err == nil || !strings.Contains(err.Error(), "allow the IAM action dynamodb:ConditionCheckItem on table denied-commit") {
		t.Errorf("error %v", err)
	}
}
