# make run      installs what is missing, builds, and runs the whole system
# make test     runs all tests        make lint   checks form, lints, docs and types
# make bench    runs the benchmarks   make clean  removes what was built
# make matrix   joins encoders' media at 50 places for each rate, codec and input
# make drill    breaks a system part by part and judges it by what viewers see
# make guards   breaks the guards of that system, and sees that the drill notices
# make players  kills, stops and upgrades a system while three players show it in a browser
# make fuzz     fuzzes every reader of what comes from outside
#
# make run-local-worker|server1|server2|discovery|reporter|origin   one part, from source
# make build, make run-worker|server1|…                             the same in containers

SHELL := /bin/bash
export PATH := $(PATH):$(HOME)/.cargo/bin

AIRTIGHT := target/release/airtight
CARGO := cargo
NPM := npm --no-audit --no-fund --loglevel=error
COMPOSE := docker compose
PARTS := worker server1 server2 discovery reporter origin

WEB := web/dist/index.html
WEB_MODULES := web/node_modules/.package-lock.json
BROWSER_MODULES := tools/browser/node_modules/.package-lock.json
WEB_SOURCES := web/index.html web/package.json web/tsconfig.json web/vite.config.ts $(wildcard web/src/*)

.PHONY: help
help:
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile

# ---- the whole system ----

.PHONY: run
run: $(AIRTIGHT)
	@exec $(AIRTIGHT) up

.PHONY: $(AIRTIGHT)
$(AIRTIGHT): setup-run $(WEB)
	$(CARGO) build --release --locked -p airtight

.PHONY: setup-build setup-run setup-test setup-bench setup-drill setup-fuzz
setup-build setup-run setup-test setup-bench setup-drill setup-fuzz: setup-%:
	@scripts/setup.sh $*

# ---- the page ----

.PHONY: web
web: $(WEB)

$(WEB): $(WEB_SOURCES) $(WEB_MODULES)
	$(NPM) --prefix web run build

$(WEB_MODULES) $(BROWSER_MODULES): %/node_modules/.package-lock.json: %/package-lock.json | setup-build
	$(NPM) --prefix $* ci
	@touch $@

# ---- checks ----

.PHONY: lint
lint: setup-build $(WEB_MODULES) $(BROWSER_MODULES)
	$(CARGO) fmt --all --check
	scripts/lint-units.sh
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --locked --no-deps --document-private-items
	$(NPM) --prefix web run check
	$(NPM) --prefix tools/browser run check

# Where encoders join is drawn from this; `make matrix` draws anew each time. A run that fails prints its own.
SEED ?= 1

# Tests that wait for what they expect run side by side; those that measure time in pairs, or have the machine to themselves.
.PHONY: test
test: export SEED := $(SEED)
test: setup-test $(WEB) $(BROWSER_MODULES)
	$(CARGO) test --workspace --locked --no-run
	INSTA_UPDATE=no $(CARGO) test --workspace --locked --lib --bins
	$(CARGO) test --workspace --locked --doc
	$(NPM) --prefix tools/browser test
	$(CARGO) test --workspace --locked --test nothing_breaks --test together -- --test-threads=4
	$(CARGO) test --workspace --locked --test paired -- --test-threads=2
	$(CARGO) test --workspace --locked --test alone -- --test-threads=1

.PHONY: bench
bench: setup-bench $(AIRTIGHT)
	scripts/performance.sh $(AIRTIGHT)

# Changes between two encoders at 50 random places for each rate, codec and odd input; `make test` at 2.
.PHONY: matrix
matrix: setup-test
	JOINS=50 $(CARGO) test --locked -p airtight --bin airtight joins

# What is tried, and how: make drill DRILL='--quick', or --random 50 --seed 7 --duration 10m
.PHONY: drill
drill: setup-drill $(AIRTIGHT)
	$(AIRTIGHT) drill --report target/drill $(DRILL)

# Breaks each guard on purpose and sees that its cell notices; half an hour.
.PHONY: guards
guards: setup-drill $(WEB)
	scripts/guards.sh

# Three players in a browser, while every component is killed, stopped and upgraded; some of it: make players PLAYERS='--only kill@origin1'
.PHONY: players
players: setup-test $(AIRTIGHT) $(BROWSER_MODULES)
	@mkdir -p target
	set -o pipefail; node tools/browser/rehearse.mjs --airtight $(AIRTIGHT) $(PLAYERS) | tee target/players.md

# Ten minutes for each target; longer or shorter: make fuzz SECONDS_EACH=60
.PHONY: fuzz
fuzz: setup-fuzz
	scripts/fuzz.sh $(SECONDS_EACH)

.PHONY: clean
clean:
	$(CARGO) clean
	rm -rf fuzz/target fuzz/corpus web/dist web/node_modules tools/browser/node_modules

# ---- one part at a time, from source, on the shared folder ./output ----

PACKAGERS = http://localhost:$${SERVER_ONE_PORT:-8080},http://localhost:$${SERVER_TWO_PORT:-9090}
REPORTER = http://localhost:$${REPORTER_PORT:-2000}

worker_command    = worker --output ./output
server1_command   = packager --name server1 --root ./output
server2_command   = packager --name server2 --root ./output
discovery_command = discovery --output ./output --packagers $(PACKAGERS) --reporter $(REPORTER)
reporter_command  = reporter
origin_command    = origin --reporter $(REPORTER)

LOCAL := $(PARTS:%=run-local-%)

.PHONY: $(LOCAL)
$(LOCAL): run-local-%: $(AIRTIGHT)
	@mkdir -p output
	@exec $(AIRTIGHT) $($*_command) $(ARGS)

# The worker plays what is in ./input; an empty folder gets a test programme.
TEST_INPUT := input/live01.mp4
ifeq ($(INPUT_STREAM_PATH)$(AIRTIGHT_INPUT)$(wildcard input/*),)
run-local-worker: $(TEST_INPUT)
endif

.PHONY: input
input: $(TEST_INPUT)

$(TEST_INPUT): | setup-run
	scripts/test-input.sh $@

# ---- the same in containers ----

.PHONY: build
build:
	docker build --tag airtight .

.PHONY: $(PARTS:%=run-%)
$(PARTS:%=run-%): run-%:
	$(COMPOSE) run --rm --service-ports --use-aliases $*
