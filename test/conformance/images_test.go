package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// The one image of both worlds: an index, as the simulated account writes it.
const (
	repository = "shop/web"
	platform   = "sha256:0123456789012345678901234567890123456789012345678901234567890123"
	manifest   = `{"manifests":[{"digest":"` + platform + `","mediaType":"application/vnd.oci.image.manifest.v1+json","size":1000}],` +
		`"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}`
)

func digestOf(manifest string) string {
	sum := sha256.Sum256([]byte(manifest))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// images is what a tag means.
func images() []row {
	get := func(when string, in ecr.BatchGetImageInput) row {
		return row{"ecr:BatchGetImage", when, func(t *testing.T, s *side) (any, error) { return s.ecr.BatchGetImage(t.Context(), &in) }}
	}
	tagged := func(tags ...string) (ids []types.ImageIdentifier) {
		for _, tag := range tags {
			ids = append(ids, types.ImageIdentifier{ImageTag: aws.String(tag)})
		}
		return ids
	}
	return []row{
		get("an index by its tag, and a tag that is not there", ecr.BatchGetImageInput{RepositoryName: aws.String(repository), ImageIds: tagged("prod", "nope")}),
		get("by the registry's account", ecr.BatchGetImageInput{RegistryId: aws.String(accountID), RepositoryName: aws.String(repository), ImageIds: tagged("prod")}),
		get("of an unknown repository", ecr.BatchGetImageInput{RepositoryName: nope, ImageIds: tagged("prod")}),
		get("none", ecr.BatchGetImageInput{RepositoryName: aws.String(repository), ImageIds: []types.ImageIdentifier{}}),
	}
}
