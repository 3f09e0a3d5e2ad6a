# Everything a contributor runs. `make` alone lists it. Needs make, git and Python 3.11, 3.12 or 3.13; uses uv if it is
# there. PYTHON=... chooses the Python, VENV=... another folder for the environment.

VENV ?= .venv
PYTHON ?=
export PYTHON

# How many tests run at a time.
JOBS ?= 2

KAFKA_VERSION ?= 3.9.1
KAFKA := .make/kafka-$(KAFKA_VERSION)

BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint units kafka broker bench bench-kafka bench-quality soak lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make the environment in .venv (the others do it by themselves)

# Made again only when what should be in it has changed.
$(READY): requirements.lock pyproject.toml .ci/make-venv
	@sh .ci/make-venv $(VENV)
	@touch $@

demo: $(READY) ## Watch a simulated week of a small company, with its troubles found
	@$(BIN)/beforehand demo

test: lint ## Check the code and run all tests
	$(BIN)/pytest -n $(JOBS) --dist worksteal

lint: $(READY) ## Check style, types and which layer imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

units: $(READY) ## Run the quick tests only, as on every supported Python
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m units

kafka: $(KAFKA)/.ready ## Fetch the Kafka that its tests run on (KAFKA_VERSION; needs Java 17 and Maven)

$(KAFKA)/.ready: tests/kafka/pom.xml
	@command -v java >/dev/null && command -v mvn >/dev/null || { echo "This needs Java 17 and Maven (mvn)"; exit 1; }
	mvn -q -B -f tests/kafka/pom.xml -Dkafka.version=$(KAFKA_VERSION) \
	    dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/$(KAFKA)
	@touch $@

broker: $(READY) $(KAFKA)/.ready ## Run that Kafka at 127.0.0.1:9092 to try a worker with, until Ctrl-C
	@$(BIN)/python -m tests.kafka.broker

bench: $(READY) ## Measure speed and print the figures
	$(BIN)/python benchmarks/core.py
	$(BIN)/python benchmarks/deciding.py

bench-kafka: $(READY) $(KAFKA)/.ready .make/bench/.ready ## Measure the worker on a real Kafka, beside other stream processors
	$(BIN)/python benchmarks/kafka.py

bench-quality: $(READY) ## Measure how right the models are, on the logs in the folder BEFOREHAND_REAL_DATA
	$(BIN)/python benchmarks/quality/run.py

# The others live in an environment of their own, so that what they need never meets what we need.
.make/bench/.ready: benchmarks/requirements-kafka.txt
	$(BIN)/python -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

soak: $(READY) ## Run the tests that take minutes at larger sizes: simulation (SIM_SEEDS), kills (KILLS), decisions (DECISIONS)
	SIM_SEEDS=$${SIM_SEEDS:-200000} KILLS=$${KILLS:-1000} WORKER_KILLS=$${WORKER_KILLS:-200} \
	    DECISIONS=$${DECISIONS:-100000} BOUNCES=$${BOUNCES:-10} ROUNDS=$${ROUNDS:-50} STALL_S=$${STALL_S:-90} MEMBERS=$${MEMBERS:-10000} $(BIN)/pytest -n 2 -m slow

lock: ## Choose versions anew and write requirements.lock (needs uv)
	uv lock --upgrade
	uv export --quiet --frozen --all-groups --all-extras --no-emit-project --no-header --no-annotate -o requirements.lock >/dev/null

clean: ## Remove the environment and everything that was built
	rm -rf $(VENV) .make dist build demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
