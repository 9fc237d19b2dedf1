# The two front doors are `make demo` and `make test`; both install what is missing first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
JOBS ?= $(shell nproc)
# Recursive make must not hand its job server to ninja or cargo.
MAKEFLAGS += --no-builtin-rules

.PHONY: help setup build demo test lint format clean cluster-demo deploy-check

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: ## install what the build needs (idempotent)
	scripts/setup

build: setup ## build the programs into build/release/bin
	cmake --preset release >/dev/null
	cmake --build --preset release -- -j$(JOBS)

demo: build ## make a small benchmark and model, unlearn it on two workers, print the table
	scripts/demo

cluster-demo: build ## the same on a real two-node Kubernetes while pods, nodes and versions come and go (root, builds Kubernetes once)
	scripts/setup --cluster
	scripts/cluster-demo

deploy-check: ## images, chart and manifests against the real tools and a real API server (root, builds Kubernetes once)
	scripts/setup --tests --cluster
	scripts/check-deploy

test: ## build and run every check and test
	scripts/setup --tests
	cmake --preset dev >/dev/null
	cmake --build --preset dev -- -j$(JOBS)
	tools/check/all.sh build/dev
	ctest --preset dev -j$(JOBS)

lint: ## format, layers and clang-tidy only (after a build)
	tools/check/all.sh build/dev

format: ## rewrite the sources in the house's format
	git ls-files '*.h' '*.cc' | xargs clang-format-14 -i

clean: ## remove what was built (not .deps/, not .demo/)
	rm -rf build
