# `make demo` and `make test` install what they need. `make help` lists everything.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo

.PHONY: help
help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

.PHONY: setup
setup: ## Install what building and testing need
	@./e2e/install.sh 4.3.1
	@./e2e/install.sh 3.9.2

.PHONY: build
build: setup ## Build the binaries, optimised
	$(CARGO) build --release --locked

.PHONY: demo
demo: build ## The main job on this machine: a hot partition found and cooled, live; KEEP=1 keeps it, with a Prometheus
	target/release/demo

.PHONY: check
check: ## Format, clippy with warnings as errors, unit tests, Prometheus' rules, Grafana's schema
	@./e2e/kubernetes/helm.sh >/dev/null
	@./deploy/prometheus/check.sh
	@./dashboards/schema/check.sh
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) test --workspace --exclude e2e --locked --quiet

.PHONY: dashboards
dashboards: ## Write the Grafana dashboards in deploy/grafana anew
	$(CARGO) run --locked -p dashboards

.PHONY: images
images: ## Images of the programs and of what tests run on Kubernetes, without Docker, into target/images
	@./e2e/kubernetes/images/build.sh

.PHONY: kubernetes-up
kubernetes-up: $(if $(filter 0,$(NODES)),,images) ## A real Kubernetes of three nodes (NODES) on this machine, as root; NODES=0 is a control plane alone
	@./e2e/kubernetes/up.sh

.PHONY: kubernetes-down
kubernetes-down: ## End it
	@./e2e/kubernetes/down.sh

.PHONY: demo-kubernetes
demo-kubernetes: build images ## The original's manifest made, resized and deleted, and a hot partition cooled, on a real Kubernetes on this machine; as root; KEEP=1 keeps it
	@./e2e/kubernetes/demo.sh

.PHONY: deny
deny: ## Licences, sources and duplicates of all dependencies
	@command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --locked
	$(CARGO) deny --offline check licenses bans sources

.PHONY: simulation
simulation: ## The balancer against a simulated Kafka under 5,000 seeded schedules of faults; MINUTES=480 goes on through a night
	$(CARGO) test --locked --release -p balancer --test simulation -- $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: test
test: setup check ## Everything that can be proven on this machine, set-up included
	@./e2e/run.sh

.PHONY: test-kubernetes
test-kubernetes: build images ## What needs a real Kubernetes on this machine, as root; the first time it is built in ten minutes
	KUBERNETES=1 $(CARGO) test --locked --release --workspace --test kubernetes --test operator -- --test-threads=1 --nocapture

.PHONY: soak
soak: build ## An hour (SOAK_MINUTES) of shifting load on six brokers, with balancers killed and brokers restarted
	SOAK=1 $(CARGO) test --locked -p e2e --release --test soak -- --nocapture

.PHONY: limits
limits: build ## What producers notice of copies when disks and networks are near their limits, into target/e2e/limits.json; as root
	LIMITS=1 $(CARGO) test --locked -p e2e --release --test limits -- --test-threads=1 --nocapture

.PHONY: bench
bench: ## Planner on generated clusters of up to a million replicas: time, memory, balance, bytes; its inner steps; 5,000 groups
	$(CARGO) bench --locked -p balancer --bench planner
	$(CARGO) bench --locked -p balancer --bench steps
	$(CARGO) bench --locked -p sidecar --bench offsets

.PHONY: bench-groups
bench-groups: build ## The exporter of consumer lag beside a Kafka with 5,000 groups in 2,500 partitions; takes 12 GB of memory
	$(CARGO) bench --locked -p e2e --bench groups

.PHONY: bench-sidecar
bench-sidecar: build ## What the sidecar costs a broker with 4,000 replicas, beside the Prometheus JMX exporter
	JMX_EXPORTER=$$(./e2e/benches/jmx-exporter.sh 1.0.1) $(CARGO) bench --locked -p e2e --bench sidecar
