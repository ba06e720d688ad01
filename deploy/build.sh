#!/bin/sh
# Builds the controller as it is released, for GOOS and GOARCH: static, and the same bytes from the same source and Go version
# wherever it is built. Usage: VERSION=v1.2.3 COMMIT=abc GOOS=linux GOARCH=arm64 deploy/build.sh OUT
set -eu
export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS= GOAMD64=v1 GOARM64=v8.0
exec go build -mod=readonly -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=${VERSION:-dev} -X main.commit=${COMMIT:-}" -o "$1" ./cmd/controller
