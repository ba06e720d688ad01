#!/bin/sh
# Makes bin/release: binaries, their bills of materials, licences, checksums. TOOLS is where make installed the tools.
set -eu
out=bin/release
case $VERSION in
*-dirty)
	echo "not released: there are changes that are not committed, so nobody could build the same again" >&2
	exit 1
	;;
esac
rm -rf "$out" && mkdir -p "$out"
for target in linux/amd64 linux/arm64 darwin/arm64; do
	GOOS=${target%/*} GOARCH=${target#*/}
	export GOOS GOARCH
	name=$out/taskwarden_${GOOS}_$GOARCH
	deploy/build.sh "$name"
	(unset GOOS GOARCH; "$TOOLS/cyclonedx-gomod" bin -json -std -licenses -noserial -version "$VERSION" -output "$name.cdx.json" "$name" 2>"$name.log") ||
		{ cat "$name.log" >&2; exit 1; }
	rm "$name.log" # it says of each target that the main module is in no cache
done
unset GOOS GOARCH
# Kinds of licences that a binary under Apache-2.0 cannot carry end the release.
GOOS=linux "$TOOLS/go-licenses" check ./cmd/controller --ignore taskwarden --disallowed_types=forbidden,restricted 2>"$out/licences.log" ||
	{ cat "$out/licences.log" >&2; exit 1; }
GOOS=linux "$TOOLS/go-licenses" report ./cmd/controller --ignore taskwarden >"$out/LICENCES.csv" 2>"$out/licences.log"
GOOS=linux "$TOOLS/go-licenses" save ./cmd/controller --ignore taskwarden --save_path="$out/licences" 2>"$out/licences.log"
rm "$out/licences.log"
cp LICENSE deploy/ops.yaml deploy/member.yaml deploy/taskwarden.service "$out"
(cd "$out" && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | sed 's|^\./||' | xargs sha256sum >SHA256SUMS)
echo "$out: $(wc -l <"$out/SHA256SUMS") files, version $VERSION"
