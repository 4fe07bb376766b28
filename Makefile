# make quickstart   set everything up and build, deploy and verify seeds/quickstart.yaml on this host
# make test         set everything up and run every check that this machine can carry
# make help         the rest
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
COLLECTIONS := .collections/ansible_collections
# Of PyPI's bundle of community collections (requirements-collections.txt) only the ones named here are unpacked.
BUNDLED := amazon/aws ansible/posix community/general community/library_inventory_filtering_v1
# Unpacked again when either of them changes.
UNPACKED := .collections/.unpacked-$(shell (echo '$(BUNDLED)'; cat requirements-collections.txt) | cksum | cut -d ' ' -f 1)
# Unpacked for the tests alone.
AWX := .collections/.awx-$(shell cksum < requirements-awx.txt | cut -d ' ' -f 1)
# Nothing but the files whose digests are written down, from whatever index there is.
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --system-certs --custom-compile-command 'make requirements'
# Become: root needs nothing, password-less sudo neither; everybody else is asked once.
BECOME := $(shell [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null || echo --ask-become-pass)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.PHONY: help setup setup-dev quickstart clean-quickstart test lint unit sanity integration molecule docs docs-site galaxy kill bench bench-change bench-farm bench-hit bench-lookup bench-trust seeds-check package-index pcluster-check instance-types debian-sources spack-mirror spack-compiler spack-develop spack-user stacks-demo containers-check tiers-demo requirements lab lab-build lab-kill lab-faults lab-share lab-image-kill cluster-demo truth trust-check leftovers fuzz house awx-image awx-asked awx-base awx-project awx-check

help: ## show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 24

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "petal.hpc needs Python 3.11 or later; name one with PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(SUDO) apt-get install --yes --no-install-recommends python3-venv
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.run: .venv/.created requirements.txt
	$(PIP) install --require-hashes -r requirements.txt
	@touch $@

.venv/.dev: .venv/.run requirements-dev.txt
	$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

# The clone itself is petal.hpc for Ansible; the rest comes from PyPI, because Galaxy is not reachable everywhere.
$(UNPACKED): .venv/.run
	@mkdir -p $(COLLECTIONS)/petal .cache
	@ln -sfn ../../.. $(COLLECTIONS)/petal/hpc
	$(PIP) download --require-hashes --only-binary :all: --no-deps --ignore-requires-python --dest .cache -r requirements-collections.txt
	@$(BIN)/python -c 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); z.extractall(".collections", [n for n in z.namelist() if n.startswith(tuple(f"ansible_collections/{c}/" for c in sys.argv[2:]))])' .cache/ansible-*.whl $(BUNDLED)
	@rm -f .cache/ansible-*.whl
	@touch $@

$(AWX): $(UNPACKED)
	$(PIP) download --require-hashes --only-binary :all: --no-deps --ignore-requires-python --dest .cache/awx -r requirements-awx.txt
	@$(BIN)/python -c 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); z.extractall(".collections", [n for n in z.namelist() if n.startswith("ansible_collections/awx/awx/")])' .cache/awx/ansible-*.whl
	@rm -rf .cache/awx
	@touch $@

setup: .venv/.run $(UNPACKED) ## virtual environment and collections for the playbooks

setup-dev: setup .venv/.dev $(AWX) ## the same, and the tools of the checks

quickstart: setup ## build, deploy and verify the quickstart seed on this host
	$(BIN)/ansible-playbook $(BECOME) playbooks/build_volume.yml -e seed=seeds/quickstart.yaml
	$(BIN)/ansible-playbook $(BECOME) playbooks/deploy_cluster.yml -e seed=seeds/quickstart.yaml

clean-quickstart: setup ## take the quickstart's deployment and snapshots away again
	$(BIN)/ansible-playbook $(BECOME) playbooks/delete_cluster.yml -e seed=seeds/quickstart.yaml
	$(BIN)/ansible-playbook $(BECOME) playbooks/delete_volume.yml -e seed=seeds/quickstart.yaml

awx-project: ## a project of playbooks, an inventory and seeds for AWX (DEST=DIRECTORY)
	@awx/make_project.sh "$${DEST:-}"

kill: setup-dev ## SIGKILL at RUNS moments of a build, each run again
	$(SUDO) $(BIN)/python tests/lab/kill_build.py $(or $(RUNS),10)

test: setup-dev ## every check that this machine can carry
	@tests/run

lint: setup-dev ## ruff, mypy, yamllint, ansible-lint, changelog fragments, plugin documentation
	@tests/run lint

unit: setup-dev ## unit tests
	@tests/run unit

sanity: setup-dev ## ansible-test sanity
	@tests/run sanity

integration: setup-dev ## playbooks and modules run for real
	@tests/run integration

molecule: setup-dev ## one Molecule scenario a role
	@tests/run molecule

docs: setup-dev ## render the documentation of every plugin, and the site
	@tests/run docs

docs-site: setup-dev ## the documentation as a site, in .cache/site/html; a warning is an error
	@PATH="$(abspath $(BIN)):$$PATH" docs/site/build.sh .cache/site

galaxy: setup-dev ## the archive as Galaxy's importer and ansible-builder see it
	@tests/run galaxy

bench: setup-dev ## install one package graph by script and by role: table and ratios (BENCH="--seconds 6 …")
	@$(SUDO) env HOME="$$HOME" PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/bench/bench.py $(BENCH)

bench-change: setup-dev ## a seed's first build, with one package more, and again from the host's cache (BENCH="--functions 400 …")
	@$(SUDO) env HOME="$$HOME" PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/bench/change.py $(BENCH)

bench-farm: setup-dev ## packages that wait, on one, two and four nodes of a mini cluster, beside the critical path (BENCH="--sleep 20 …")
	@$(SUDO) env HOME="$$HOME" PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/bench/farm.py $(BENCH)

bench-trust: setup-dev ## what signing and verifying add to a hit, an import and a restore (BENCH="--rounds 9 …")
	@$(SUDO) env HOME="$$HOME" PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/bench/trust.py $(BENCH)

bench-hit: setup-dev ## a hit beside an empty playbook run, and a tiny build (BENCH="--rounds 9 …")
	@$(SUDO) env HOME="$$HOME" PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/bench/hit.py $(BENCH)

bench-lookup: setup-dev ## look-ups among 10,000 snapshots and a registry of 10,000 stacks, next to boto3 (BENCH="--rounds 5 …")
	@PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/bench/lookup.py $(BENCH)

seeds-check: setup-dev ## concretize every shipped seed with the real Spack
	@PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/lab/seeds_check.py

package-index: setup-dev ## make the index of packages, versions and variants that seeds are compared with, from the real Spack
	@PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/lab/package_index.py

pcluster-check: setup-dev ## let the real AWS ParallelCluster read the configuration of every shipped seed, and wrong ones
	@PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/lab/pcluster_check.py $(CHECK)

awx-check: setup-dev ## every object for AWX by its rules and those of awx.awx, and the playbooks as AWX runs them
	@$(SUDO) env HOME="$$HOME" PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/lab/awx_check.py

instance-types: setup-dev ## renew the table of EC2's instance types, from EC2 or, without credentials, from moto (FROM=ec2|moto)
	@PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/lab/instance_types.py $(if $(FROM),--from $(FROM))

debian-sources: setup-dev ## fill the source mirror with what the tests build, from Debian's source packages
	@$(BIN)/python -B tests/lab/debian_sources.py $(SPECS)

spack-mirror: setup-dev ## fill the mirror that the tests take Spack from: from the net, or clones (SPACK=, PACKAGES=, WRAPPER=)
	@$(SUDO) env HOME="$$HOME" PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -B tests/lab/spack_mirror.py $(if $(SPACK),--spack $(SPACK)) $(if $(PACKAGES),--packages $(PACKAGES)) $(if $(WRAPPER),--wrapper $(WRAPPER))

spack-develop: setup-dev ## the tests with the real Spack on its newest, from the net or clones (SPACK=, PACKAGES=, WRAPPER=, TESTS=)
	@$(SUDO) env HOME="$$HOME" PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/lab/spack_develop.py $(if $(SPACK),--spack '$(SPACK)') $(if $(PACKAGES),--packages '$(PACKAGES)') $(if $(WRAPPER),--wrapper $(WRAPPER)) $(TESTS)

spack-user: setup-dev ## on a volume of the real Spack, mounted read-only: what an ordinary user finds, loads, concretizes and builds on top
	@$(SUDO) env HOME="$$HOME" PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/lab/spack_user.py

spack-compiler: setup-dev ## a gcc that Spack builds and that builds the rest, on a volume: takes an hour (COMPILER="--languages c,c++ --cache DIRECTORY")
	@$(SUDO) env HOME="$$HOME" PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=.collections:tests/lab $(BIN)/python -B tests/lab/spack_compiler.py $(COMPILER)

requirements: setup-dev ## lock what the *.in files name, with digests of everything for Python 3.11 and later (from PyPI, or UV_DEFAULT_INDEX)
	$(LOCK) --python-version 3.11 --output-file requirements.txt requirements.in
	$(LOCK) --python-version 3.11 --constraints requirements.txt --output-file requirements-dev.txt requirements-dev.in
	$(LOCK) --python-version 3.12 --no-deps --output-file requirements-collections.txt requirements-collections.in
	$(LOCK) --python-version 3.12 --no-deps --output-file requirements-awx.txt requirements-awx.in
	$(LOCK) --python-version 3.9 --output-file roles/spack/files/python.txt roles/spack/files/python.in
	$(LOCK) --python-version 3.9 --output-file roles/spack/files/python-dnf.txt roles/spack/files/python-dnf.in
	$(LOCK) --python-version 3.11 --output-file roles/pcluster_config/files/library-3.16.1.txt roles/pcluster_config/files/library-3.16.1.in

lab: setup-dev ## a shell in an EC2 lab of its own, to try the AWS path without an account (docs/lab.md)
	@$(SUDO) env HOME="$$HOME" PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=tests/lab $(BIN)/python -B -m ec2lab shell

lab-build lab-kill lab-faults: LAB = @$(SUDO) env HOME="$$HOME" PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=tests/lab $(BIN)/python -B tests/lab/aws_build.py
lab-build: setup-dev ## in an EC2 lab: one build and a second run, with the API calls
	$(LAB) build

lab-kill: setup-dev ## in an EC2 lab: SIGKILL at RUNS moments of a build, each run again
	$(LAB) kill $(or $(RUNS),20)

lab-image-kill: setup-dev ## in an EC2 lab: SIGKILL at RUNS moments of the making of a machine image, each run again
	@$(SUDO) env HOME="$$HOME" PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=tests/lab $(BIN)/python -B tests/lab/aws_image.py kill $(or $(RUNS),10)

lab-faults: setup-dev ## in EC2 labs, LABS side by side: every fault that there is, or FAULTS='late-*,lost-*'
	$(LAB) faults --labs $(or $(LABS),2) $(if $(FAULTS),'$(FAULTS)')

lab-share: setup-dev ## in an EC2 lab: build, share with another account, copy to two Regions, take back
	@$(SUDO) env HOME="$$HOME" PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=tests/lab $(BIN)/python -B tests/lab/aws_share.py

cluster-demo: setup-dev ## on a mini cluster on this machine: deploy, verify in Slurm jobs, switch between jobs, go back
	@$(SUDO) env HOME="$$HOME" PYTHONPATH=tests/lab $(BIN)/python -B tests/lab/cluster_demo.py

containers-check: setup-dev ## containers with a private registry on this machine: what is built, what is refused, what runs in Slurm jobs
	@$(SUDO) env HOME="$$HOME" PYTHONPATH=tests/lab $(BIN)/python -B tests/lab/containers_check.py

tiers-demo: setup-dev ## the same modules by every tier: volume, containers, from source, image and hybrid (TIERS="NAME…"; needs make spack-mirror)
	@$(SUDO) env HOME="$$HOME" PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=.collections:tests/lab TIERS='$(TIERS)' $(BIN)/python -B tests/lab/tiers_demo.py

stacks-demo: setup-dev ## the same with Open MPI and MPICH and two versions of a program on each, built by Spack, run in Slurm jobs on two nodes
	@$(SUDO) env HOME="$$HOME" PYTHONPATH=tests/lab $(BIN)/python -B tests/lab/stacks_demo.py

truth: setup-dev ## what seeds and commands say is what happens: every case of tests/truth (CASES="NAME…" or a directory)
	@$(SUDO) env HOME="$$HOME" PYTHONPATH=tests/lab $(BIN)/python -B tests/truth/run.py $(CASES)

trust-check: setup-dev ## attacks on who may put bytes on a node: every case of tests/trust (CASES="NAME…" or a directory)
	@$(SUDO) env HOME="$$HOME" PYTHONPATH=tests/lab $(BIN)/python -B tests/truth/run.py --attacks $(CASES)

house: setup-dev ## the limits of the house: roles, names, expressions, files, order of packages; ends with the figures
	@PYTHONPATH=tests/lab $(BIN)/python -B tests/lab/house.py

awx-image: awx-asked setup-dev ## an execution environment for AWX, built by podman (BASE=docker.io/library/debian:13, IMAGE=petal-ee, PCLUSTER=yes, PODMAN="--volume …")
	@PATH="$(abspath $(BIN)):$$PATH" BASE='$(BASE)' IMAGE='$(IMAGE)' PCLUSTER='$(PCLUSTER)' PODMAN='$(PODMAN)' awx/image.sh image

# Before anything is installed for it.
awx-asked:
	@BASE='$(BASE)' PCLUSTER='$(PCLUSTER)' awx/image.sh check

awx-base: ## an image to begin with where no registry is at hand, made by mmdebstrap (SUITE=trixie, MIRROR=http://…, IMAGE=petal-ee-base)
	@IMAGE='$(IMAGE)' SUITE='$(SUITE)' MIRROR='$(MIRROR)' awx/image.sh base

leftovers: setup-dev ## take away what runs of the tests that were killed have left mounted on this machine
	@$(SUDO) env HOME="$$HOME" PYTHONPATH=tests/lab $(BIN)/python -B tests/lab/leftovers.py

fuzz: setup-dev ## hostile input for all that reads what others wrote, MINUTES of it (TARGETS="spec lock", REPLAY=FILE)
	@PYTHONPATH=.collections:tests/lab $(BIN)/python -B -W ignore -m fuzzing $(if $(REPLAY),--replay $(REPLAY),--minutes $(or $(MINUTES),10)) $(TARGETS)
