# Each target works alone on a fresh Debian 12 machine as root, and installs what it needs.
# What is already there is not asked for again: a second run needs no network.

# Debian's own Python: its packages have the shared library that a frozen program needs.
PYTHON ?= /usr/bin/python3
BUILD_PACKAGES := python3 python3-venv libpython3-dev binutils
RUN_PACKAGES := iproute2 iputils-ping containernetworking-plugins
IMAGE_PACKAGES := buildah
TEST_PACKAGES := $(IMAGE_PACKAGES) openssl iptables debootstrap prometheus
# A container runtime, unless there is one: Debian's would take the place of Docker's.
TEST_PACKAGES += $(if $(shell command -v containerd),,containerd) $(if $(wildcard /usr/bin/busybox),,busybox-static)

# The reference runtime of the CNI project; where there is no Go, its tests are skipped (never in CI).
CNITOOL_VERSION := v1.3.0
# What the agent is compared with; where there is no Go, with Debian's plugins alone.
PLUGINS_VERSION := v1.10.0
# On PATH, or where Go's own archive puts it.
GO ?= $(shell command -v go || ls /usr/local/go/bin/go 2>/dev/null)

BIN := .venv/bin
INSTALLED := .venv/installed
STUBS := ipam/etcd/etcd_pb2.py
BUNDLE := dist/railcni/railcni
SOURCES := $(shell find cni ipam install -type f -name '*.py' -o -name '*.spec')

.DELETE_ON_ERROR:
.PHONY: help demo test chaos lab lab-shell build bench lint lock clean build-packages run-packages test-packages cnitool peers etcd roots manifests image image-packages multus

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: build run-packages ## give two pods four rails each, show them, take everything back
	@$(BIN)/python -m deploy.demo

test: lint build run-packages cnitool etcd roots manifests multus ## pass judgement: lint and all tests
	@PATH="$(CURDIR)/.cache/bin:$$PATH" $(BIN)/pytest --cov
	@$(BIN)/python -m tests.vm

# Another plan each time; the test says its seed, and RAILCNI_CHAOS_SEED brings it about again.
chaos: export RAILCNI_CHAOS_SECONDS ?= 180
chaos: export RAILCNI_CHAOS_SEED ?= $(shell date +%s)
chaos: $(STUBS) etcd ## kill, freeze, clone and restore nodes and etcd for three minutes
	@$(BIN)/pytest tests/chaos --capture=no

lab: ARGS ?= -m 'not long'
lab: build ## test with real SR-IOV drivers in a virtual machine; ARGS go to pytest
	@$(BIN)/python -m tests.vm $(ARGS)

lab-shell: build ## be root in that virtual machine
	@$(BIN)/python -m tests.vm --shell

build: $(BUNDLE) ## freeze the programs into dist/

image: build image-packages ## make the image of the programs: an archive in dist/
	@$(BIN)/python -m deploy.image

bench: build run-packages peers ## measure against the CNI project's plugins; ARGS say how much
	@$(BIN)/python -m tests.bench $(ARGS)

lint: $(STUBS) ## check style, types and layers
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary
	@layers=$$($(BIN)/lint-imports --no-cache --no-logo) || { echo "$$layers"; exit 1; }
	@echo "Style, types and layers are in order."

lock: .cache/uv/bin/uv ## pin the newest version of every Python package
	@$< pip compile --quiet --upgrade --generate-hashes --no-annotate --group dev \
		--python-platform linux --python-version 3.11 --custom-compile-command "make lock" \
		--output-file requirements.lock pyproject.toml

clean: ## remove whatever these targets made
	@rm -rf .venv .cache build dist railcni.egg-info .hypothesis .*_cache $(STUBS) $(STUBS)i
	@find cni ipam install deploy tests -name __pycache__ -prune -exec rm -rf {} +

$(BUNDLE): $(SOURCES) $(STUBS)
	@echo "Freezing the programs into dist/ …"
	@$(BIN)/python -m install.freeze

# etcd's messages as Python, and their types for mypy.
$(STUBS): ipam/etcd/etcd.proto $(INSTALLED)
	@$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. $<

# The lock is whole, so nothing is resolved again (--no-deps): pip would look at the newest version of what
# another package asks for with an extra, and refuse it for want of a hash. `pip check` says what is amiss.
# setuptools comes first for netns, which its author publishes as source only: what builds it is pinned too.
$(INSTALLED): requirements.lock | build-packages
	@echo "Installing Python packages into .venv/ …"
	@$(PYTHON) -m venv --clear .venv
	@sed -n '/^setuptools==/,/[^\\]$$/p' $< | $(BIN)/pip install --quiet --require-hashes --requirement /dev/stdin
	@$(BIN)/pip install --quiet --no-deps --require-hashes --no-build-isolation --use-pep517 --requirement $<
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@problems=$$($(BIN)/pip check) || { echo "$$problems"; exit 1; }
	@touch $@

.cache/uv/bin/uv: | build-packages
	@$(PYTHON) -m venv .cache/uv
	@.cache/uv/bin/pip install --quiet uv

cnitool: .cache/bin/cnitool
.cache/bin/cnitool:
	@if [ -n "$(GO)" ]; then \
		echo "Installing cnitool $(CNITOOL_VERSION) into .cache/bin/ …"; \
		GOBIN=$(CURDIR)/.cache/bin $(GO) install github.com/containernetworking/cni/cnitool@$(CNITOOL_VERSION); \
	elif [ "$$CI" = true ]; then \
		echo "In CI no test is skipped: cnitool is needed, and Go to build it." >&2; exit 1; \
	fi

# What renders the manifests, and what judges by their policies as an API server does.
MANIFESTS := tests/unit/deploy/go
manifests: .cache/bin/admission
.cache/bin/admission: $(wildcard $(MANIFESTS)/*)
	@if [ -n "$(GO)" ]; then \
		echo "Building kustomize and the judge of admissions into .cache/bin/ …"; \
		cd $(MANIFESTS) && GOWORK=off GOFLAGS="-mod=readonly -buildvcs=false" \
			$(GO) build -trimpath -ldflags="-s -w" -o $(CURDIR)/.cache/bin/ . tool && touch $(CURDIR)/$@; \
	elif [ "$$CI" = true ]; then \
		echo "In CI no test is skipped: kustomize is needed, and Go to build it." >&2; exit 1; \
	fi

# Its version and all that it is built from are pinned in tests/spec/multus/.
multus: .cache/multus/multus
.cache/multus/multus: tests/spec/multus/go.sum
	@if [ -n "$(GO)" ]; then \
		echo "Installing Multus into .cache/multus/ …"; \
		GOBIN=$(CURDIR)/.cache/multus GOFLAGS=-buildvcs=false GOWORK=off \
			$(GO) -C $(<D) install -trimpath -ldflags='-s -w' tool && touch $@; \
	elif [ "$$CI" = true ]; then \
		echo "In CI no test is skipped: Multus is needed, and Go to build it." >&2; exit 1; \
	fi

peers: .cache/peers/$(PLUGINS_VERSION)/host-device
.cache/peers/$(PLUGINS_VERSION)/host-device:
	@if [ -n "$(GO)" ]; then \
		echo "Installing the CNI project's plugins $(PLUGINS_VERSION) into .cache/peers/ …"; \
		rm -rf .cache/peers; \
		GOBIN=$(CURDIR)/$(@D) $(GO) install \
			github.com/containernetworking/plugins/plugins/ipam/host-local@$(PLUGINS_VERSION) \
			github.com/containernetworking/plugins/plugins/main/host-device@$(PLUGINS_VERSION); \
	else \
		echo "There is no Go: nothing is compared with the plugins $(PLUGINS_VERSION)."; \
	fi

# The servers that the tests start; what cannot be had is said, and its tests are skipped (never in CI).
etcd: $(INSTALLED) test-packages
	@$(BIN)/python -m tests.etcd

# Hosts with an older C library than the bundle's: unpacked, and not set up, is enough to run programs in.
roots: .cache/roots/bullseye
.cache/roots/%: | test-packages
	@echo "Unpacking Debian's $* into $@/ …"
	@rm -rf $@; mkdir -p $(@D)
	@for mirror in deb archive; do rm -rf $@.draft; \
		debootstrap --variant=minbase --foreign $* $@.draft http://$$mirror.debian.org/debian >$@.log && break; \
	done || { tail $@.log >&2; exit 1; }
	@cd $@.draft && rm -rf debootstrap proc usr/share/doc usr/share/locale usr/share/man var/cache/apt var/lib/apt
	@mv $@.draft $@

build-packages: PACKAGES := $(BUILD_PACKAGES)
run-packages: PACKAGES := $(RUN_PACKAGES)
image-packages: PACKAGES := $(IMAGE_PACKAGES)
test-packages: PACKAGES := $(TEST_PACKAGES)
build-packages run-packages image-packages test-packages:
	@command -v dpkg-query >/dev/null || exit 0; \
	missing=$$(for package in $(PACKAGES); do \
		dpkg-query --show --showformat '$${Status}' $$package 2>/dev/null | grep -q ' installed$$' || echo $$package; \
	done); \
	if [ -n "$$missing" ]; then \
		echo "Installing Debian packages:" $$missing; \
		apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get install -qq --yes --no-install-recommends $$missing >/dev/null; \
	fi
