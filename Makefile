# SPDX-License-Identifier: BSD-3-Clause
#
# The few commands one needs; CMakeLists.txt has the build. Each target first
# installs the Debian packages that it needs and that are missing.
#
#   make run      build, and serve a folder over HTTP: DIR=. ADDR=127.0.0.1:8080 ARGS=
#   make test     everything: all presets (PRESETS='release tsan' for some)
#   make check    the release build's tests alone: quick
#   make bench    the benchmarks, with their twins in Go and on pthreads; draws docs/bench.svg
#   make man      the manual pages, into build/man; man -M build/man tuza
#   make install  PREFIX=/usr/local DESTDIR=
#   make conformance   docs/conformance.md anew, from the tests
#   make format   clang-format over the sources
#   make clean

DIR     ?= .
ADDR    ?= 127.0.0.1:8080
PREFIX  ?= /usr/local
PRESETS ?= release debug asan tsan clang arm64

BUILD := build/release
SETUP := scripts/setup

.DEFAULT_GOAL := all
.PHONY: all run test check bench man conformance install format clean setup-build setup-test setup-bench setup-format

all: setup-build
	@cmake --preset release >/dev/null
	@cmake --build --preset release

run: setup-build
	@cmake --preset release >/dev/null
	@cmake --build --preset release --target example_httpd
	$(BUILD)/examples/httpd -a '$(ADDR)' $(ARGS) '$(DIR)'

test: setup-test
	@scripts/test $(PRESETS)

check: setup-test
	@scripts/test release

bench: setup-bench all
	bench/run $(BUILD) --data docs/bench.json
	bench/chart.py docs/bench.json >docs/bench.svg

man: setup-build
	@scripts/manpages.py . build/man

# Built for its prefix in a folder of its own: only the two libraries.
install: setup-build
	@cmake --preset release -B build/install -DCMAKE_INSTALL_PREFIX='$(abspath $(PREFIX))' -DTUZA_TESTS=OFF \
	    -DTUZA_EXAMPLES=OFF -DTUZA_BENCH=OFF -DTUZA_WERROR=OFF >/dev/null
	@cmake --build build/install
	DESTDIR='$(DESTDIR)' cmake --install build/install

conformance:
	@scripts/conformance.py >docs/conformance.md.new && mv docs/conformance.md.new docs/conformance.md

format: setup-format
	@find include src tests examples bench -regex '.*\.\([ch]\|cc\|hpp\)' -print0 | xargs -0 clang-format -i

clean:
	rm -rf build

setup-build setup-test setup-bench setup-format: setup-%:
	@$(SETUP) $*
