# `make help` lists the targets. Everything that a target needs beyond Go and make, it installs or asks for by name.
GO      ?= go
VERSION ?= 0.1.0-dev
BIN     ?= bin/sockerless
LDFLAGS := -s -w -X github.com/sockerless/sockerless/cmd.Version=$(VERSION)
export CGO_ENABLED ?= 0
export GOFLAGS     ?= -trimpath -tags=grpcnotrace

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PLATFORMS   := linux/amd64 linux/arm64 linux/riscv64 darwin/arm64 windows/amd64
AGENTS      := amd64 arm64 riscv64
MAXAGENT    := 15000000

.PHONY: help build agents demo test test-race e2e oracle bench lint cross clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

build: agents ## build bin/sockerless, and the agents and the program for clouds beside it
	$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN) .
	$(GO) build -ldflags '$(LDFLAGS)' -o $(dir $(BIN))sockerless-cloud ./cmd/sockerless-cloud

agents: ## build the agents that go into containers, none of them over 15 MB
	@set -e; for a in $(AGENTS); do \
		GOOS=linux GOARCH=$$a $(GO) build -ldflags '-s -w -X main.version=$(VERSION)' -o $(dir $(BIN))sockerless-agent-linux-$$a ./agent/sockerless-agent; \
		size=$$(wc -c <$(dir $(BIN))sockerless-agent-linux-$$a); \
		[ $$size -lt $(MAXAGENT) ] || { echo "the agent for $$a has $$size bytes"; exit 1; }; \
	done

demo: build ## run a real job through a server of its own and show the result
	@e2e/demo/run $(BIN)

test: build tools ## all tests: packages, then real clients against the built binary
	$(GO) test ./...

test-race: tools ## the packages in which goroutines meet, under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race $$($(GO) list ./... | grep -v /e2e)

.PHONY: tools
tools: ## install what the tests compare with
	@e2e/install-tools

oracle: tools ## run the same scripts against a real dockerd 28, and the backend docker on it (needs root on Debian)
	e2e/dockerd e2e/.cache/dockerd sh -c '$(GO) test -tags oracle ./e2e -run "TestDockerd|Engine" -count=1 -timeout 20m && $(GO) test -tags oracle ./offload/docker -count=1'

bench: build ## medians of what counts
	$(GO) run ./bench $(BENCHFLAGS) $(BIN)

lint: ## formatting, vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt: $$out"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

cross: ## build for every system that is supported
	@set -e; for p in $(PLATFORMS); do echo "$$p"; GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null . ; GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./cmd/sockerless-cloud; done

clean: ## remove what was built
	rm -rf bin
