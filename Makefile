# Every target does its own set-up: on Debian and Ubuntu, with Go installed,
# `make demo` and `make test` work from a fresh clone. What is missing comes
# from apt (scripts/need); nothing that is there is touched.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
export CGO_ENABLED := 0
# Our own tests run containers on machines where the engine's defaults fail;
# the product assumes nothing of this file.
export CONTAINERS_CONF := $(CURDIR)/containers.conf

BIN := bin/fairlead
GOFLAGS_RELEASE := -trimpath -buildvcs=false -ldflags "-s -w -buildid="

.PHONY: build demo test unit e2e bench lint generate conformance fuzz faults setup clean bench-bootstrap bench-pin-check bench-build-image bench-canary bench-gate-cpu e2e-canary

build: ## the binary, static and reproducible
	go build $(GOFLAGS_RELEASE) -o $(BIN) ./cmd/fairlead

demo: build ## the whole chain on this machine, from commit to production
	@scripts/need demo
	$(BIN) demo

test: unit e2e lint ## what CI runs

unit: ## fast tests beside the code
	@scripts/need unit
	go test ./...

e2e: build ## with real parts: containers, registries, git
	@scripts/need e2e
	FAIRLEAD_BIN=$(CURDIR)/$(BIN) go test -tags e2e -count=1 -timeout 25m ./e2e/...

lint: ## formatting, vet, staticcheck, our own rules
	@scripts/need lint
	scripts/lint

generate: ## everything that is written by a program
	go generate ./...

conformance: ## against pip, packaging, uv, poetry, pdm and pipenv from the package index
	@scripts/need conformance
	@scripts/conformance-tools
	go test -tags conformance -count=1 -timeout 150m -run Conformance -v ./internal/...
	@scripts/conformance-page

faults: ## every request of a push and a build fails, hangs, breaks, lies … in turn
	FAIRLEAD_FAULTS=1 go test -count=1 -timeout 60m -run 'Mischief' -v ./internal/oci ./internal/image

fuzz: ## every parser, FUZZTIME each
	scripts/fuzz $(or $(FUZZTIME),30s)

bench: build ## speed, as ratios to the peers in the same run
	@scripts/need bench
	scripts/bench

bench-bootstrap: build ## how long an action takes to start its tool
	@scripts/need e2e
	go run ./bench/bootstrap $(CURDIR)/.cache/node/node_modules/.bin/node $(CURDIR)/$(BIN) .

bench-pin-check: ## pin-check and its peers over a seeded corpus
	@scripts/need bench
	bench/pin-check/run

bench-canary: ## the judge and its peers, simulated: false alarms and time to detect
	@scripts/need unit
	go run ./bench/canary

e2e-canary: build ## twenty releases and four rollouts judged end to end: half an hour, on a calm machine
	@scripts/need e2e-canary
	FAIRLEAD_BIN=$(CURDIR)/$(BIN) FAIRLEAD_E2E_CANARY=$(CURDIR)/bench/canary/e2e.md FAIRLEAD_E2E_PROMETHEUS3=$(CURDIR)/.cache/prometheus3 \
		go test -tags e2e -count=1 -timeout 60m -v -run 'TestCanaryReleases|TestCanaryPrometheus3' ./e2e

bench-gate-cpu: build ## the CPU time of a look of canary-gate
	@scripts/need unit
	go run ./bench/gate-cpu $(CURDIR)/$(BIN)

bench-build-image: ## conversion, growth and warm builds beside the peers
	@scripts/need bench
	bench/build-image/run

clean:
	rm -rf bin .cache
