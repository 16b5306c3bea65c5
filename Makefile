# Forebay. `make` alone says what there is.
.NOTPARALLEL:
.PHONY: help build run test unit scenarios scenarios-race lint fuzz bench install-test-peers clean

# On a build machine results of an earlier run prove nothing.
FRESH := $(if $(CI),-count=1)
FUZZTIME := 10s
# Most scenarios wait for something: so many go on at once, more than there are processors.
ATONCE := -parallel 8
# What forebay version says. Outside a repository write make VERSION=1.2.3.
VERSION = $(shell git describe --always --dirty 2>/dev/null)
STAMP = -ldflags '-X main.stamped=$(VERSION)'

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' Makefile

build: ## bin/forebay
	go build -trimpath $(STAMP) -o bin/forebay ./cmd/forebay

run: build ## four sample backends on 127.0.0.1:8000-8003 and a balancer on :8080
	bin/forebay demo

test: install-test-peers build lint unit scenarios scenarios-race ## lint, unit, scenarios and scenarios-race, with all set-up

lint: ## gofmt, go vet, staticcheck
	integration/lint

unit: ## the packages' own tests, under the race detector
	go test -race $(FRESH) $$(go list ./... | grep -v '/integration$$')

scenarios: build ## the built binary from outside, alone and between real servers and clients
	BINARY_UNDER_TEST=$(CURDIR)/bin/forebay go test -count=1 -timeout 15m $(ATONCE) ./integration

scenarios-race: ## the same with a binary under the race detector, without what measures
	go build -race $(STAMP) -o bin/forebay-race ./cmd/forebay
	BINARY_UNDER_TEST=$(CURDIR)/bin/forebay-race UNDER_RACE=1 go test -count=1 -timeout 15m $(ATONCE) ./integration

fuzz: ## each fuzz target for FUZZTIME (10s)
	integration/fuzz $(FUZZTIME)

bench: build ## cost side by side with nginx and HAProxy; writes docs/benchmarks.md
	go run ./integration/bench

install-test-peers: ## what the tests need from Debian, where it is missing and may be installed
	integration/install-peers

clean: ## remove what the targets above made
	rm -rf bin .bench
