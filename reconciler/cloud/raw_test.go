package cloud

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidwall/gjson"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
	"taskwarden/test/account"
)

// strange is registration input with what this SDK does not know, an order and numbers that no encoder of ours would write.
const strange = `{"zFutureField":{"deep":[1.50,{"x":null}],"Ünï":"\u00e9"},"family":"odd","containerDefinitions":[
 {"futureInside":true,"image":"app:1","environment":[{"value":"xray","name":"OTEL_TRACES_SAMPLER"},{"name":"SECRET","value":"s3cr\/et"}],"name":"app","cpu":0}],
 "tags":[{"key":"team","value":"web"}]}`

// What is registered from an answer differs in the variables alone: fields that the SDK does not know arrive too.
func TestADocumentGoesThroughAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := watching(world(t, account.Bulk(1, 1, 1)), Options{})
		ctx := t.Context()
		base, err := a.Register(ctx, []byte(strange))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := a.RawDefinition(ctx, base)
		if err != nil {
			t.Fatal(err)
		}
		fixed, changes, err := otel.Patch(raw, map[string]map[string]string{"app": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}})
		if err != nil || len(changes) != 2 {
			t.Fatalf("%d changes, %v", len(changes), err)
		}
		next, err := a.Register(ctx, fixed)
		if err != nil || next == base {
			t.Fatalf("revision %s after %s, %v", next, base, err)
		}
		got, err := a.RawDefinition(ctx, next)
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{
			"taskDefinition.zFutureField.deep.0":                        "1.50",
			"taskDefinition.zFutureField.Ünï":                           `"é"`,
			"taskDefinition.containerDefinitions.0.futureInside":        "true",
			"taskDefinition.containerDefinitions.0.environment.0.value": `"parentbased_traceidratio"`,
			"taskDefinition.containerDefinitions.0.environment.1.value": `"s3cr/et"`,
			"taskDefinition.containerDefinitions.0.environment.2.value": `"0.01"`,
			"taskDefinition.containerDefinitions.0.environment.#":       "3",
			"tags.0.value": `"web"`,
		} {
			if v := gjson.GetBytes(got, path).Raw; v != want {
				t.Errorf("%s is %s, want %s", path, v, want)
			}
		}
		newest, err := a.NewestRevisions(ctx, "odd")
		if err != nil || len(newest) != 2 || newest[0] != next {
			t.Errorf("newest revisions %v, %v", newest, err)
		}
	})
}

func TestDeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		s := sweep(t.Context(), a)
		was := s.clusters["prod-000"].Services[0]
		d, err := a.Register(t.Context(), []byte(`{"family":"other","containerDefinitions":[{"name":"app","image":"app:2"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Deploy(t.Context(), "prod-000", was.Name, d); err != nil {
			t.Fatal(err)
		}
		is := sweep(t.Context(), a).clusters["prod-000"].Services[0]
		if is.TaskDefinition != d || is.Desired != was.Desired || !is.Deploying() {
			t.Errorf("%+v", is)
		}
		if err := a.Deploy(t.Context(), "prod-000", "nobody", d); !errors.Is(err, fleet.ErrNotFound) {
			t.Errorf("a service that is not there: %v", err)
		}
	})
}

// A call that would make a second revision or deployment is sent once, whatever became of it.
func TestWritesToServicesAreNeverRepeated(t *testing.T) {
	for op, do := range map[string]func(context.Context, *Account) error{
		"RegisterTaskDefinition": func(ctx context.Context, a *Account) error {
			_, err := a.Register(ctx, []byte(`{"family":"f","containerDefinitions":[{"name":"app","image":"app:2"}]}`))
			return err
		},
		"UpdateService": func(ctx context.Context, a *Account) error {
			return a.Deploy(ctx, "prod-000", "service-00000", "service-00000:1")
		},
	} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world(t, account.Bulk(1, 1, 1))
				remove := fails(w, isOp(op), outage())
				defer remove()
				if err := do(t.Context(), watching(w, Options{})); err == nil || !strings.Contains(err.Error(), "try later") {
					t.Errorf("error %v", err)
				}
				if n := count(w, op); n != 1 {
					t.Errorf("sent %d times", n)
				}
			})
		})
	}
}
