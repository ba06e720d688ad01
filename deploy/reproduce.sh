#!/bin/sh
# Builds the binaries of bin/release again from a copy of the committed source, in another directory and without a build cache,
# and compares.
set -eu
there=$(mktemp -d)
trap 'chmod -R u+w "$there"; rm -rf "$there"' EXIT
mkdir "$there/src"
git archive HEAD | tar -x -C "$there/src"
here=$PWD/bin/release
for target in linux_amd64 linux_arm64 darwin_arm64; do
	(cd "$there/src" && GOCACHE="$there/cache" GOOS=${target%_*} GOARCH=${target#*_} deploy/build.sh "$there/$target")
	cmp "$here/taskwarden_$target" "$there/$target"
	echo "the same: $(sha256sum <"$there/$target" | cut -c1-64) taskwarden_$target"
done
