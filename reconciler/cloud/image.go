package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"taskwarden/reconciler/fleet"
)

// ImageDigest is the digest (sha256:…) that a pull of an image of ECR gets now, or known where the tag is of an index that
// holds the manifest known. It asks BatchGetImage, with which every pull begins ("When an image is pulled, the BatchGetImage API
// is called once to retrieve the image manifest", ECR API reference) and which repositories of other accounts allow to whoever may
// pull. An error of a permanent class is an answer; any other means that the digest is not known.
func (a *Account) ImageDigest(ctx context.Context, i fleet.PrivateImage, known string) (string, error) {
	out, err := call(ctx, a.ecrIn(i.Region).BatchGetImage, &ecr.BatchGetImageInput{
		RegistryId: &i.Account, RepositoryName: &i.Repository, ImageIds: []types.ImageIdentifier{{ImageTag: &i.Tag}},
	})
	what := fmt.Sprintf("ask ECR of %s in %s for %s:%s", i.Account, i.Region, i.Repository, i.Tag)
	switch {
	case errors.Is(err, fleet.ErrDenied):
		return "", fmt.Errorf("%s: %w, and the repository's policy where it is of another account", what, err)
	case err != nil:
		return "", fmt.Errorf("%s: %w", what, err)
	case len(out.Images) == 0 && len(out.Failures) > 0:
		return "", &said{fmt.Sprintf("%s: %s", what, out.Failures[0].FailureCode), fleet.ErrNotFound}
	case len(out.Images) != 1 || out.Images[0].ImageId == nil || aws.ToString(out.Images[0].ImageId.ImageDigest) == "":
		return "", fmt.Errorf("%s: the answer holds no digest", what)
	}
	digest := *out.Images[0].ImageId.ImageDigest
	if digest != known && holds(aws.ToString(out.Images[0].ImageManifest), known) {
		return known, nil
	}
	return digest, nil
}

// holds tells whether a manifest is an index with that digest in it (OCI image index, Docker manifest list).
func holds(manifest, digest string) bool {
	var index struct {
		Manifests []struct {
			Digest string `json:"digest"`
		} `json:"manifests"`
	}
	if json.Unmarshal([]byte(manifest), &index) != nil {
		return false // of a form that nobody knows: then it does not show that the image stays
	}
	for _, m := range index.Manifests {
		if m.Digest == digest {
			return true
		}
	}
	return false
}

// ecrIn is the client of one region's registries.
func (a *Account) ecrIn(region string) *ecr.Client {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ecr[region] == nil {
		a.ecr[region] = ecr.NewFromConfig(a.guarded("ecr", region))
	}
	return a.ecr[region]
}
