# Two commands do everything on a fresh Debian with rustup: `make demo` and `make test`.
# Both install the Debian packages that they need (as root, or by sudo).

.DEFAULT_GOAL := help
.PHONY: help deps demo test lint deny

PACKAGES := gcc libc6-dev libclang-dev linux-libc-dev ffmpeg mosquitto mosquitto-clients openssl strace systemd
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

help:
	@echo "make demo   the main job on made-up footage: calibrate, run, alert, report"
	@echo "make test   format, lints, all tests"
	@echo "make deny   licences and sources of the dependencies (needs cargo-deny)"

deps:
	@missing=$$(for p in $(PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	    $(SUDO) apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing; fi

demo: deps
	cargo run --release -- demo

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

# Tests on the evaluation images need INSPECTD_DATA (see README, "Tests") and say so without.
test: deps lint
	cargo test --release
	@if [ -n "$$INSPECTD_DATA" ]; then cargo test --release --test it evaluation -- --ignored; \
	else echo "INSPECTD_DATA is not set: the tests on evaluation images were NOT run (see README)"; fi

deny:
	cargo deny check licenses bans sources
