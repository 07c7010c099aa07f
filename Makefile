# Abovefold's commands. Everything that is fetched or built lies in one folder outside the checkout, $(ABOVEFOLD_CACHE);
# nothing is fetched twice.
#
#   make demo              set up, build and run the newspaper on this machine alone; prints its address
#   make demo ARGS=--exit  the same, shows one reader's slate before and after some reads, and ends
#   make test              set up, build and run every test that this machine can run; ARGS go to cargo test,
#                          as in ARGS=marker or ARGS='--test state_conformance'
#   make build             the program, at target/release/abovefold
#   make mutants           builds the program with each fault of deploy/mutants.toml in turn, and says which tests catch it
#   make soak SEEDS=20000  the simulation over as many seeds, all of globo-dev in the matrix of digests, more kills and fail-overs
#   make bench             the benchmarks, as one table; ARGS go to them, as in ARGS=scan; a whole run leaves benches/results.json and a picture
#   make bench-gate        the same, its ratios compared with those that lie there
#   make load              a load run against the program, in the folder load-home; ARGS go to it, as in
#                          ARGS='--articles-count 10000 --readers 5000 --seconds 20'; ARGS=--help says what there is
#   make peers             Abovefold beside Kafka Streams, Flink and others, on the same events and servers; ARGS=--help says what can be set
#   make peers-gate        the same, its ratios compared with those of benches/peers/results.json
#   make servers           Kafka, Redis and Elasticsearch on 127.0.0.1 (KAFKA_PORT, REDIS_PORT, ELASTICSEARCH_PORT)
#   make servers-stop      stops them; their data is kept
#   make fmt lint doc      formats; checks; builds the crates' documentation
#   make setup             fetches all that the above need, without building

export ABOVEFOLD_CACHE ?= $(HOME)/.cache/abovefold
ARGS ?=
SETUP := deploy/setup
WITH_ENV := eval "$$($(SETUP)/env.sh)" &&
SHELL := /bin/bash

.DEFAULT_GOAL := build
SEEDS ?= 20000
# What is longer in `make soak`, and the tests in there that are.
SOAK := simulation the_digest_does_not_depend_on_how_it_was_folded a_killed_worker_leaves_no_trace a_store_that_forgets_is_filled_again
SOAKED := every_seed over_real_events on_the_embedded_edges over_kafka_and_redis a_cluster_that_fails_over
.PHONY: demo test build mutants soak bench bench-gate load peers peers-gate servers servers-stop fmt lint doc setup help

demo: build
	@target/release/abovefold demo $(ARGS)

build:
	@$(SETUP)/build.sh

test:
	@$(SETUP)/test.sh $(ARGS)

mutants: build
	@$(WITH_ENV) python3 $(SETUP)/mutants.py $(ARGS)

soak: build
	@$(SETUP)/servers.sh
	@$(WITH_ENV) ABOVEFOLD_SOAK=1 ABOVEFOLD_SIMULATION_SEEDS=$(SEEDS) RUST_TEST_THREADS=1 \
	    cargo test --release --workspace --locked --no-fail-fast $(SOAK:%=--test %) -- --nocapture $(SOAKED)

bench: build
	@# The whole workspace, as everywhere: one crate alone would be built with other features of its dependencies.
	@$(WITH_ENV) cargo bench --workspace --locked --bench '*' $(ARGS)

load: build
	@$(WITH_ENV) "$$CARGO_TARGET_DIR/release/load" $(ARGS)

bench-gate: build
	@$(WITH_ENV) cargo bench --workspace --locked --bench table -- --gate $(ARGS)

peers: build
	@$(SETUP)/peers.sh
	@# Bytecode written beside torch would make cargo build all that rests on libtorch anew.
	@$(WITH_ENV) PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH="$$LD_LIBRARY_PATH:$$ABOVEFOLD_CACHE/peers/absent" \
	    "$$ABOVEFOLD_CACHE/peers/reference-venv/bin/python" benches/peers/run.py $(ARGS)

peers-gate:
	@$(MAKE) --no-print-directory peers ARGS="--gate $(ARGS)"

servers:
	@$(SETUP)/servers.sh
	@deploy/servers/all.sh start

servers-stop:
	@deploy/servers/all.sh stop

setup:
	@$(SETUP)/system.sh build
	@$(SETUP)/torch.sh
	@$(SETUP)/native.sh
	@$(SETUP)/servers.sh
	@$(SETUP)/sklearn.sh
	@$(SETUP)/schemathesis.sh
	@$(SETUP)/site.sh

fmt:
	@cargo fmt --all

lint:
	@$(SETUP)/lint.sh

doc: setup
	@$(WITH_ENV) cargo doc --release --workspace --no-deps --locked

help:
	@sed -n 's/^#  *make/make/p' Makefile
