# Every step of development and of CI is a target here. `make help` lists them.
# What has to be on the machine: rustup (rust-toolchain.toml names the rest), Python 3.10 or later (3.11 for `make test`), a C compiler
# for SQLite.

CARGO  ?= cargo
PYTHON ?= python3
# How long `make fuzz` runs each of its targets.
SECONDS ?= 10

TARGET := $(or $(CARGO_TARGET_DIR),target)
WASM   := dist/flint-auth.wasm
FLINT  := $(TARGET)/debug/flint
# The most that the filter may weigh, in bytes: 1 MiB.
WASM_LIMIT := 1048576

.DEFAULT_GOAL := help
.PHONY: help wasm flint demo test test-unit test-envoy test-dashboard lint fmt bench fuzz clean need-cargo need-wasm need-cc

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

wasm: need-cargo need-wasm ## Build the filter, dist/flint-auth.wasm
# `cargo build` drops link-time optimisation where a crate is cdylib and rlib at once; naming one crate type keeps it.
	$(CARGO) rustc --locked --profile filter --target wasm32-wasip1 --package flint-auth --lib --crate-type cdylib
	@mkdir -p dist
	@cp $(TARGET)/wasm32-wasip1/filter/flint_auth.wasm $(WASM).new
	@mv $(WASM).new $(WASM)
	@size=$$(wc -c < $(WASM)); echo "$(WASM): $$size bytes of at most $(WASM_LIMIT)"; test $$size -le $(WASM_LIMIT)

flint: need-cargo need-wasm need-cc ## Build the authority, target/debug/flint
	$(CARGO) build --locked --package flint

demo: wasm flint ## Run the whole thing on this machine; ONCE=1 checks every answer and stops
	$(PYTHON) tools/demo --flint $(FLINT) --wasm $(WASM) $(if $(ONCE),--once)

test: test-unit test-envoy test-dashboard ## Run every test

test-unit: need-cargo need-cc ## Run the tests that need no Envoy: unit, documentation, authority
	$(CARGO) test --locked --package flint-auth --lib --bins --test properties
	$(CARGO) test --locked --package flint-auth --doc
	$(CARGO) test --locked --package flint-abi --package flint-contract --package flint

test-envoy: wasm flint ## Run the tests on a real Envoy
	$(PYTHON) tools/capabilities --check $(WASM) envoy/*.yaml
	envoy=$$($(PYTHON) tools/envoy) && ENVOY=$$envoy $(CARGO) test --locked --package flint-auth --test envoy

test-dashboard: flint ## Run the dashboard's tests in a real Chromium
	bin=$$($(PYTHON) tools/clients --bin) && PATH="$$bin:$$PATH" tests/dashboard/run $(abspath $(FLINT))

lint: need-cargo need-wasm need-cc ## Check format, lints on both targets, and the repository itself
	$(CARGO) fmt --all --check
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
# What only the wasm build sees is invisible to the native run.
	$(CARGO) clippy --locked --package flint-auth --package flint-abi --package flint-contract --target wasm32-wasip1 -- -D warnings
# The fuzz targets are a workspace of their own; their lock file has to follow the filter's dependencies.
	$(CARGO) metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
	$(PYTHON) tools/check-repository

fmt: need-cargo ## Format the code
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

bench: wasm flint ## Measure, and write docs/benchmarks.md
	envoy=$$($(PYTHON) tools/envoy) && ENVOY=$$envoy benches/run

fuzz: need-cargo ## Run every fuzz target for SECONDS=10 each
	tools/fuzz $(SECONDS)

clean: ## Remove what was built, and what the demo left; keep the downloads in .envoy/
	$(CARGO) clean
	rm -rf dist .demo

need-cargo:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust with rustup, https://rustup.rs" >&2; exit 1; }

# rustup fetches what rust-toolchain.toml lists by itself, but not where RUSTUP_AUTO_INSTALL=0 tells it not to.
need-wasm: need-cargo
	@test -d "$$(rustc --print target-libdir --target wasm32-wasip1)" || rustup target add wasm32-wasip1 || \
	  { echo "The Rust target wasm32-wasip1 is missing: rustup target add wasm32-wasip1" >&2; exit 1; }

need-cc:
	@command -v $${CC:-cc} >/dev/null || { echo "A C compiler is missing (the authority builds SQLite):" \
	  "apt-get install gcc libc6-dev, or dnf install gcc; or set CC" >&2; exit 1; }
