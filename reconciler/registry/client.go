package registry

import (
	"context"
	"fmt"
	"regexp"

	"github.com/google/go-containerregistry/pkg/name"

	"taskwarden/reconciler/fleet"
)

// Private asks ECR with a target's credentials. An answer of known means that the tag is of an index that holds that manifest.
type Private interface {
	ImageDigest(ctx context.Context, image fleet.PrivateImage, known string) (digest string, err error)
}

// Client asks for the images of one target. It is safe for concurrent use.
type Client struct {
	private Private
	public  *Public
}

// New asks ECR through private, and every other registry through public, which all targets share.
func New(private Private, public *Public) *Client { return &Client{private, public} }

// Resolve is the digest (sha256:…) that a pull of an image by tag gets now, or known where the tag is of an index that holds
// the manifest known. Names are read as container runtimes do: nginx is docker.io/library/nginx:latest. Errors say which
// registry was asked and why there is no digest; where fleet.Permanent holds, that is the answer, otherwise there was none.
func (c *Client) Resolve(ctx context.Context, image, known string) (string, error) {
	tag, err := name.NewTag(image, name.WeakValidation)
	if err != nil {
		return "", &answered{fmt.Sprintf("read the image's name: %q is no image by tag", image), fleet.ErrTerminal}
	}
	if private, ok := privateOf(tag); ok {
		return c.private.ImageDigest(ctx, private, known)
	}
	return c.public.resolve(ctx, tag, known)
}

// ecrHost is a private registry of ECR, also by its FIPS and dual-stack names (Amazon ECR user guide, "Private registry", and
// "Amazon ECR endpoints and quotas").
var ecrHost = regexp.MustCompile(`^(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn|amazonaws\.eu)$`)

func privateOf(tag name.Tag) (fleet.PrivateImage, bool) {
	host := ecrHost.FindStringSubmatch(tag.RegistryStr())
	if host == nil {
		return fleet.PrivateImage{}, false
	}
	return fleet.PrivateImage{Account: host[1], Region: host[2], Repository: tag.RepositoryStr(), Tag: tag.TagStr()}, true
}
