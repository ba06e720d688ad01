package reconciler

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/rollout"
	simulated "taskwarden/test/account"
)

// filled makes a value of one of the SDK's types, with a random part of its fields set.
func filled(r *rand.Rand, t reflect.Type, deep int) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(filled(r, t.Elem(), deep))
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() && r.IntN(100) < 70-10*deep {
				v.Field(i).Set(filled(r, t.Field(i).Type, deep+1))
			}
		}
	case reflect.Slice:
		for range r.IntN(3) {
			v.Set(reflect.Append(v, filled(r, t.Elem(), deep+1)))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		for i := range r.IntN(3) {
			v.SetMapIndex(reflect.ValueOf(fmt.Sprint("key", i)).Convert(t.Key()), filled(r, t.Elem(), deep+1))
		}
	case reflect.String:
		v.SetString([]string{"plain", "é😀", `quote" back\ <&>`, "1e3", "", "line\nbreak", "\u2028", "null"}[r.IntN(8)])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.IntN(5) * 256))
	case reflect.Float64, reflect.Float32:
		v.SetFloat(r.Float64())
	}
	return v
}

// definition is a random registration that ECS would take: names where it needs them, and none in secrets and environment both.
func definition(r *rand.Rand, family string) *ecs.RegisterTaskDefinitionInput {
	in := filled(r, reflect.TypeFor[ecs.RegisterTaskDefinitionInput](), 0).Interface().(ecs.RegisterTaskDefinitionInput)
	in.Family = &family
	for range 1 + r.IntN(2) {
		in.ContainerDefinitions = append(in.ContainerDefinitions, filled(r, reflect.TypeFor[types.ContainerDefinition](), 1).Interface().(types.ContainerDefinition))
	}
	for i := range in.ContainerDefinitions {
		c := &in.ContainerDefinitions[i]
		c.Name, c.Image = aws.String(fmt.Sprint("c", i)), aws.String("app:1")
		for j := range c.Environment {
			c.Environment[j].Name = aws.String([]string{"SAMPLER", "ARG", "OTHER", "MORE"}[(j+r.IntN(2)*2)%4])
			if c.Environment[j].Value == nil {
				c.Environment[j].Value = aws.String("")
			}
		}
		if len(c.Environment) == 2 && r.IntN(4) == 0 {
			c.Environment[1].Name = c.Environment[0].Name
		}
		for j := range c.Secrets {
			c.Secrets[j].Name = aws.String(fmt.Sprint("SECRET", j))
		}
		if r.IntN(10) == 0 {
			c.Secrets = append(c.Secrets, types.Secret{Name: aws.String("SAMPLER"), ValueFrom: aws.String("arn")})
			c.Environment = nil
		}
		if r.IntN(5) != 0 {
			c.EnvironmentFiles = nil
		}
	}
	in.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("web")}, {Key: aws.String("aws:cloudformation:stack-name"), Value: aws.String("s")}}[:r.IntN(3)]
	if len(in.Tags) == 0 {
		in.Tags = nil
	}
	return &in
}

// novel puts a member that nobody has heard of somewhere into a document, never into a map of free keys.
func novel(r *rand.Rand, doc map[string]any) {
	at := doc
	if list, ok := doc["containerDefinitions"].([]any); ok && r.IntN(3) > 0 {
		at = list[r.IntN(len(list))].(map[string]any)
		if inner, ok := at["healthCheck"].(map[string]any); ok && r.IntN(2) == 0 {
			at = inner
		}
	}
	at["novelty"] = []any{"x", map[string]any{"environment": []any{map[string]any{"name": "SAMPLER", "value": "y"}}}, json.Number("12345678901234567890.10")}[r.IntN(3)]
}

// taken decodes a raw answer and takes what only answers have away, by a list of this test's own.
func taken(t *testing.T, raw []byte) (doc map[string]any, tags []any) {
	t.Helper()
	var top map[string]any
	if err := json.Unmarshal(raw, &top); err != nil {
		t.Fatal(err)
	}
	doc = top["taskDefinition"].(map[string]any)
	for _, key := range []string{"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy", "deregisteredAt", "deleteRequestedAt"} {
		delete(doc, key)
	}
	tags, _ = top["tags"].([]any)
	return doc, tags
}

// Of 500 random task definitions, made of all of the SDK's own types and of members that it does not know, through the real SDK
// and back: what is registered is the base with the values, to the last member, or nothing is registered and it is said why.
func TestRoundTrip(t *testing.T) {
	synctest.Test(t, roundTrips) // registrations are one a second
}

func roundTrips(t *testing.T) {
	w, err := simulated.New(simulated.Bulk(1, 1, 1), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cfg := aws.Config{Region: w.Region(), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), HTTPClient: w.Transport(), BaseEndpoint: aws.String("http://account.invalid")}
	sdk := ecs.NewFromConfig(cfg, func(o *ecs.Options) { // answers may lack what requests need, and so may these
		o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
			_, err := s.Initialize.Remove("OperationInputValidation")
			return err
		})
	})
	acct := cloud.New(cfg, cloud.Options{Budgets: cloud.NewBudgets(1), Allow: map[cloud.Class]bool{cloud.Read: true, cloud.Remediate: true}})
	set := map[string]map[string]string{"c0": {"SAMPLER": "parentbased_traceidratio", "ARG": "0.01"}}
	outcomes := map[string]int{}
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 500))
		family := fmt.Sprint("f", seed)
		if _, err := sdk.RegisterTaskDefinition(t.Context(), definition(r, family)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		unknown := r.IntN(4) == 0
		if unknown { // as a newer ECS would answer it
			calls := w.Calls()
			doc := calls[len(calls)-1].Input
			novel(r, doc)
			body, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			family += "-novel"
			if _, err := acct.Register(t.Context(), []byte(strings.Replace(string(body), `"family":"f`+fmt.Sprint(seed)+`"`, `"family":"`+family+`"`, 1))); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		raw, err := acct.RawDefinition(t.Context(), family+":1")
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		document, err := rollout.Registration(raw, set, "r1")
		if refusal, ok := errors.AsType[*rollout.Refusal](err); ok {
			outcomes[string(refusal.Reason)]++
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		fields, err := acct.UnknownFields(document)
		if err != nil || unknown != (len(fields) > 0) || unknown && !strings.HasSuffix(fields[0], "novelty") {
			t.Fatalf("seed %d: unknown fields %v %v, want some: %t\n%s", seed, fields, err, unknown, document)
		}
		if unknown {
			outcomes["unknown"]++
			continue
		}
		arn, err := acct.Register(t.Context(), document)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, document)
		}
		is, err := acct.RawDefinition(t.Context(), arn)
		if err != nil {
			t.Fatal(err)
		}
		if err := rollout.Matches(document, is); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		nothingElse(t, seed, raw, is, set["c0"])
		outcomes["exact"]++
	}
	t.Log(outcomes)
	for _, outcome := range []string{"exact", "unknown", string(rollout.ReasonSecrets), string(rollout.ReasonEnvFile), string(rollout.ReasonDuplicate)} {
		if outcomes[outcome] < 5 || outcome == "exact" && outcomes[outcome] < 200 {
			t.Errorf("only %d end as %s", outcomes[outcome], outcome)
		}
	}
}

// nothingElse changes the base by hand, and compares.
func nothingElse(t *testing.T, seed uint64, base, is []byte, set map[string]string) {
	t.Helper()
	want, wantTags := taken(t, base)
	got, gotTags := taken(t, is)
	c := want["containerDefinitions"].([]any)[0].(map[string]any)
	env, _ := c["environment"].([]any)
	for _, name := range []string{"ARG", "SAMPLER"} {
		i := slices.IndexFunc(env, func(e any) bool { return e.(map[string]any)["name"] == name })
		if i < 0 {
			env = append(env, map[string]any{"name": name, "value": set[name]})
			continue
		}
		env[i].(map[string]any)["value"] = set[name]
	}
	c["environment"] = env
	wantTags = slices.DeleteFunc(wantTags, func(tag any) bool { return strings.HasPrefix(tag.(map[string]any)["key"].(string), "aws:") })
	wantTags = append(wantTags, map[string]any{"key": rollout.RolloutTag, "value": "r1"})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("seed %d: %s", seed, d)
	}
	if d := cmp.Diff(wantTags, gotTags); d != "" {
		t.Errorf("seed %d, tags: %s", seed, d)
	}
}

// Each member of an answered task definition can be registered, or is known to be of answers alone: a new one in the SDK fails
// here before it fails in production.
func TestEveryMemberHasAPlace(t *testing.T) {
	input := reflect.TypeFor[ecs.RegisterTaskDefinitionInput]()
	for f := range reflect.TypeFor[types.TaskDefinition]().Fields() {
		if _, registered := input.FieldByName(f.Name); !f.IsExported() || registered {
			continue
		}
		if !slices.ContainsFunc(otel.OutputOnly(), func(name string) bool { return strings.EqualFold(name, f.Name) }) {
			t.Errorf("%s can neither be registered nor is it of answers alone", f.Name)
		}
	}
}
