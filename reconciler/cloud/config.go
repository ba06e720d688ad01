package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Config is the ambient AWS configuration that Load returns: credentials, region, endpoint.
type Config = aws.Config

// CheckCredentials tells whether there are ambient credentials at all; the error says what to do about it.
func CheckCredentials(ctx context.Context, base Config) error {
	_, err := identity{from: base.Credentials}.Retrieve(ctx)
	return err
}
