package cloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/mask"
)

var errNoRegion = errors.New("no AWS region: set AWS_REGION, pass --region, or give the target a region")

// errNoAnswer is the error and cause of an attempt that ran out of time. It is a timeout that the SDK retries.
var errNoAnswer error = noAnswer{}

type noAnswer struct{}

func (noAnswer) Error() string { return fmt.Sprintf("no answer from AWS within %s", attemptTimeout) }
func (noAnswer) Timeout() bool { return true }

// AWS spells one thing in many ways; the lists are those of the services called here and of IAM's common errors.
var (
	notFoundCodes = []string{
		"ClusterNotFoundException", "ServiceNotFoundException", "ServiceNotActiveException", "ResourceNotFound",
		"ResourceNotFoundException", "ServiceDeploymentNotFoundException", "NotFoundException", "NotFound", "RepositoryNotFoundException",
	}
	conflictCodes = []string{
		"ConcurrentModificationException", "ConflictException", "OperationAbortedException", "ResourceInUseException",
		"UpdateInProgressException",
	}
	deniedCodes = []string{
		"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "NotAuthorized",
		"Unauthorized", "UnauthorizedException", "UnauthorizedOperation",
	}
	credentialCodes = []string{
		"ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "IncompleteSignatureException",
		"InvalidClientTokenId", "InvalidSignatureException", "MissingAuthenticationToken",
		"MissingAuthenticationTokenException", "SignatureDoesNotMatch", "UnrecognizedClientException",
	}
	terminalCodes = []string{
		"ClientException", "InvalidAction", "InvalidParameterCombination", "InvalidParameterCombinationException",
		"InvalidParameterException", "InvalidParameterValue", "InvalidParameterValueException", "InvalidFormat",
		"LimitExceeded", "MalformedQueryString", "MissingParameter", "MissingRequiredParameter",
		"MissingRequiredParameterException", "OptInRequired", "SerializationException", "SubscriptionRequiredException",
		"UnknownOperationException", "UnsupportedFeatureException", "ValidationError", "ValidationException",
	}
)

// said gives an SDK error a text of our own and keeps it reachable for errors.Is and errors.As.
type said struct {
	text string
	err  error
}

func (s *said) Error() string { return s.text }
func (s *said) Unwrap() error { return s.err }

// faultOf classifies the failure of a call. It is the only place that does. The texts hold AWS's words, masked, and never a request.
func faultOf(ctx context.Context, op Operation, region string, err error) error {
	f := &fleet.Fault{Operation: op.String(), Action: op.Action, Code: codeOf(err), Err: err}
	if f.Code == "error" {
		f.Code = ""
	}
	switch _, refused := errors.AsType[*Refused](err); {
	case refused:
		f.Class = fleet.ErrTerminal
		return f
	case ctx.Err() != nil:
		f.Code, f.Err = "", fmt.Errorf("stopped waiting: %w", context.Cause(ctx))
		if !errors.Is(f.Err, ctx.Err()) {
			f.Err = fmt.Errorf("%w: %w", f.Err, ctx.Err())
		}
		return f
	}
	if outside, ok := errors.AsType[*OutsideLease](err); ok {
		f.Err = outside // passing trouble: the next owner goes on, or this one once it has the lease again
		return f
	}
	if lacking, ok := errors.AsType[*CredentialsError](err); ok {
		return ofCredentials(f, lacking)
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		ofAnswer(f, api)
		return f
	}
	f.Err = &said{unreachable(op, region, err), err}
	return f
}

// ofCredentials leaves a fault that STS answered as it is, under the words of the credentials.
func ofCredentials(f *fleet.Fault, lacking *CredentialsError) error {
	if _, ok := errors.AsType[*fleet.Fault](lacking.Err); ok {
		return lacking
	}
	f.Code, f.Err = "", lacking
	return f
}

func ofAnswer(f *fleet.Fault, api smithy.APIError) {
	f.Class = classOf(api)
	if errors.Is(f.Class, fleet.ErrDenied) {
		f.Action = cmp.Or(actionIn(api.ErrorMessage()), f.Action)
	}
	text := api.ErrorCode()
	if m := mask.Text(api.ErrorMessage()); m != "" {
		text += ": " + m
	}
	if slices.Contains(credentialCodes, api.ErrorCode()) {
		text = "AWS did not accept the credentials (" + text + "): renew them (aws sso login, a new session) or choose others with AWS_PROFILE"
	}
	f.Err = &said{text, f.Err}
}

// lacked is how IAM words a denial. It may lack another action than the operation's own: iam:PassRole for a registration.
var lacked = regexp.MustCompile(`not authorized to perform: ([A-Za-z0-9-]+):([A-Za-z0-9]+)`)

// actionIn is the action that a denial names, "" for none. SNS writes its prefix in capitals.
func actionIn(message string) string {
	m := lacked.FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	return strings.ToLower(m[1]) + ":" + m[2]
}

// worded are the answers whose words say more than their code. ECS answers most of its conflicts as ClientException or
// InvalidParameterException, which otherwise mean that the same call would fail again.
var worded = []struct {
	words string
	class error
}{
	// DescribeTaskDefinition of a revision that ECS does not know.
	{"Unable to describe task definition", fleet.ErrNotFound},
	// Two registrations of one family meet (terraform-provider-aws issue 9777, PrefectHQ/prefect issue 21351, jenkinsci/amazon-ecs-plugin
	// issue 105: it passes in seconds, and comes back under load).
	{"Too many concurrent attempts to create a new revision", fleet.ErrThrottled},
	// Five deployments of a service are not over yet, and UpdateService starts no further one (aws/containers-roadmap issue 2836).
	{"active deployments exist, unable to create new deployment", fleet.ErrConflict},
	// UpdateService meets another update or deployment of the same service. No public thread quotes these words; an answer with
	// them that never passes costs the wait until the phase's deadline.
	{"Unable to Start a service deployment", fleet.ErrConflict},
	{"deployment is already in progress", fleet.ErrConflict},
	{"service is being updated", fleet.ErrConflict},
}

// wordedCodes are the codes whose words decide.
var wordedCodes = []string{"ClientException", "InvalidParameterException"}

// classByWords is the class that an answer's words give, or nil.
func classByWords(api smithy.APIError) error {
	if !slices.Contains(wordedCodes, api.ErrorCode()) {
		return nil
	}
	for _, w := range worded {
		if strings.Contains(strings.ToLower(api.ErrorMessage()), strings.ToLower(w.words)) {
			return w.class
		}
	}
	return nil
}

func classOf(api smithy.APIError) error {
	code := api.ErrorCode()
	if class := classByWords(api); class != nil {
		return class
	}
	switch {
	case slices.Contains(notFoundCodes, code):
		return fleet.ErrNotFound
	case isThrottle(api):
		return fleet.ErrThrottled
	case slices.Contains(conflictCodes, code):
		return fleet.ErrConflict
	case slices.Contains(deniedCodes, code):
		return fleet.ErrDenied
	case slices.Contains(terminalCodes, code):
		return fleet.ErrTerminal
	}
	return nil
}

// unreachable says what a failure without an answer means.
func unreachable(op Operation, region string, err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return fmt.Sprintf("no address for %s in region %q: is that the right region? (%s)", op.Service, region, dns.Name)
	}
	return fmt.Sprintf("no answer from %s in region %q: %v", op.Service, region, err)
}
