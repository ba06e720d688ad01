package cloud

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

func TestImageDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := account.Bulk(1, 1, 1)
		s.Images = []account.Image{
			{Name: "111122223333.dkr.ecr.us-east-1.amazonaws.com/team/app:prod", Digest: "sha256:aa", Manifests: []string{"sha256:a1", "sha256:a2"}},
			{Name: "444455556666.dkr.ecr.eu-west-1.amazonaws.com/app:1", Digest: "sha256:bb"},
		}
		w := world(t, s)
		a := watching(w, Options{})
		ours := fleet.PrivateImage{Account: "111122223333", Region: "us-east-1", Repository: "team/app", Tag: "prod"}
		for _, tt := range []struct {
			image       fleet.PrivateImage
			known, want string
		}{
			{ours, "sha256:aa", "sha256:aa"}, {ours, "sha256:a2", "sha256:a2"}, {ours, "sha256:cc", "sha256:aa"}, {ours, "", "sha256:aa"},
			{fleet.PrivateImage{Account: "444455556666", Region: "eu-west-1", Repository: "app", Tag: "1"}, "sha256:a1", "sha256:bb"},
		} {
			if got, err := a.ImageDigest(t.Context(), tt.image, tt.known); err != nil || got != tt.want {
				t.Errorf("%+v, known %s: %s %v, want %s", tt.image, tt.known, got, err, tt.want)
			}
		}
		gone := ours
		gone.Tag = "gone"
		if got, err := a.ImageDigest(t.Context(), gone, ""); err == nil || !strings.Contains(err.Error(), "ImageNotFound") {
			t.Errorf("no such tag: %s %v", got, err)
		}
		gone.Repository = "nope"
		if got, err := a.ImageDigest(t.Context(), gone, ""); !errors.Is(err, fleet.ErrNotFound) {
			t.Errorf("no such repository: %s %v", got, err)
		}
		remove := fails(w, isOp("BatchGetImage"), wire.Bad("AccessDeniedException", "no"))
		defer remove()
		if got, err := a.ImageDigest(t.Context(), ours, ""); !errors.Is(err, fleet.ErrDenied) || !strings.Contains(err.Error(), "ecr:BatchGetImage") {
			t.Errorf("denied: %s %v", got, err)
		}
	})
}

// A manifest that is no index, or no JSON at all, holds nothing.
func TestHolds(t *testing.T) {
	for manifest, want := range map[string]bool{
		`{"manifests":[{"digest":"sha256:x"}]}`: true, `{"manifests":[{"digest":"sha256:y"}]}`: false, `{"layers":[{"digest":"sha256:x"}]}`: false,
		`{"config":{"digest":"sha256:x"}}`: false, `{"manifests":{"digest":"sha256:x"}}`: false, `sha256:x`: false, "": false,
	} {
		if got := holds(manifest, "sha256:x"); got != want {
			t.Errorf("%s: %t", manifest, got)
		}
	}
}
