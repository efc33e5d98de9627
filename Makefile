# Targets for people; scripts/ holds what is longer than a line. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

export CGO_ENABLED := 1
export GOLANGCI_LINT_CACHE := $(CURDIR)/bin/.lint

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X probity.dev/app.Version=$(VERSION)
DATA    ?= ./demo-data
LISTEN  ?= 127.0.0.1:8780
LINT    := bin/golangci-lint
LINT_VERSION := v2.15.0

console_sources := $(shell find console -path console/node_modules -prune -o -path console/dist -prune -o -type f \( -path 'console/src/*' -o -path 'console/public/*' -o -name index.html -o -name 'package*.json' -o -name 'tsconfig*.json' -o -name 'vite.config.ts' \) -print)

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z\/]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

.PHONY: demo
demo: build ## build, fill ./demo-data with an invented tenant, serve it; prints a URL and a login
	bin/probity demo --data $(DATA) --listen $(LISTEN)

.PHONY: build
build: console ## build bin/probity with the console inside
	@scripts/need.sh go cc
	go build -ldflags '$(LDFLAGS)' -o bin/probity ./cmd/probity

.PHONY: console
console: console/dist/index.html ## build the console when its sources are newer than what was built

console/dist/index.html: console/node_modules/.package-lock.json $(console_sources)
	cd console && npm run --silent build
	@touch console/dist/.gitkeep console/dist/index.html

console/node_modules/.package-lock.json: console/package-lock.json
	@scripts/need.sh node
	cd console && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: test
test: ## run everything: vet, Go with coverage, other people's verifiers, console, browser
	@scripts/test.sh

.PHONY: test/quick
test/quick: ## run the Go tests with caching and without coverage
	@scripts/need.sh go cc cxx minio promtool pebble
	go vet ./...
	go test ./...

.PHONY: race
race: ## run the concurrent parts under the race detector
	@scripts/need.sh go cc cxx minio
	go test -race -timeout 40m ./access/... ./client/... ./internal/... ./ledger/...

.PHONY: lint
lint: $(LINT) console/node_modules/.package-lock.json ## run the linters of .golangci.yml and the console's type check
	$(LINT) run ./...
	cd console && npm run --silent check

$(LINT):
	@scripts/need.sh go cc
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

.PHONY: fmt
fmt: $(LINT) ## format the Go files
	$(LINT) fmt ./...

.PHONY: bench
bench: ## measure the ledger beside a PostgreSQL table (5 million events; about half an hour)
	@scripts/need.sh go cc postgres
	go run ./test/bench $(BENCH)
	go run ./test/bench -only decisions

.PHONY: bench/quick
bench/quick: ## the same table from 500,000 events, within about a minute
	@scripts/need.sh go cc postgres
	go run ./test/bench -quick $(BENCH)

.PHONY: soak
soak: ## kill, fill disks and cut connections 100 times each (hours)
	@scripts/need.sh go cc
	PROBITY_SOAK=100 go test ./test/faults -count=1 -timeout 3h -v

.PHONY: fips
fips: console ## build bin/probity-fips on the FIPS 140-3 module and run the suites that use cryptography with it
	@scripts/fips.sh '$(LDFLAGS)'

.PHONY: docs
docs: ## write the generated documents again
	@scripts/docs.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf bin coverage* console/node_modules test/e2e/node_modules console/dist
	mkdir -p console/dist
	touch console/dist/.gitkeep
