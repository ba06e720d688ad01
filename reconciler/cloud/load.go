package cloud

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/middleware"
)

// idlePerHost connections stay open: four buckets of ECS with 8 calls in flight each go to one host.
const idlePerHost = 32

// program is how requests name this program (CONTRACT section 1).
const program = "taskwarden"

// Load reads the AWS configuration as the AWS CLI does: environment, profile files, container and instance roles,
// AWS_ENDPOINT_URL and AWS_CA_BUNDLE. An empty region or profile leaves the choice to those. Every client that is made from
// the configuration names the program and its version in the User-Agent of each request, so that CloudTrail shows whose
// calls they are. The clients that get the credentials are among them.
func Load(ctx context.Context, version, region, profile string) (aws.Config, error) {
	// A plain *http.Client would make AWS_CA_BUNDLE an error.
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = idlePerHost })
	named := awsmiddleware.AddUserAgentKeyValue(program, version)
	opts := []func(*config.LoadOptions) error{config.WithHTTPClient(client), config.WithAPIOptions([]func(*middleware.Stack) error{named})}
	if region != "" {
		opts = append(opts, config.WithRegion(region))
	}
	if profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load the AWS configuration: %w", err)
	}
	cfg.HTTPClient = ownBody{cfg.HTTPClient}
	return cfg, nil
}

// ownBody gives the transport a request body of its own. The SDK closes its body as soon as the answer's head is there;
// a transport that has not yet read its end then cuts the connection under the answer ("use of closed network
// connection"), which costs a retry, and a call that is not retried would be lost. With GetBody the transport can also
// start over by itself where a kept connection had been closed before a byte was written.
type ownBody struct{ client aws.HTTPClient }

// Do implements aws.HTTPClient.
func (o ownBody) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return o.client.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the request's body: %w", err)
	}
	own := r.WithContext(r.Context()) // a shallow copy
	own.ContentLength = int64(len(body))
	own.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	own.Body, _ = own.GetBody()
	return o.client.Do(own)
}
