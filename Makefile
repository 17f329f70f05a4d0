# `make` alone tells what there is. Works as any user; only Debian packages ask for root or sudo, see test/debian.sh.

PYTHON ?= python3
VENV ?= .venv
CONFIG ?= etc/sipd.conf
# `make COMPILE=0 run` leaves all of it Python: slower, and installed at once. Else it is compiled where that can be done.
COMPILE ?=
BIN := $(VENV)/bin
PIP := python -m pip --quiet --disable-pip-version-check --no-input
SOURCES := $(shell find sipproxy twisted -name '*.py' -o -path 'sipproxy/data/*') setup.cfg setup.py pyproject.toml

# The real programs that test/interop and bench/ talk to. `make test PEERS=` installs none.
PEERS ?= baresip-core bind9 bind9-dnsutils dbus dbus-bin dbus-daemon etcd-server fail2ban freeradius \
    freeradius-utils gcc iproute2 kamailio knot ldap-utils libc6-dev libcharon-extra-plugins libglib2.0-bin \
    libstrongswan-extra-plugins libstrongswan-standard-plugins linphone-cli logrotate mandoc mariadb-server \
    openssh-client openssl prometheus python3-dev sip-tester slapd strace strongswan-charon systemd tshark util-linux
BENCH_PEERS ?= kamailio mariadb-server sip-tester
# A user agent as a Python extension. It is GPL and brings its own libraries: an environment of its own.
PJSUA2 := pjsua2-python==2.15.1.post1
PEERS_VENV := .venv-peers

# Debian keeps daemons where the PATH of ordinary users does not lead.
export PATH := $(PATH):/usr/sbin:/sbin

# What runs without a peer, and passes through what is compiled.
INSTALLED_TESTS := test.access test.accounting test.databases test.message test.net.test_radius \
    test.net.test_radius_ports test.proxy test.registrar test.scenario test.simulation test.transaction \
    test.wire.test_radius test.wire.test_radius_packing

.PHONY: help run test test-installed lint bench bench-large soak deb deb-test docs man clean peers bench-peers
.DELETE_ON_ERROR:

help:
	@echo "make run          start the server with $(CONFIG) in the foreground"
	@echo "make test         check style and types, then run all tests"
	@echo "make lint         check style and types only"
	@echo "make test-installed  run the tests that need no peer with the installed package, compiled where it could be"
	@echo "make man          write man/sipd.conf.5 from the declarations of the directives"
	@echo "make bench        measure the cost of a call beside Kamailio; also: make bench-large, make soak"
	@echo "make deb          build a Debian package into dist/; make deb-test installs it into a clean root and makes a call"
	@echo "make docs         write the documents as HTML into build/docs"
	@echo "make clean        remove what make made; the server's own var/ stays"

run: $(VENV)/run.stamp
	@echo "Starting sipproxy with $(CONFIG), Listen $$(sed -n 's/^[[:space:]]*[Ll]isten[[:space:]]*//p' $(CONFIG) | paste -sd ' ' -)"
	@echo "Next: register two telephones at this machine and call one from the other (README.md). Stop: Ctrl-C."
	@exec $(BIN)/twistd --nodaemon --pidfile= sipproxy -c $(CONFIG)

# The peers first: they bring the compiler.
test: peers lint test-installed
	@$(BIN)/python -m test.runner

# From a folder that has the tests, and not the sources, beside it.
test-installed: $(VENV)/test.stamp
	@rm -rf build/installed && mkdir -p build/installed && ln -s ../../test build/installed/test
	@cd build/installed && ../../$(BIN)/python -c 'from test.installed import describe; print(describe())'
	@cd build/installed && ../../$(BIN)/python -m test.runner $(INSTALLED_TESTS)

lint: $(VENV)/test.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/test.stamp bench-peers
	@$(BIN)/python bench/run.py bench

bench-large: $(VENV)/test.stamp bench-peers
	@$(BIN)/python bench/run.py large

soak: $(VENV)/test.stamp peers bench-peers
	@ACCOUNTED_RATE=500 ACCOUNTED_SECONDS=30 $(BIN)/python -m twisted.trial test.accounting.test_round_trip
	@ACCOUNTED_CALLS=10000 $(BIN)/python -m twisted.trial test.interop.test_accounting_kill
	@FARM_REGISTRATIONS=167 FARM_CALLS=50 $(BIN)/python -m twisted.trial test.interop.test_farm_killed
	@$(BIN)/python -m test.farm.seeds
	@$(BIN)/python bench/run.py soak

docs: $(VENV)/test.stamp
	@$(BIN)/python -m sphinx -W -q -b html docs build/docs
	@$(BIN)/python docs/features.py

deb:
	@sh test/debian.sh debhelper dpkg-dev python3-dev python3-venv
	@sh debian/build.sh dist

deb-test: deb
	@sh test/debian.sh debootstrap iproute2 util-linux
	@sh test/deb_test.sh dist/sipproxy_*.deb

man: $(VENV)/run.stamp
	@mkdir -p man
	@$(BIN)/python -m sipproxy.modules > man/sipd.conf.5.tmp
	@mv man/sipd.conf.5.tmp man/sipd.conf.5

clean:
	@rm -rf $(VENV) $(PEERS_VENV) _trial_temp* .hypothesis .mypy_cache .ruff_cache build dist *.egg-info
	@rm -f man/*.tmp twisted/plugins/dropin.cache
	@find sipproxy test twisted docs bench -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is younger than what it was made from, so that the second run does nothing.
$(VENV)/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or later is needed; name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh test/debian.sh python3-venv
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo "$(PYTHON) cannot make virtual environments; on Debian: apt install python3-venv" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/wheel.stamp: $(VENV)/made.stamp $(SOURCES)
	@echo "Building sipproxy: a minute or two where it is compiled"
	@rm -rf $(VENV)/wheel build/lib* build/temp*
	@SIPPROXY_COMPILE=$(COMPILE) $(BIN)/$(PIP) wheel --no-deps --wheel-dir $(VENV)/wheel .
	@touch $@

$(VENV)/run.stamp: $(VENV)/wheel.stamp
	@echo "Installing sipproxy and what it needs into $(VENV)"
	@$(BIN)/$(PIP) install $(VENV)/wheel/*.whl
	@$(BIN)/$(PIP) install --no-deps --force-reinstall $(VENV)/wheel/*.whl
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	@echo "Installing what the tests need into $(VENV)"
	@$(BIN)/$(PIP) install "$$(echo $(VENV)/wheel/*.whl)[test]"
	@touch $@

peers:
	@[ -z "$(PEERS)" ] || sh test/debian.sh $(PEERS)
	@[ -z "$(PEERS)" ] || [ -e $(PEERS_VENV)/made.stamp ] || $(MAKE) --no-print-directory $(PEERS_VENV)/made.stamp || \
	    echo "No $(PJSUA2) for this Python: its tests are skipped" >&2

$(PEERS_VENV)/made.stamp: $(VENV)/made.stamp
	@echo "Installing $(PJSUA2) into $(PEERS_VENV)"
	@$(PYTHON) -m venv --clear $(PEERS_VENV)
	@$(PEERS_VENV)/bin/$(PIP) install --only-binary :all: $(PJSUA2)
	@touch $@

bench-peers:
	@[ -z "$(BENCH_PEERS)" ] || sh test/debian.sh $(BENCH_PEERS)
