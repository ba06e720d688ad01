# taskwarden: `make help` lists what there is.
SHELL := /bin/bash
export GOTOOLCHAIN ?= local

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X main.version=$(VERSION)
TOOLS   := $(CURDIR)/bin/tools

# What simulates much in one goroutine has nothing to race, and weeks of simulated time take five times as long with the
# detector: of ./test those run with it that have all loops, faults and kills in them (a sixth of the fault matrix).
ALONE  := /reconciler/rollout$$|taskwarden/test$$
RACING := TestFaultMatrix$$|TestCountersSurviveKills|TestRunSaysWhatIsWrong|TestTheFixIsRolledOut

.PHONY: help build demo test race lint cover bench release reproduce vulncheck clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

build: ## bin/controller and bin/account (the simulated AWS account)
	go build -ldflags '$(LDFLAGS)' -o bin/controller ./cmd/controller
	go build -o bin/account ./test/account/cmd/account

demo: build ## the incident in a simulated account, seen by the real binary (under two minutes)
	go run ./test/demo -controller bin/controller

test: bin/ministack bin/dynamodb-local bin/cfn-lint bin/checkov ## every test, with the race detector; then the linters' core: gofmt and vet
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go test -race -timeout 30m $$(go list ./... | grep -vE '$(ALONE)')
	go test -race -timeout 20m -run '$(RACING)' ./test
	go test -timeout 30m ./test ./reconciler/rollout
	go test -timeout 10m ./test/judgement # in whole; with the race detector a small world ran above

race: bin/ministack bin/dynamodb-local bin/cfn-lint bin/checkov ## every test with the race detector, the simulated weeks too (a quarter of an hour more)
	go test -race -timeout 60m ./...

# MiniStack is the independent peer of test/conformance (docs/conformance.md). cbor2 is what it needs to speak CloudWatch's protocol and does not list.
bin/ministack: bin/ministack/bin/ministack

bin/ministack/bin/ministack: | python
	rm -rf bin/ministack && python3 -m venv bin/ministack
	bin/ministack/bin/pip install --quiet --disable-pip-version-check cbor2==6.3.0
	bin/ministack/bin/pip install --quiet --disable-pip-version-check ministack==1.5.33

# DynamoDB Local, Amazon's own emulator, is the peer of store/dynamodb beside MiniStack. Maven resolves what it needs, which
# is put in place when it is whole.
bin/dynamodb-local: bin/dynamodb-local/DynamoDBLocal.jar

bin/dynamodb-local/DynamoDBLocal.jar: test/peer/dynamodb-local.xml
	@{ command -v mvn && java -version; } >/dev/null 2>&1 || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq openjdk-17-jre-headless maven; } || \
		{ echo "Maven and Java 17 or newer are needed for the tests (Debian: apt-get install openjdk-17-jre-headless maven)" >&2; exit 1; }
	rm -rf bin/dynamodb-local bin/dynamodb-local.new
	mvn -q -B -f test/peer/dynamodb-local.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
		-Dmdep.stripVersion=true -DoutputDirectory=$(CURDIR)/bin/dynamodb-local.new
	touch bin/dynamodb-local.new/DynamoDBLocal.jar # it came with its own, old date
	mv bin/dynamodb-local.new bin/dynamodb-local

# The linters of deploy/'s templates (test/deploy): CloudFormation's own schemas, and security.
bin/cfn-lint: bin/cfn-lint/bin/cfn-lint
bin/checkov: bin/checkov/bin/checkov

bin/cfn-lint/bin/cfn-lint: | python
	rm -rf bin/cfn-lint && python3 -m venv bin/cfn-lint
	bin/cfn-lint/bin/pip install --quiet --disable-pip-version-check cfn-lint==1.58.0

bin/checkov/bin/checkov: | python
	rm -rf bin/checkov && python3 -m venv bin/checkov
	bin/checkov/bin/pip install --quiet --disable-pip-version-check checkov==3.3.30

.PHONY: python
python:
	@python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq python3 python3-venv; } || \
		{ echo "Python 3.10 or newer with venv is needed for the tests (Debian: apt-get install python3 python3-venv)" >&2; exit 1; }

lint: $(TOOLS)/golangci-lint ## the linters of .golangci.yml
	$(TOOLS)/golangci-lint run ./...

$(TOOLS)/golangci-lint:
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

cover: bin/ministack bin/dynamodb-local bin/cfn-lint bin/checkov ## test coverage by package
	go test -coverprofile=coverage.out ./... && go tool cover -func=coverage.out | tail -n 1

bench: bin/dynamodb-local ## benchmarks, beside the limits and the peers' figures of docs/performance.md (under three minutes)
	go test -p 1 -run '^$$' -bench . -benchmem -benchtime 300ms $$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n 1 dirname | sort -u)
	@awk '/^## /{on=/Beside the peers/} on' docs/performance.md

COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)

release: $(TOOLS)/cyclonedx-gomod $(TOOLS)/go-licenses ## bin/release: binaries, bills of materials, licences, checksums (docs/release.md)
	VERSION='$(VERSION)' COMMIT='$(COMMIT)' TOOLS='$(TOOLS)' deploy/release.sh

reproduce: ## build bin/release's binaries again, elsewhere and without a cache, and compare
	VERSION='$(VERSION)' COMMIT='$(COMMIT)' deploy/reproduce.sh

vulncheck: $(TOOLS)/govulncheck ## known vulnerabilities in what the controller calls
	@TOOLS='$(TOOLS)' deploy/vulncheck.sh

$(TOOLS)/cyclonedx-gomod:
	GOBIN=$(TOOLS) go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0

$(TOOLS)/go-licenses:
	GOBIN=$(TOOLS) go install github.com/google/go-licenses@v1.6.0

$(TOOLS)/govulncheck:
	GOBIN=$(TOOLS) go install golang.org/x/vuln/cmd/govulncheck@v1.1.4

clean: ## remove what was built
	rm -rf bin coverage.out
