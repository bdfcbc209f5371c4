# Every step of development and of CI is a target here. `make help` lists them.
# What has to be on the machine: rustup (rust-toolchain.toml names the rest), Python 3.11 or later, make, a C compiler.
# Everything else comes into .tools/ from the package registries. tools/preflight says what is missing before anything runs.

CARGO  ?= cargo
PYTHON ?= python3
# How long `make fuzz` runs each of its targets.
SECONDS ?= 10
# What `make audit` checks; nothing is everything.
CHECKS ?=

TARGET := $(or $(CARGO_TARGET_DIR),target)
WASM   := dist/flint-auth.wasm
FLINT  := $(TARGET)/debug/flint
# The most that the filter may weigh, in bytes: 1 MiB.
WASM_LIMIT := 1048576

PREFLIGHT := PYTHON=$(PYTHON) CARGO=$(CARGO) tools/preflight
STEP      := @tools/step

.DEFAULT_GOAL := help
.PHONY: help wasm flint demo test test-unit test-envoy test-oauth test-dashboard lint fmt audit bench fuzz clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

wasm: ## Build the filter, dist/flint-auth.wasm
	@$(PREFLIGHT) wasm
# A static library, so that tools/link-filter decides what the module exports. Naming one crate type also keeps link-time
# optimisation, which cargo drops if a crate is cdylib and rlib at once.
	$(CARGO) rustc --locked --profile filter --target wasm32-wasip1 --package flint-auth --lib --crate-type staticlib
	@mkdir -p dist
	$(PYTHON) tools/link-filter $(TARGET)/wasm32-wasip1/filter/libflint_auth.a $(WASM)
	@size=$$(wc -c < $(WASM)); echo "$(WASM): $$size bytes of at most $(WASM_LIMIT)"; test $$size -le $(WASM_LIMIT)

flint: ## Build the authority, target/debug/flint
	@$(PREFLIGHT) flint
	$(CARGO) build --locked --package flint

demo: ## Run the whole thing on this machine; ONCE=1 checks every answer and stops
	@$(PREFLIGHT) demo
	@$(MAKE) --no-print-directory wasm flint
	$(PYTHON) tools/demo --flint $(FLINT) --wasm $(WASM) $(if $(ONCE),--once)

test: ## Run every test
	$(STEP) "what the tests need" env $(PREFLIGHT) test-unit test-envoy test-oauth test-dashboard
	$(STEP) "tests that need no Envoy" $(MAKE) --no-print-directory test-unit
	$(STEP) "tests on a real Envoy" $(MAKE) --no-print-directory test-envoy
	$(STEP) "tests with foreign OAuth programs" $(MAKE) --no-print-directory test-oauth
	$(STEP) "tests in a real Chromium" $(MAKE) --no-print-directory test-dashboard

test-unit: ## Run the tests that need no Envoy: unit, documentation, authority
	@$(PREFLIGHT) test-unit
	$(CARGO) test --locked --package flint-auth --lib --bins --test properties
	$(CARGO) test --locked --package flint-auth --doc
	$(CARGO) test --locked --package flint-abi --package flint-contract --package flint

test-envoy: ## Run the tests on a real Envoy
	@$(PREFLIGHT) test-envoy
	@$(MAKE) --no-print-directory wasm flint
	$(PYTHON) tools/capabilities --check $(WASM) envoy/*.yaml
	envoy=$$($(PYTHON) tools/envoy) && ENVOY=$$envoy $(CARGO) test --locked --package flint-auth --test envoy

test-oauth: ## Have foreign OAuth clients and servers meet flint and a real Envoy
	@$(PREFLIGHT) test-oauth
	@$(MAKE) --no-print-directory wasm flint
	$(CARGO) build --locked --package flint --example oauth2_client
	PYTHON=$(PYTHON) tests/oauth/run $(abspath $(FLINT))

test-dashboard: ## Run the dashboard's tests in a real Chromium
	@$(PREFLIGHT) test-dashboard
	@$(MAKE) --no-print-directory flint
	tests/dashboard/run $(abspath $(FLINT))

lint: ## Check format, lints on both targets, and the repository itself
	@$(PREFLIGHT) lint
	$(CARGO) fmt --all --check
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
# What only the wasm build sees is invisible to the native run.
	$(CARGO) clippy --locked --package flint-auth --package flint-abi --package flint-contract --target wasm32-wasip1 -- -D warnings
# The fuzz targets are a workspace of their own; their lock file has to follow the filter's dependencies.
	$(CARGO) metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
	$(PYTHON) tools/check-repository

fmt: ## Format the code
	@$(PREFLIGHT) fmt
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

audit: ## Check the dependencies for advisories, licences and sources; CHECKS="bans licenses sources" needs no network
	@$(PREFLIGHT) audit
	$(CARGO) deny --locked --workspace check --hide-inclusion-graph $(CHECKS)

bench: ## Measure, and write docs/benchmarks.md
	@$(PREFLIGHT) bench
	@$(MAKE) --no-print-directory wasm flint
	envoy=$$($(PYTHON) tools/envoy) && ENVOY=$$envoy benches/run

fuzz: ## Run every fuzz target for SECONDS=10 each
	@$(PREFLIGHT) fuzz
	tools/fuzz $(SECONDS)

clean: ## Remove what was built, and what the demo left; keep the downloads in .tools/
	$(CARGO) clean
	rm -rf dist .demo
