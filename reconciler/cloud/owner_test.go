package cloud

import (
	"errors"
	"testing"
	"testing/synctest"

	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

func TestStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := account.Bulk(1, 2, 2)
		s.Clusters[0].Services[0].Stack = "web-prod"
		w := world(t, s)
		a := watching(w, Options{})
		arn := func(n string) string { return "arn:aws:ecs:us-east-1:111122223333:service/prod-000/service-0000" + n }
		if stack, err := a.Stack(t.Context(), arn("0")); err != nil || stack != "web-prod" {
			t.Errorf("made by a stack: %q, %v", stack, err)
		}
		if stack, err := a.Stack(t.Context(), arn("1")); err != nil || stack != "" {
			t.Errorf("made by none: %q, %v", stack, err)
		}
		for what, e := range map[string]*wire.Error{"denied": wire.Bad("AccessDenied", "no"), "refused": wire.Bad("ValidationError", "1 validation error detected")} {
			remove := fails(w, isOp("DescribeStackResources"), e)
			if stack, err := a.Stack(t.Context(), arn("1")); err == nil || what == "denied" && !errors.Is(err, fleet.ErrDenied) {
				t.Errorf("%s: %q, %v", what, stack, err)
			}
			remove()
		}
	})
}
