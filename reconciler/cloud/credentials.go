package cloud

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// sessionName is what CloudTrail shows for calls made through a target's role.
const sessionName = "taskwarden"

// renewBefore credentials end, so that a call that waited for its budget is still signed by living ones.
const renewBefore = 2 * time.Minute

// CredentialsError is the failure to get credentials at all, before the call itself was made.
type CredentialsError struct {
	RoleARN string // the role that could not be assumed, or "" for the ambient credentials
	Err     error
}

// Error says what to do about it.
func (e *CredentialsError) Error() string {
	if e.RoleARN != "" {
		return fmt.Sprintf("assume role %s (its trust policy must name this principal and the external id): %v", e.RoleARN, e.Err)
	}
	return "no AWS credentials: set AWS_PROFILE (or --profile), AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, " +
		"or run with a task or instance role; an SSO profile may need aws sso login: " + e.Err.Error()
}

// Unwrap lets errors.Is find what failed.
func (e *CredentialsError) Unwrap() error { return e.Err }

// RetryableError keeps the SDK from repeating the call: getting credentials has its own retries.
func (e *CredentialsError) RetryableError() bool { return false }

// identity names the failure of a credentials provider.
type identity struct {
	role string
	from aws.CredentialsProvider
}

// Retrieve gets the credentials; every error is a *CredentialsError.
func (i identity) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if i.from == nil {
		return aws.Credentials{}, &CredentialsError{i.role, errors.New("the configuration has no provider")}
	}
	c, err := i.from.Retrieve(ctx)
	if err != nil {
		if _, ok := errors.AsType[*CredentialsError](err); ok {
			return c, err // of the credentials that were to assume the role
		}
		return c, &CredentialsError{i.role, plain(err)}
	}
	return c, nil
}

// credentials are the base configuration's own or those of the target's role, kept until they are about to end. The
// STS client is the only one that may make calls of the class Access.
func (a *Account) credentials(cfg aws.Config) aws.CredentialsProvider {
	own := identity{from: cfg.Credentials}
	if a.o.RoleARN == "" {
		return own
	}
	cfg.Credentials = own
	caller := &Account{o: a.o, budgets: a.budgets, account: ambient, base: cfg}
	caller.o.Allow = map[Class]bool{Access: true}
	client := sts.NewFromConfig(caller.guarded("sts", cfg.Region))
	role := stscreds.NewAssumeRoleProvider(client, a.o.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName
		if a.o.ExternalID != "" {
			o.ExternalID = aws.String(a.o.ExternalID)
		}
	})
	return aws.NewCredentialsCache(identity{a.o.RoleARN, role}, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow = renewBefore
		o.ExpiryWindowJitterFrac = 0.5
	})
}
