#!/usr/bin/env bash
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: awx/image.sh check|image|base        (make awx-image BASE=…, make awx-base)
# From the environment: BASE, IMAGE, PCLUSTER, PODMAN (more options of podman build), SUITE, MIRROR.
set -euo pipefail
cd "$(dirname "$0")/.."
place=.cache/awx

die() { printf '%s\n' "$@" >&2; exit 1; }

podman_there() { command -v podman >/dev/null || die "podman is needed, and is not on this machine: install the package podman."; }

check() {
    [ -n "${BASE:-}" ] || die "Name the image to begin with, a Debian or Ubuntu with Python 3.11 or later: make awx-image BASE=docker.io/library/debian:13" \
        "Where no registry of containers can be reached, make awx-base makes one."
    case ${PCLUSTER:-no} in yes | no) ;; *) die "PCLUSTER=$PCLUSTER is not known. Expected yes or no." ;; esac
    podman_there
}

# The definition, and beside it the clone's own collection, as an archive of it would be installed, and the others in the versions
# that everything is tested with.
lay_out() {
    rm -rf "$place"
    mkdir -p "$place/collections/ansible_collections"
    cp awx/execution-environment.yml "$place"
    cp -RL .collections/ansible_collections/{amazon,ansible,community} "$place/collections/ansible_collections"
    ansible-galaxy collection install --force --offline --no-deps --collections-path "$place/collections" . >"$place/log" 2>&1 ||
        { cat "$place/log" >&2; die "The collection could not be installed into $place/collections."; }
}

image() {
    check
    # shellcheck disable=SC2064 # known now
    trap "rm -rf '$place'" EXIT
    lay_out
    local name=${IMAGE:-petal-ee} more=()
    [ "${PCLUSTER:-no}" = no ] || more+=(--build-arg PCLUSTER=yes)
    [ -z "${PODMAN:-}" ] || more+=(--extra-build-cli-args "$PODMAN")
    ansible-builder build --file "$place/execution-environment.yml" --context "$place/context" --tag "$name" \
        --container-runtime podman --build-arg "EE_BASE_IMAGE=$BASE" "${more[@]}" --squash new --verbosity 3
    printf 'image=%s megabytes=%d seconds=%d\n' "$name" $(($(podman image inspect --format '{{.Size}}' "$name") / 1000000)) "$SECONDS"
}

base() {
    podman_there
    command -v mmdebstrap >/dev/null || die "mmdebstrap is needed, and is not on this machine: install the package mmdebstrap."
    local name=${IMAGE:-petal-ee-base} root
    root=$(mktemp -d)
    # shellcheck disable=SC2064 # known now
    trap "rm -rf '$root'" EXIT
    mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3 "${SUITE:-trixie}" "$root/root.tar" ${MIRROR:+"$MIRROR"}
    podman import --quiet "$root/root.tar" "$name" >/dev/null
    printf 'Made %s. Next: make awx-image BASE=localhost/%s\n' "$name" "$name"
}

case ${1:-} in
    check | image | base) "$1" ;;
    *) sed -n '6,7s/^# //p' "$0" >&2; exit 2 ;;
esac
