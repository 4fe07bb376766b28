#!/usr/bin/env bash
# usage: make_project.sh DIRECTORY
# Writes a project for AWX: playbooks that run those of petal.hpc, an example inventory, seeds. It replaces no file.
# From a clone: make awx-project DEST=DIRECTORY.
set -euo pipefail

project=$(dirname "$(realpath "$0")")/project
if [ $# != 1 ] || [ -z "$1" ]; then
    echo "Nothing says where the project is to be: name a directory, new or without any of its files (make awx-project DEST=DIRECTORY)." >&2
    exit 2
fi
# Not an option, whatever it begins with.
case $1 in /*) dest=$1 ;; *) dest=./$1 ;; esac
if [ -e "$dest" ] && [ ! -d "$dest" ]; then
    echo "$1 is no directory: name another one. Nothing was written." >&2
    exit 1
fi
there=()
while IFS= read -r file; do
    if [ -e "$dest/$file" ] || [ -L "$dest/$file" ]; then there+=("${file#./}"); fi
done < <(cd "$project" && find . -type f | sort)
if [ ${#there[@]} -gt 0 ]; then
    echo "$1 has ${#there[@]} of the project's files already (${there[0]}${there[1]:+, …}), and none is replaced: name another directory, or move them away. Nothing was written." >&2
    exit 1
fi
mkdir -p "$dest"
cp -R "$project/." "$dest"
cat <<END
Written: $1. What is next (README.md there):
  1. put your hosts into inventory.yml, and your seeds into seeds/
  2. git init, commit, and push it to where AWX reads it
  3. in AWX, a project of that repository; its playbooks are what job templates run
END
