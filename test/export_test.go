package test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/itchyny/gojq"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/console"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/export"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/test/account"
)

// exported gives a service's export as an approver gets it from the API.
func exported(t *testing.T, c running, address, format string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte("approver"))
	api := console.New(console.Options{Source: func() console.Source { return c.Controller }, Registry: prometheus.NewRegistry(), Log: zap.NewNop(),
		Tokens: []console.Token{{Name: "oncall", Role: "approver", SHA256: hex.EncodeToString(sum[:])}}})
	r := httptest.NewRequest("GET", "/api/v1/services/"+address+":export?format="+format, nil)
	r.Header.Set("Authorization", "Bearer approver")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// apply is what the owner does with an export: its own commands, with the account in the place of the AWS CLI.
func (w *world) apply(t *testing.T, d export.Document) {
	t.Helper()
	acct := cloud.New(sdk(w.account), cloud.Options{Allow: map[cloud.Class]bool{cloud.Read: true, cloud.Remediate: true}})
	raw, err := acct.RawDefinition(t.Context(), d.BaseRevision)
	if err != nil {
		t.Fatal(err)
	}
	_, program, ok := strings.Cut(d.Commands[0], "| jq '")
	program, _, closed := strings.Cut(program, "' > corrected.json")
	query, err := gojq.Parse(program)
	if err != nil || !ok || !closed {
		t.Fatalf("%v in %s", err, d.Commands[0])
	}
	var in any
	if err := json.Unmarshal(raw, &in); err != nil {
		t.Fatal(err)
	}
	corrected, _ := query.Run(in).Next()
	document, err := json.Marshal(corrected)
	if err != nil {
		t.Fatal(err)
	}
	arn, err := acct.Register(t.Context(), document)
	if err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	if err := acct.Deploy(t.Context(), d.Cluster, d.Service, arn); err != nil {
		t.Fatal(err)
	}
}

// A service of a stack, of a pipeline, or of nobody knows whom is exported in the owner's words; when the owner has applied it,
// it is watched, and adopted with the verdict. Nothing was written by us.
func TestExportsAreAppliedByTheirOwners(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*account.Service)
		owner  rollout.Ownership
		format export.Format
		says   []string
	}{
		"a stack's": {func(v *account.Service) { v.Stack = "shop" }, rollout.Owned, export.CloudFormation,
			[]string{"# Owner: CloudFormation stack shop; CloudFormation lists the service", "Family: \"django\"", "Value: \"0.01\" # now \"endpoint="}},
		"a pipeline's": {func(v *account.Service) {
			v.TaskDefinition.RegisteredBy = "arn:aws:sts::111122223333:assumed-role/terraform-apply/run"
		}, rollout.Owned, export.Terraform, []string{"# Owner: terraform-apply; the running revision was registered by", `resource "aws_ecs_task_definition" "django"`}},
		"nobody knows whose": {func(v *account.Service) {
			v.TaskDefinition.RegisteredBy = "arn:aws:sts::111122223333:assumed-role/mystery/x"
		}, rollout.UnknownOwner, export.Ecspresso, []string{"// Owner: unknown; ", "which may be a person or a pipeline"}},
	} {
		s := fixable(t)
		tt.change(&s.Clusters[0].Services[0])
		bubble(t, func(t *testing.T) {
			w := newWorld(t, s)
			c := w.run(w.remediate(rollout.Auto, cure))
			defer c.stop()
			time.Sleep(time.Hour)
			r := rollouts(t, c, 1)[0]
			if r.Outcome != rollout.Exported || r.Plan.Owner.State != tt.owner || len(w.writes("RegisterTaskDefinition")) != 0 {
				t.Fatalf("%s: %s %s: %s; owner %+v", name, r.Phase, r.Outcome, r.Message, r.Plan.Owner)
			}
			snippet := string(exported(t, c, "prod/prod/django", string(tt.format)))
			for _, text := range tt.says {
				if !strings.Contains(snippet, text) {
					t.Errorf("%s: no %q in\n%s", name, text, snippet)
				}
			}
			if strings.Contains(snippet, "db.internal") || strings.Contains(snippet, "shop.settings") {
				t.Errorf("%s: it holds other values than the policy's:\n%s", name, snippet)
			}
			if tt.format == export.CloudFormation {
				var any map[string]any
				if err := yaml.Unmarshal([]byte(snippet), &any); err != nil {
					t.Error(err)
				}
			}
			var d export.Document
			if err := json.Unmarshal(exported(t, c, "prod/prod/django", "json"), &d); err != nil {
				t.Fatal(err)
			}
			base := w.document(t, "django:1")
			w.apply(t, d)
			is := w.document(t, "django:2")
			is["tags"] = append(is["tags"].([]any), map[string]any{"key": rollout.RolloutTag, "value": "none"}) // which a revision of ours has
			onlyTheValues(t, base, is, "none")
			time.Sleep(36 * time.Hour)
			if r := rollouts(t, c, 1)[0]; r.Outcome != rollout.Adopted || !r.Foreign || r.Soak.Table == nil || r.Soak.Table.Verdict != rollout.Effective {
				t.Errorf("%s: %s %s: %s", name, r.Phase, r.Outcome, r.Message)
			}
			if n := len(w.writes("RegisterTaskDefinition")); n != 1 {
				t.Errorf("%s: %d registered, one by the owner", name, n)
			}
		})
	}
}

// Services of one stack that need the same change are one group.
func TestOneChangeForManyServices(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	v := s.Clusters[0].Services[0]
	v.Stack, s.Clusters[0].Services[0].Stack = "shop", "shop"
	v.Name, v.TaskDefinition.Family = "django-too", "django-too"
	s.Clusters[0].Services = append(s.Clusters[0].Services, v)
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(10 * time.Hour) // until both have shown why
		all := rollouts(t, c, 2)
		groups := rollout.Groups(c.Rollouts(fleet.Key{}))
		for _, r := range all {
			if alike := rollout.Alike(groups, r); r.Outcome != rollout.Exported || len(alike) != 1 || alike[0] == r.Key() {
				t.Errorf("%s: %s, alike %v", r.Key(), r.Outcome, alike)
			}
		}
		if snippet := string(exported(t, c, "prod/prod/django", "cloudformation")); !strings.Contains(snippet, "# The same change for 1 other service(s) of CloudFormation stack shop:\n#   prod/prod/django-too\n") {
			t.Errorf("%s", snippet)
		}
	})
}
