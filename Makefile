# make demo: the example commands inside a real Mesos.  make test: every test.
# Both do their own set-up; see README.md.

CARGO ?= cargo
PYTHON ?= python3
HOST = target/release/mesos-host
FETCH = $(PYTHON) cpp/host/real-mesos/fetch.py

.PHONY: all build demo demo-cluster demo-docker burst soak reload-load test lint unit in-mesos observe whole pages \
	pages-check ahead ahead-inside fleet regressions python fuzz deps sanitize aarch64 old-kernel install uninstall \
	packages packages-check dockerfile-check bench bench-check bench-compare clean

all: build

# What an operator installs. Needs Rust and g++ alone.
build:
	$(CARGO) build --release

$(HOST): FORCE
	$(CARGO) build --release --workspace
FORCE:

# Into /usr/local, or make install DESTDIR=/somewhere PREFIX=/usr MODULEDIR=/usr/lib/mesos/modules. Files
# are renamed into place: a library that an agent has loaded stays as it is until the agent restarts.
DESTDIR =
PREFIX = /usr/local
MODULEDIR =
INSTALL = --destdir "$(DESTDIR)" --prefix "$(PREFIX)" $(if $(MODULEDIR),--modules "$(MODULEDIR)")
install: build
	$(PYTHON) packaging/package.py install $(INSTALL)

uninstall:
	$(PYTHON) packaging/package.py uninstall $(INSTALL)

# Tarball, Debian's packages, RPM, bill of materials and sums, in target/packages.
packages:
	.ci/setup packages
	$(PYTHON) packaging/package.py all

# The packages are built twice, looked at by lintian, installed, upgraded under a host and removed.
packages-check: $(HOST)
	.ci/setup packages
	$(FETCH) 1.11.0
	$(PYTHON) packaging/proof.py

# The packages are built by packaging/Dockerfile, in a Docker of its own.
dockerfile-check: python
	.ci/setup docker
	.ci/setup packages
	$(PYTHON) packaging/container.py

demo: $(HOST)
	.ci/setup demo
	@tests/mesos/demo.sh $(HOST)

demo-cluster: $(HOST)
	.ci/setup demo
	$(FETCH) 1.11.0
	$(HOST) cluster --mesos 1.11.0 --modules tests/mesos/record.modules.json --records --tasks 50 --restart kill
	$(PYTHON) tests/mesos/launch.py --host $(HOST) --tasks 50

# The hooks of Mesos's Docker containerizer: a Docker daemon of its own, an agent, tasks in containers.
demo-docker: $(HOST)
	.ci/setup docker
	$(FETCH) 1.11.0
	$(PYTHON) tests/mesos/docker.py --host $(HOST) --mesos 1.11.0

# 100 tasks at once, each with a command of 0.4 s on the launch path, with every default: the last ones
# wait for longer than the timeout, and all of them run.
burst: $(HOST)
	.ci/setup demo
	$(FETCH) 1.11.0
	BURST=isolator_prepare $(HOST) cluster --mesos 1.11.0 --modules tests/mesos/burst.modules.json \
	  --tasks 100 --patience 300
	BURST=isolator_isolate $(HOST) cluster --mesos 1.11.0 --modules tests/mesos/burst.modules.json \
	  --tasks 100 --patience 300

# 4,000 calls/s inside Mesos for so many minutes, while commands, workers, files and descriptors come to
# harm; a schedule is played again with make soak SEED=N. Ends with target/soak/report.txt and chart.png.
MINUTES ?= 30
soak: $(HOST)
	.ci/setup demo
	$(PYTHON) tests/soak/soak.py --host $(HOST) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# A modules file that is reloaded while 4,000 usage calls a second are made inside Mesos, for so many
# seconds: no call is lost or answered by two versions, and a new version is seen within a second.
RELOAD_SECONDS ?= 20
reload-load: $(HOST)
	.ci/setup demo
	$(FETCH) 1.11.0
	$(PYTHON) tests/mesos/reload_load.py $(HOST) 1.11.0 --seconds $(RELOAD_SECONDS) --within 1

# Every part is played, whatever failed before; the end tells what did. See tests/README.md.
test: python
	$(PYTHON) tests/run.py

lint unit in-mesos observe: python
	$(PYTHON) tests/run.py setup $@

# The suite inside Mesos with every scenario in every release, of which `make test` plays a core in some.
whole: python $(HOST)
	.ci/setup test
	$(PYTHON) tests/mesos/suite.py --whole

# Tables of docs/, DIFFERENCES.md and dashboards/README.md, and the manual page of the parameters,
# as `mesos-command explain` prints them, and the texts of tests/tool/texts/. Tests hold them against it.
pages:
	WRITE_PAGES=1 $(CARGO) test --test tool -- pages:: texts::

# The status page in a real browser, which is installed; with PICTURES=docs those of docs/status-page.md
# are made anew.
PICTURES =
pages-check: python
	.ci/setup pages
	PAGES_CHECK=1 $(if $(PICTURES),PAGES_PICTURES=$(abspath $(PICTURES))) \
	  $(CARGO) test -p integration-tests --test engine status_page

# Table and drawing of docs/refresh-ahead.md, as the simulation gives them. A test holds them against it.
ahead:
	WRITE_PAGES=1 $(CARGO) test --test ahead page

# How long reads of an agent's statistics take at a pace, with the module and without.
ahead-inside: $(HOST)
	.ci/setup demo
	$(FETCH) 1.11.0
	$(PYTHON) tests/mesos/ahead.py --host $(HOST)

# The dashboard of many agents before a real Prometheus, with so many simulated agents. The aim is that
# each of its queries answers within a second.
AGENTS = 1000
fleet: build
	.ci/setup test
	$(PYTHON) tests/fleet/fleet.py --agents $(AGENTS)

# The table of faults that were mended, and the tests that hold the mends.
regressions: python
	$(PYTHON) tests/regressions.py

# Arbitrary bytes for everything that reads what others write: make fuzz SECONDS=600 TARGET="json http"
SECONDS = 60
TARGET =
fuzz: python
	.ci/setup fuzz
	$(PYTHON) tests/fuzz/fuzz.py --seconds $(SECONDS) $(TARGET)

python:
	@command -v $(PYTHON) >/dev/null || .ci/setup test

# What the packages of others are like: licences, duplicates, sources, advisories.
deps: python
	$(PYTHON) tests/deps.py

# The engine and the module with the sanitizers of addresses, leaks and threads, and in valgrind:
# make sanitize STEP=thread-units
STEP =
sanitize: python
	.ci/setup bench
	$(PYTHON) tests/sanitize.py $(STEP)

# The workspace for aarch64, its tests in emulators; see tests/README.md.
aarch64: python
	.ci/setup aarch64
	$(PYTHON) tests/aarch64.py

# The runner's tests as on Linux 3.10, the kernel of CentOS 7.
old-kernel: python
	$(PYTHON) tests/run.py old-kernel

# Ratios against bare loops, and against the committed bounds.
bench: $(HOST)
	.ci/setup bench
	$(FETCH) 1.11.0
	$(PYTHON) benches/table.py

bench-check: $(HOST)
	.ci/setup bench
	$(FETCH) 1.11.0
	$(PYTHON) benches/table.py --check

# The same figures of this tree and of another commit, measured in turn: make bench-compare BASE=HEAD~1
BASE ?= HEAD~1
bench-compare: $(HOST)
	.ci/setup bench
	$(FETCH) 1.11.0
	$(PYTHON) benches/compare.py $(BASE)

clean:
	$(CARGO) clean
