# Each target is one command that can also be typed.

PAGE_TESTS := crates/testkit/page
FUZZ_SECS ?= 60
SOAK ?= 20

.PHONY: help run test test-rust test-page screenshots bench bench-code bench-durable bench-count bench-full bench-crowd bench-scale bench-stalled bench-soak bench-deploy bench-peers bench-proxies peers proxies self-test budgets report lint doc fuzz soak setup clean

help: ## Shows this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: ## Builds a release and runs the demo on http://127.0.0.1:8080/
	cargo run --release --package tricast-cli -- demo

test: setup test-rust test-page ## Installs what the tests need, then runs all of them

test-rust: ## Unit, property, conformance and command tests; the conformance suite on both ways out, and over TLS
	cargo test --workspace
	TRICAST_FANOUT__WAY=body cargo test --package tricast-testkit --test conformance
	TESTKIT_TLS=1 cargo test --package tricast-testkit --test conformance
	TESTKIT_TLS=1 TRICAST_FANOUT__WAY=body cargo test --package tricast-testkit --test conformance

test-page: ## The page in a real browser, the browser client in two (after `make setup`)
	cargo build --package tricast-cli
	npm --prefix $(PAGE_TESTS) test

screenshots: ## The guide's pictures of the page, one for each scenario: about three minutes (after `make setup`)
	cargo build --release --package tricast-cli
	TRICAST_BIN=target/release/tricast node $(PAGE_TESTS)/shots.js

bench: bench-code bench-count ## criterion and instruction counts, then the lab's quick scenario and its report: under 8 minutes on 2 cores
	cargo run --release --package tricast-cli -- lab run --scenario quick

bench-code: ## criterion alone
	cargo bench --package tricast-benches --bench code_paths --bench fan_out --bench end_to_end

bench-durable: ## The same load in memory, under async and under sync: about three minutes
	cargo bench --package tricast-benches --bench durable

bench-count: ## Instructions of the hot steps against their budgets, by valgrind (after `make setup`)
	cargo test --package tricast-benches --test budgets -- --nocapture

self-test: ## Holds the lab against a server with known faults and costs: about two minutes
	cargo run --release --package tricast-cli -- lab self-test

bench-full: ## The lab's full scenario, with real proxies after `make proxies`: about three quarters of an hour; ARGS="--resume --live"
	cargo run --release --package tricast-cli -- lab run --scenario full $(ARGS)

peers: ## Installs other servers under target/peers, for comparison; each of them is optional
	benches/peers/install.sh

proxies: ## Unpacks Debian's nginx, HAProxy and Caddy under target/peers; each of them is optional
	benches/peers/install.sh target/peers nginx haproxy caddy

bench-deploy: ## 10,000 clients come back at once, each with 100 events to catch up on
	cargo bench --package tricast-benches --bench deploy

bench-peers: ## Compares tricast with the servers that `make peers` installed
	cargo run --release --package tricast-cli -- lab peers

bench-proxies: ## nginx, HAProxy and Caddy (after `make proxies`) in front of every transport: about seven minutes
	cargo run --release --package tricast-cli -- lab proxies

budgets: ## Counts the hot steps' instructions and writes them into benches/budgets.toml
	BUDGETS=rewrite cargo test --package tricast-benches --test budgets -- --nocapture

bench-crowd: ## 15,000 subscribers on all transports at once: about a minute
	cargo run --release --package tricast-cli -- lab crowd

bench-scale: ## Server CPU over subscribers, rooms, namespaces and history: about five minutes
	cargo run --release --package tricast-cli -- lab crowd scale

bench-stalled: ## 10,000 readers that never read, beside others that do: about six minutes
	cargo run --release --package tricast-cli -- lab crowd stalled

bench-soak: ## 15,000 subscribers that come and go for ten minutes
	cargo run --release --package tricast-cli -- lab crowd soak

report: ## Renders the newest run's report again
	cargo run --release --package tricast-cli -- lab report target/tricast/runs/latest

soak: ## The random schedules SOAK (20) times as often as in the tests
	TRICAST_SOAK=$(SOAK) cargo test --package tricast-feed --test model
	TRICAST_SOAK=$(SOAK) cargo test --package tricast-hub --test schedule
	TRICAST_SOAK=$(SOAK) cargo test --package tricast-testkit --test guarantee

fuzz: ## Every decoder under libFuzzer, FUZZ_SECS (60) seconds each (after `cargo install cargo-fuzz`, with a nightly compiler)
	.ci/fuzz $(FUZZ_SECS)

lint: ## Format, clippy and documents, without a warning
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps

doc: ## The crates' documents, in target/doc
	cargo doc --workspace --no-deps

setup: ## Installs what the tests need beside cargo: Chromium, Firefox, the test runner's packages, valgrind
	.ci/setup $(PAGE_TESTS)

clean: ## Removes what was built
	cargo clean
