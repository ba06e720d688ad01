package cloud

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// CallerAccount asks which account the ambient credentials are of. It needs no permission (STS API reference, GetCallerIdentity).
func CallerAccount(ctx context.Context, base Config) (string, error) {
	a := New(base, Options{Target: "home", Allow: map[Class]bool{Access: true}})
	out, err := call(ctx, sts.NewFromConfig(a.guarded("sts", base.Region)).GetCallerIdentity, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("ask for the account of the ambient credentials: %w", err)
	}
	return aws.ToString(out.Account), nil
}
