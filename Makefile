# make demo: the example commands inside a real Mesos.  make test: every test.
# Both do their own set-up; see README.md.

CARGO ?= cargo
PYTHON ?= python3
HOST = target/release/mesos-host
FETCH = $(PYTHON) cpp/host/real-mesos/fetch.py

.PHONY: all build demo demo-cluster test lint unit in-mesos observe bench bench-check clean

all: build

# What an operator installs. Needs Rust and g++ alone.
build:
	$(CARGO) build --release

$(HOST): FORCE
	$(CARGO) build --release --workspace
FORCE:

demo: $(HOST)
	.ci/setup demo
	@tests/mesos/demo.sh $(HOST)

demo-cluster: $(HOST)
	.ci/setup demo
	$(FETCH) 1.11.0
	$(HOST) cluster --mesos 1.11.0 --modules tests/mesos/record.modules.json --records --tasks 50 --restart kill
	$(PYTHON) tests/mesos/launch.py --host $(HOST) --tasks 50

test: lint unit in-mesos observe

lint:
	.ci/setup test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

unit:
	$(CARGO) test --workspace
	$(PYTHON) -m unittest discover -q cpp/host/real-mesos

# The module inside real Mesos libraries; ends with the table of releases.
in-mesos: $(HOST)
	$(PYTHON) cpp/tests/interface.py
	$(PYTHON) tests/mesos/suite.py --host $(HOST)

# Ratios against bare loops, and against the committed bounds.
bench: $(HOST)
	.ci/setup bench
	$(FETCH) 1.11.0
	$(PYTHON) benches/table.py

bench-check: $(HOST)
	.ci/setup bench
	$(FETCH) 1.11.0
	$(PYTHON) benches/table.py --check

# The metrics inside a real Mesos, before a real Prometheus.
observe: $(HOST)
	$(PYTHON) tests/observe/observe.py

clean:
	$(CARGO) clean
