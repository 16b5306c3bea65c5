# Forebay. `make` alone says what there is.
.NOTPARALLEL:
.PHONY: help build run install uninstall test unit scenarios scenarios-race soak lint fuzz bench install-test-peers check-go clean

# On a build machine results of an earlier run prove nothing.
FRESH := $(if $(CI),-count=1)
FUZZTIME := 10s
SOAK := 10m
# Most scenarios wait for something: so many go on at once, more than there are processors.
ATONCE := -parallel 8
# What forebay version says. Outside a repository write make VERSION=1.2.3.
VERSION = $(shell git describe --always --dirty 2>/dev/null)
STAMP = -ldflags '-X main.stamped=$(VERSION)'
# Where make install puts what there is. DESTDIR stands before all of it, for packages.
PREFIX := /usr/local
DESTDIR :=
LIB = $(DESTDIR)$(PREFIX)/lib
SHARE = $(DESTDIR)$(PREFIX)/share
ETC = $(DESTDIR)/etc
INSTALLED = $(DESTDIR)$(PREFIX)/bin/forebay $(LIB)/systemd/system/forebay.service $(LIB)/sysusers.d/forebay.conf \
	$(LIB)/tmpfiles.d/forebay.conf $(SHARE)/bash-completion/completions/forebay $(SHARE)/zsh/site-functions/_forebay \
	$(ETC)/fish/completions/forebay.fish

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' Makefile

build: check-go ## bin/forebay
	go build -trimpath $(STAMP) -o bin/forebay ./cmd/forebay

run: build ## four sample backends on 127.0.0.1:8000-8003 and a balancer on :8080
	bin/forebay demo

install: ## what make build made, for all users: program, completions, unit for systemd; PREFIX=/usr/local
	@test -x bin/forebay || { echo "make install: there is no bin/forebay yet; run make build first" >&2; exit 1; }
	install -d -m 755 $(dir $(INSTALLED)) $(ETC)/default
	install -m 755 bin/forebay $(DESTDIR)$(PREFIX)/bin/forebay
	bin/forebay completion bash | install -m 644 /dev/stdin $(SHARE)/bash-completion/completions/forebay
	bin/forebay completion zsh | install -m 644 /dev/stdin $(SHARE)/zsh/site-functions/_forebay
	bin/forebay completion fish | install -m 644 /dev/stdin $(ETC)/fish/completions/forebay.fish
	sed 's|/usr/local/bin|$(PREFIX)/bin|' packaging/forebay.service | \
		install -m 644 /dev/stdin $(LIB)/systemd/system/forebay.service
	install -m 644 packaging/forebay.sysusers $(LIB)/sysusers.d/forebay.conf
	install -m 644 packaging/forebay.tmpfiles $(LIB)/tmpfiles.d/forebay.conf
	test -e $(ETC)/default/forebay || install -m 644 packaging/forebay.default $(ETC)/default/forebay
	@# The unit's user and its directory for logs are made at once where systemd runs, and else at the next boot.
	@test -n "$(DESTDIR)" || test ! -d /run/systemd/system || \
		{ systemd-sysusers forebay.conf && systemd-tmpfiles --create forebay.conf && systemctl daemon-reload; }

uninstall: ## remove what make install put there; the settings in /etc/default/forebay stay
	rm -f $(INSTALLED)

test: install-test-peers build lint unit scenarios scenarios-race ## lint, unit, scenarios and scenarios-race, with all set-up

lint: check-go ## gofmt, go vet, staticcheck
	integration/lint

unit: check-go ## the packages' own tests, under the race detector
	go test -race $(FRESH) $$(go list ./... | grep -v '/integration$$')

scenarios: build ## the built binary from outside, alone and between real servers and clients
	BINARY_UNDER_TEST=$(CURDIR)/bin/forebay go test -count=1 -timeout 15m $(ATONCE) ./integration

scenarios-race: check-go ## the same with a binary under the race detector, without what measures
	go build -race $(STAMP) -o bin/forebay-race ./cmd/forebay
	BINARY_UNDER_TEST=$(CURDIR)/bin/forebay-race UNDER_RACE=1 go test -count=1 -timeout 15m $(ATONCE) ./integration

soak: build ## chaos for SOAK (10m), and a scan by testssl.sh
	SOAK=$(SOAK) BINARY_UNDER_TEST=$(CURDIR)/bin/forebay go test -count=1 -timeout 0 -v -run '^Test(Chaos|TestsslFindsNothing)$$' ./integration

fuzz: check-go ## each fuzz target for FUZZTIME (10s)
	integration/fuzz $(FUZZTIME)

bench: build ## cost side by side with nginx and HAProxy; writes docs/benchmarks.md
	go run ./integration/bench

install-test-peers: ## what the tests need from Debian, where it is missing and may be installed
	integration/install-peers

check-go:
	@packaging/check-go

clean: ## remove what the targets above made
	rm -rf bin .bench
