package dynamodb

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"taskwarden/store"
)

var (
	deniedCodes     = []string{"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"}
	credentialCodes = []string{
		"ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidSignatureException", "MissingAuthenticationToken",
		"MissingAuthenticationTokenException", "UnrecognizedClientException",
	}
	throttles = retry.IsErrorThrottles(retry.DefaultThrottles)
	// lacking finds the action in AWS's words; a transaction is denied by the action of one of its parts.
	lacking = regexp.MustCompile(`perform: (dynamodb:\w+)`)
)

// explain says what the failure of a call means and what to do. The SDK's own words for it, with request ids and endpoints,
// are left out where there is something better to say; the error itself stays reachable.
func (t *Table) explain(operation string, err error) error {
	if err == nil {
		return nil
	}
	op, ok := errors.AsType[*smithy.OperationError](err)
	if !ok {
		return err
	}
	err = op.Err
	api, answered := errors.AsType[smithy.APIError](err)
	if !answered {
		return classed(fmt.Errorf("no answer from DynamoDB to %s on table %s in %s: %w", operation, t.name, t.region, err), store.ErrUnavailable)
	}
	switch c := api.ErrorCode(); {
	case c == "ResourceNotFoundException":
		return said{fmt.Sprintf("there is no table %s in region %s of this account: %s", t.name, t.region, wanted), err, store.ErrMissing}
	case slices.Contains(deniedCodes, c):
		action := "dynamodb:" + operation
		if m := lacking.FindStringSubmatch(api.ErrorMessage()); m != nil {
			action = m[1]
		}
		return said{fmt.Sprintf("denied: allow the IAM action %s on table %s", action, t.name), err, store.ErrDenied}
	case slices.Contains(credentialCodes, c):
		return said{"AWS did not accept the credentials (" + c + "): renew them, or choose others with AWS_PROFILE", err, store.ErrUnavailable}
	case throttles.IsErrorThrottle(err) == aws.TrueTernary:
		return fmt.Errorf("%w: %s: DynamoDB allows table %s no more at present; bill it on demand, or raise its capacity", store.ErrThrottled, c, t.name)
	}
	failed := said{fmt.Sprintf("%s on table %s: %s: %s", operation, t.name, api.ErrorCode(), api.ErrorMessage()), err, nil}
	if api.ErrorFault() == smithy.FaultServer || serverFailed(err) {
		failed.class = store.ErrUnavailable
	}
	return failed
}

// serverFailed reports whether an answer had a status of 500 or above.
func serverFailed(err error) bool {
	r, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && r.HTTPStatusCode() >= 500
}

// said gives an SDK error a text of our own and a class of package store, and keeps it reachable for errors.Is and errors.As.
type said struct {
	text  string
	err   error
	class error // nil: none
}

func (s said) Error() string { return s.text }

func (s said) Unwrap() []error {
	if s.class == nil {
		return []error{s.err}
	}
	return []error{s.err, s.class}
}

// classed is said with the error's own text.
func classed(err, class error) error { return said{err.Error(), err, class} }

// codeOf is AWS's code, or "".
func codeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}
