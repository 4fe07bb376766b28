# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's own modulefiles: which module a file of ``software.modules`` is, and whether a text can be one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Flaw

#: Longest modulefile, and most that a seed may name: they travel with the plan of a build.
SIZE_LIMIT = 64 * 1024
COUNT_LIMIT = 200

LUA = ".lua"
#: By which Lmod knows one in Tcl.
TCL_BEGINS = "#%Module"
#: The hyphen before a version, and what else begins like one.
_HYPHEN = re.compile(r"-(?=v?[0-9])")
_VERSION = re.compile(r"v?[0-9]")
#: What a modulefile in Lua calls. Source: Lmod, "Lua Modulefile Functions".
_CALLS = re.compile(
    r"\b(?:always_load|append_path|color_banner|conflict|depends_on|depends_on_any|execute|extensions|family|help|load"
    r"|load_any|prepend_path|prereq|prereq_any|pushenv|remove_path|require_fullname|set_alias|set_shell_function|setenv"
    r"|source_sh|try_load|unsetenv|whatis)[ \t]{0,9}[(\"'\[]",
    re.ASCII,
)


@dataclass(frozen=True)
class Name:
    """The module NAME/VERSION, and whether it is written in Lua."""

    name: str
    version: str
    lua: bool

    @property
    def module(self) -> str:
        """What ``module load`` takes."""
        return f"{self.name}/{self.version}"

    @property
    def file(self) -> str:
        """Its file below a directory of MODULEPATH."""
        return self.module + (LUA if self.lua else "")


def named(path: str) -> Name | None:
    """The module of a file: NAME-VERSION by its own name, else DIRECTORY/FILE; None where neither says it.

    A file whose name begins with a digit is a version of what its directory is called.
    """
    directory, _slash, name = path.rpartition("/")
    lua = name.endswith(LUA)
    stem, parent = name.removesuffix(LUA), directory.rpartition("/")[2]
    name, *version = _HYPHEN.split(stem, maxsplit=1)
    if version and not _VERSION.match(stem):
        return Name(name, version[0], lua)
    return Name(parent, stem, lua) if parent else None


def path(text: str) -> Flaw | str | None:
    """A check of an entry of ``software.modules``."""
    wrong = grammar.below_seed(text)
    if wrong:
        return wrong
    if text.endswith(".tcl"):
        return Flaw("Lmod takes the suffix for a part of the version", "a modulefile in Tcl has no suffix: tool/1.0")
    if named(text) is None:
        return Flaw("this does not say which module it is", "call it NAME-VERSION.lua, or NAME/VERSION.lua")
    return None


def objection(content: bytes, lua: bool) -> str:
    """Why a content cannot be a modulefile; empty where it can."""
    if len(content) > SIZE_LIMIT:
        return f"it is larger than {SIZE_LIMIT // 1024} KiB"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "it is no modulefile: it is not UTF-8 text"
    if "\0" in text:
        return "it is no modulefile: it holds a NUL"
    tcl = text.startswith(TCL_BEGINS)
    if lua and tcl:
        return f"its name ends in {LUA}, and it is written in Tcl: take the suffix away"
    if not lua and not tcl:
        return f"it is no modulefile: one in Tcl begins with {TCL_BEGINS}, and the name of one in Lua ends in {LUA}"
    if lua and not _CALLS.search(text):
        return "it is no modulefile: it calls no function of Lmod, such as prepend_path or help"
    return ""
