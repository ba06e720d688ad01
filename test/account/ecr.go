package account

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"taskwarden/test/account/wire"
)

// batchGetImage answers for the images that were declared or pushed, by their tags, in any account's registry of the region
// that the call is for (ECR API reference, BatchGetImage).
func batchGetImage(a *Account, in wire.Input) (map[string]any, error) {
	account, repository := in.String("registryId"), in.String("repositoryName")
	if account == "" {
		account = a.accountID
	}
	ids := in.Maps("imageIds")
	if repository == "" || len(ids) == 0 {
		return nil, wire.Bad("InvalidParameterException", "Invalid parameter at 'imageIds' failed to satisfy constraint: 'must have at least 1 element'")
	}
	place := account + ".dkr.ecr." + a.called + ".amazonaws.com/" + repository + ":"
	if !a.hasRepository(place) {
		return nil, wire.Bad("RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", repository, account)
	}
	images, failures := []any{}, []any{}
	for _, id := range ids {
		image, ok := a.images[place+id.String("imageTag")]
		if !ok {
			failures = append(failures, map[string]any{"imageId": map[string]any(id), "failureCode": "ImageNotFound", "failureReason": "Requested image not found"})
			continue
		}
		media, text := image.manifest()
		images = append(images, map[string]any{"registryId": account, "repositoryName": repository, "imageManifest": text, "imageManifestMediaType": media,
			"imageId": map[string]any{"imageTag": id.String("imageTag"), "imageDigest": image.Digest}})
	}
	return map[string]any{"images": images, "failures": failures}, nil
}

func (a *Account) hasRepository(place string) bool {
	for name := range maps.Keys(a.images) {
		if strings.HasPrefix(name, place) {
			return true
		}
	}
	return false
}

// manifest is the document that a pull gets; its digest is the declared one, not its own.
func (i Image) manifest() (media, text string) {
	out := map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []any{}}
	if len(i.Manifests) > 0 {
		var list []any
		for _, digest := range i.Manifests {
			list = append(list, map[string]any{"mediaType": out["mediaType"], "digest": digest, "size": 1000})
		}
		out = map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": list}
	}
	body, _ := json.Marshal(out) // plain values always encode
	return out["mediaType"].(string), string(body)
}

// resolve is what the images of a definition mean now.
func (a *Account) resolve(d *definition) map[string]string {
	out := make(map[string]string, len(d.containers))
	for _, c := range d.containers {
		out[c.image] = a.digest(c.image)
	}
	return out
}

// digest is what an image means now; of one that nobody declared the same for the same reference.
func (a *Account) digest(image string) string {
	if _, pinned, ok := strings.Cut(image, "@"); ok {
		return pinned
	}
	if i, ok := a.images[image]; ok {
		return i.Digest
	}
	sum := sha256.Sum256([]byte(image))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func imagesByName(images []Image) map[string]Image {
	out := make(map[string]Image, len(images))
	for _, i := range images {
		out[i.Name] = i
	}
	return out
}

func validImages(images []Image) error {
	for _, i := range images {
		if i.Name == "" || !strings.HasPrefix(i.Digest, "sha256:") {
			return fmt.Errorf("image %q, digest %q: a name with its tag and a digest sha256:… are needed", i.Name, i.Digest)
		}
	}
	return nil
}
