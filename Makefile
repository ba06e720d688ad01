# taskwarden: `make help` lists what there is.
SHELL := /bin/bash
export GOTOOLCHAIN ?= local

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X main.version=$(VERSION)
TOOLS   := $(CURDIR)/bin/tools

.PHONY: help build demo test lint cover bench clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

build: ## bin/controller and bin/account (the simulated AWS account)
	go build -ldflags '$(LDFLAGS)' -o bin/controller ./cmd/controller
	go build -o bin/account ./test/account/cmd/account

demo: build ## the incident in a simulated account, seen by the real binary (under two minutes)
	go run ./test/demo -controller bin/controller

test: ## every test, with the race detector; then the linters' core: gofmt and vet
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go test -race -timeout 20m ./...

lint: $(TOOLS)/golangci-lint ## the linters of .golangci.yml
	$(TOOLS)/golangci-lint run ./...

$(TOOLS)/golangci-lint:
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

cover: ## test coverage by package
	go test -coverprofile=coverage.out ./... && go tool cover -func=coverage.out | tail -n 1

bench: ## benchmarks, beside the limits in docs/performance.md
	go test -run '^$$' -bench . -benchmem ./...

clean: ## remove what was built
	rm -rf bin coverage.out
