package cloud

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

func TestClassesOfErrors(t *testing.T) {
	for code, class := range map[string]error{
		"AccessDenied": fleet.ErrDenied, "AccessDeniedException": fleet.ErrDenied, "UnauthorizedOperation": fleet.ErrDenied, "AuthorizationError": fleet.ErrDenied,
		"ThrottlingException": fleet.ErrThrottled, "Throttling": fleet.ErrThrottled, "RequestLimitExceeded": fleet.ErrThrottled, "TooManyRequestsException": fleet.ErrThrottled,
		"ClusterNotFoundException": fleet.ErrNotFound, "ResourceNotFoundException": fleet.ErrNotFound, "ResourceNotFound": fleet.ErrNotFound, "ServiceNotFoundException": fleet.ErrNotFound,
		"ConflictException": fleet.ErrConflict, "UpdateInProgressException": fleet.ErrConflict,
		"InvalidParameterException": fleet.ErrTerminal, "ValidationError": fleet.ErrTerminal, "LimitExceeded": fleet.ErrTerminal, "ClientException": fleet.ErrTerminal,
		"ServerException": nil, "InternalFailure": nil, "ServiceUnavailable": nil, "ExpiredTokenException": nil, "SomethingNew": nil,
	} {
		op, _ := operationOf("ecs", "ListTasks")
		err := faultOf(t.Context(), op, "us-east-1", &smithy.GenericAPIError{Code: code, Message: "the words of AWS"})
		f, ok := errors.AsType[*fleet.Fault](err)
		if !ok || f.Class != class || f.Code != code || f.Operation != "ecs:ListTasks" || f.Action != "ecs:ListTasks" {
			t.Errorf("%s: %+v, want the class %v", code, f, class)
		}
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != code {
			t.Errorf("%s: the SDK's own error is lost", code)
		}
		if text := err.Error(); class != fleet.ErrDenied && !strings.Contains(text, code+": the words of AWS") || strings.Contains(text, "RequestID") {
			t.Errorf("%s: %s", code, text)
		}
	}
}

// ECS words most of its passing conflicts as errors whose code alone would mean that the call is wrong.
func TestClassesByWords(t *testing.T) {
	op, _ := operationOf("ecs", "UpdateService")
	for _, row := range []struct {
		code, message string
		class         error
	}{
		{"ClientException", "Too many concurrent attempts to create a new revision of the specified family.", fleet.ErrThrottled},
		{"ClientException", "too many concurrent attempts to create a new revision of the specified family.", fleet.ErrThrottled},
		{"InvalidParameterException", "5 active deployments exist, unable to create new deployment.", fleet.ErrConflict},
		{"ClientException", "Unable to Start a service deployment: another deployment is already in progress", fleet.ErrConflict},
		{"InvalidParameterException", "The service is being updated", fleet.ErrConflict},
		{"ClientException", "Unable to describe task definition.", fleet.ErrNotFound},
		{"ClientException", "TaskDefinition is inactive", fleet.ErrTerminal},
		{"InvalidParameterException", "Unknown parameter in input", fleet.ErrTerminal},
		{"AccessDeniedException", "not while a deployment is already in progress", fleet.ErrDenied},
	} {
		err := faultOf(t.Context(), op, "us-east-1", &smithy.GenericAPIError{Code: row.code, Message: row.message})
		if f, ok := errors.AsType[*fleet.Fault](err); !ok || f.Class != row.class {
			t.Errorf("%s %q: %+v, want %v", row.code, row.message, f, row.class)
		}
		if want := row.class != fleet.ErrThrottled && row.class != fleet.ErrConflict; fleet.Permanent(err) != want {
			t.Errorf("%s %q: permanent %t", row.code, row.message, !want)
		}
	}
}

// IAM may miss another action than the call's own, and says which; SNS writes its prefix in capitals.
func TestADenialNamesWhatIsMissing(t *testing.T) {
	op, _ := operationOf("ecs", "RegisterTaskDefinition")
	for message, want := range map[string]string{
		"User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/x because no identity-based policy allows the iam:PassRole action": "iam:PassRole",
		"User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: SNS:GetTopicAttributes on resource: x":                                                                           "sns:GetTopicAttributes",
		"Access denied.": "ecs:RegisterTaskDefinition",
	} {
		err := faultOf(t.Context(), op, "us-east-1", &smithy.GenericAPIError{Code: "AccessDeniedException", Message: message})
		if got := fleet.DeniedAction(err); got != want || !strings.HasSuffix(err.Error(), "allow the IAM action "+want) {
			t.Errorf("%s: %s, %v", message, got, err)
		}
	}
}

func TestATaskDefinitionThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		_, err := watching(w, Options{}).Definition(t.Context(), "nope:7")
		if !errors.Is(err, fleet.ErrNotFound) || !strings.Contains(err.Error(), "nope:7") {
			t.Errorf("%v", err)
		}
	})
}

type failing struct{ err error }

func (f failing) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials{}, f.err }

func (f failing) Do(*http.Request) (*http.Response, error) { return nil, f.err }

func TestWithoutCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		for name, provider := range map[string]aws.CredentialsProvider{
			"none": nil, "no role": failing{errors.New("no EC2 IMDS role found")}, "cached": aws.NewCredentialsCache(failing{errors.New("sso session expired")}),
		} {
			cfg := baseConfig(w.Transport())
			cfg.Credentials = provider
			for _, o := range []Options{{}, {RoleARN: role}} {
				o.Allow = everything()
				err := New(cfg, o).Sweep(t.Context(), func(fleet.Cluster) { t.Error("visited") }).Err
				if _, ok := errors.AsType[*CredentialsError](err); !ok || !strings.Contains(err.Error(), "AWS_PROFILE") || fleet.DeniedAction(err) != "" {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if len(w.Calls()) > 0 {
			t.Errorf("sent: %v", w.Calls())
		}
	})
}

func TestCredentialsThatAreNotAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		fails(w, isOp("ListClusters"), wire.Bad("ExpiredTokenException", "The security token included in the request is expired"))
		err := sweep(t.Context(), watching(w, Options{})).Err
		if f, ok := errors.AsType[*fleet.Fault](err); !ok || f.Class != nil || !strings.Contains(err.Error(), "renew them") {
			t.Errorf("%v", err)
		}
	})
}

func TestAssumingTheRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{RoleARN: role, ExternalID: "between-us"})
		if len(w.Calls()) > 0 {
			t.Error("New makes calls")
		}
		for range 3 {
			if s := sweep(t.Context(), a); s.Err != nil {
				t.Fatal(s.Err)
			}
		}
		assumed := w.Calls()[0]
		if in := assumed.Input; assumed.Op != "AssumeRole" || in["RoleArn"] != role || in["RoleSessionName"] != "taskwarden" || in["ExternalId"] != "between-us" {
			t.Errorf("%+v", assumed)
		}
		for _, c := range w.Calls()[1:] {
			if c.AccessKey == assumed.AccessKey || c.Op == "AssumeRole" {
				t.Errorf("%s by %s: the role's credentials are not used and kept", c.Action(), c.AccessKey)
			}
		}
		time.Sleep(3 * time.Hour)
		if s := sweep(t.Context(), a); s.Err != nil || count(w, "AssumeRole") != 2 {
			t.Errorf("after they ended: %v, %d times assumed", s.Err, count(w, "AssumeRole"))
		}
	})
}

func TestARoleThatMayNotBeAssumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		w.Deny("sts:AssumeRole")
		s := sweep(t.Context(), watching(w, Options{RoleARN: role}))
		if !errors.Is(s.Err, fleet.ErrDenied) || fleet.DeniedAction(s.Err) != "sts:AssumeRole" || !strings.Contains(s.Err.Error(), role) || s.Complete {
			t.Errorf("%v", s.Err)
		}
		if w.CallCounts()["ecs:ListClusters"] > 0 || w.CallCounts()["sts:AssumeRole"] != 1 {
			t.Errorf("%v", w.CallCounts())
		}
	})
}

func TestAnEndpointThatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := &net.DNSError{Err: "no such host", Name: "ecs.eu-nowhere-1.amazonaws.com", IsNotFound: true}
		a := New(baseConfig(failing{dns}), Options{Region: "eu-nowhere-1", Allow: everything()})
		if err := sweep(t.Context(), a).Err; !strings.Contains(err.Error(), `region "eu-nowhere-1"`) || !errors.Is(err, dns) {
			t.Errorf("%v", err)
		}
	})
}

func TestWithoutARegion(t *testing.T) {
	cfg := baseConfig(failing{errors.New("sent")})
	cfg.Region = ""
	if err := sweep(t.Context(), New(cfg, Options{Allow: everything()})).Err; err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("%v", err)
	}
}

func TestCheckCredentials(t *testing.T) {
	cfg := baseConfig(failing{errors.New("sent")})
	if err := CheckCredentials(t.Context(), cfg); err != nil {
		t.Errorf("with credentials: %v", err)
	}
	cfg.Credentials = failing{errors.New("no EC2 IMDS role found")}
	if err := CheckCredentials(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "AWS_PROFILE") {
		t.Errorf("without: %v", err)
	}
}
