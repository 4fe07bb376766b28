# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._lmod.lua import lua_string

LUA = next(filter(None, map(shutil.which, ("lua5.3", "lua5.4", "lua5.1", "lua"))), None)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("", '""'),
        ("sci 2026.1", '"sci 2026.1"'),
        ('a "b"', '"a \\"b\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("two\nlines", '"two\\nlines"'),
        ("\x00\r\t\x7f1", '"\\000\\013\\009\\1271"'),
        ("Grüße", '"Grüße"'),
        ('") os.execute("id")--', '"\\") os.execute(\\"id\\")--"'),
    ],
)
def test_literals(text: str, literal: str) -> None:
    assert lua_string(text) == literal


def test_multiline_keeps_line_ends() -> None:
    assert lua_string('a\n"b"', multiline=True) == '"a\\\n\\"b\\""'


@given(st.text(), st.booleans())
def test_nothing_ends_the_literal_early(text: str, multiline: bool) -> None:
    literal = lua_string(text, multiline)
    inside = literal[1:-1].replace("\\\\", "").replace('\\"', "")
    assert literal[0] == literal[-1] == '"'
    assert '"' not in inside
    assert multiline or "\n" not in literal


@pytest.mark.skipif(LUA is None, reason="no Lua interpreter on this host")
@pytest.mark.parametrize("multiline", [False, True])
def test_lua_reads_the_same_text(multiline: bool) -> None:
    text = "\n".join(["".join(map(chr, range(256))), '"]] --[[', "\\", "\\n\\1234", "雪 🌸"])
    program = f"io.write({lua_string(text, multiline)})"
    done = subprocess.run([str(LUA), "-"], input=program.encode(), capture_output=True, check=True)
    assert done.stdout.decode() == text
