# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text for Lua programs: Lmod's modulefiles and settings are Lua."""

from __future__ import annotations


def lua_string(value: str, multiline: bool = False) -> str:
    """Quote text as a Lua string literal that reads back as exactly that text.

    :param value: any text; characters outside ASCII stay as they are (UTF-8 in a Lua file).
    :param multiline: keep line ends as real line ends (a backslash before each), for text that people read in the file.
    :return: the literal with its quotation marks.

    The escapes are those of the Lua 5.1 to 5.4 reference manuals, section 3.1 (2.1 in 5.1): a backslash before a
    quotation mark, a backslash or a line end, and three decimal digits for any other control character.
    """
    parts = []
    for char in value:
        if char in '"\\':
            parts.append("\\" + char)
        elif char == "\n":
            parts.append("\\\n" if multiline else "\\n")
        elif ord(char) < 32 or ord(char) == 127:
            parts.append(f"\\{ord(char):03d}")
        else:
            parts.append(char)
    return '"' + "".join(parts) + '"'
