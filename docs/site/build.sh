#!/usr/bin/env bash
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: docs/site/build.sh DIRECTORY       (make docs-site: .cache/site)
# The documentation site in DIRECTORY/html: pages of docs/, the roles' own, and the reference of all plugins and roles.
# Every warning is an error. Needs no network.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
mkdir -p "$1"
to=$(cd "$1" && pwd)
rm -rf "$to/source" "$to/html"
mkdir -p "$to/source/collections"

# The tree as it is, so that a relative link means the same on the site as in the clone; conf.py says what are pages.
git ls-files -z --cached --others --exclude-standard -- '*.md' LICENSE awx docs seeds roles plugins tests |
    tar --null --files-from=- --create --ignore-failed-read | tar --extract --directory="$to/source"
cp docs/site/index.md "$to/source/index.md"

ANSIBLE_COLLECTIONS_PATH=$root/.collections antsibull-docs collection --use-current --squash-hierarchy --fail-on-error \
    --dest-dir "$to/source/collections" petal.hpc
sphinx-build --quiet --fail-on-warning --keep-going --jobs auto -b html -c docs/site -d "$to/doctrees" "$to/source" "$to/html"
echo "The site: $to/html/index.html"
