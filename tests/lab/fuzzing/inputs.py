# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs: good ones that are changed in a few places, and what the words of a language make when they are put together.

A parser that is given noise refuses it in its first line. So most inputs are nearly right.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

#: Longest input: more than any reader but those of whole files takes.
LONGEST = 200_000

#: Values that are valid JSON, and that nobody has thought of.
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, -(10**30), 0.5, 1e308, float("inf"), float("nan")),
    *(
        "",
        " ",
        "\0",
        "\n",
        "\u202e",
        "\ud800",
        "\uffff",
        "١٢",
        "²",
        "é" * 300,
        "a" * 5000,
        "-",
        "..",
        "../../etc/passwd",
    ),
    *(
        "{{ 7 * 7 }}",
        "$(id)",
        "`id`",
        "%s%n",
        "'",
        '"',
        "\\",
        "null",
        "1e999",
        "0x10",
        "1_000",
        "9" * 5000,
        "2026-13-99",
    ),
    *("1", "nan", "sha256:" + "0" * 64, "snap-" + "0" * 17, "0" * 64, "s3://a/b", "https://u:p@h/", "file:///", "a\tb"),
    *([], {}, [[]], [None], [{}], {"": ""}, {"a": None}, {"\ud800": 1}, [1, "a", None], [["a", 1]], {"a": {"b": {}}}),
)
_TEXTS = tuple(one for one in HOSTILE if isinstance(one, str))
#: Pieces of text that open something and do not close it, or cannot be encoded.
_PIECES = (
    *"[]{}()<>:;,|&*!%@#`'\"\\/-+=~^.? \t\r\n\0",
    "\r\n",
    "--- ",
    "...",
    "<<: *a",
    "&a ",
    "*a",
    "!!python/object:os",
    "\ufeff",
)

_PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(HOSTILE).map(copy.deepcopy),
)
#: Any JSON.
JSON: SearchStrategy[Any] = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def encoded(text: str) -> bytes:
    """Text as a file has it: a half of a surrogate pair becomes what is no UTF-8."""
    return text[:LONGEST].encode("utf-8", "surrogatepass")


# A position in a text, as a part of its length: the same strategy for all texts, as making one takes time.
_SPOT = st.integers(0, 10**6)
_FEW = st.integers(1, 5)
_KIND = st.integers(0, 7)
_TIMES = st.sampled_from((10, 100, 1000, 20_000))
_SHORT = st.text(max_size=6)


def _changed(samples: Sequence[str], words: Sequence[str]) -> SearchStrategy[str]:
    """A sample with a few pieces cut out, doubled, repeated, exchanged or put in."""
    pieces = st.sampled_from((*words, *_PIECES, *_TEXTS)) | _SHORT
    return _cut(st.sampled_from(samples), pieces)


@st.composite
def _cut(draw: st.DrawFn, samples: SearchStrategy[str], pieces: SearchStrategy[str]) -> str:
    text = draw(samples)
    for _change in range(draw(_FEW)):
        spot = draw(_SPOT)
        start = spot % (len(text) + 1)
        end = min(len(text), start + spot % 31)
        kind = draw(_KIND)
        if kind == 0:
            piece = ""
        elif kind == 1:
            piece = text[start:end] * 2
        elif kind == 2:
            other = draw(samples)
            cut = spot % (len(other) + 1)
            piece = other[cut : cut + 60]
        else:
            piece = draw(pieces)
        if kind == 3:
            # Nested, or long: what a hundred times is still quick may not be ten thousand times.
            piece *= draw(_TIMES)
        text = (text[:start] + piece + text[end if kind != 4 else start :])[:LONGEST]
    return text


def texts(samples: Sequence[str], words: Sequence[str]) -> SearchStrategy[bytes]:
    """Texts of a language of which these are good ones, and words."""
    spoken = st.lists(st.sampled_from((*words, *_PIECES)), min_size=1, max_size=12).map("".join)
    changed = _changed(samples, words)
    return st.one_of(changed, changed, spoken, st.text(max_size=40)).map(encoded)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        for key, item in value.items():
            found += _places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:20]):
            found += _places(item, (*path, index))
    return found


_NAME = st.text(max_size=8) | st.sampled_from(_TEXTS)
_MANY = st.integers(2, 300)
_BITE = _SHORT.map(lambda text: text or "1")


@st.composite
def _edited(draw: st.DrawFn, samples: SearchStrategy[Any]) -> Any:
    """A document with a few values that are others, missing, doubled, in another place or under another name."""
    value: Any = {"": copy.deepcopy(draw(samples))}
    for _edit in range(draw(_FEW)):
        places = [place for place in _places(value) if place]
        *path, last = places[draw(_SPOT) % len(places)]
        parent = value
        for step in path:
            parent = parent[step]
        kind = draw(_KIND)
        if kind == 0 and path:
            del parent[last]
        elif kind == 1 and path and isinstance(parent, dict):
            parent[draw(_NAME)] = parent.pop(last)
        elif kind == 2 and isinstance(parent[last], list):
            parent[last] = parent[last] * draw(_MANY)
        elif kind == 3:
            parent[last] = [parent[last]]
        elif kind == 4:
            parent[last] = copy.deepcopy(_at(value, places[draw(_SPOT) % len(places)]))
        elif kind == 5 and isinstance(parent[last], str):
            text, spot = parent[last], draw(_SPOT)
            start = spot % (len(text) + 1)
            parent[last] = text[:start] + draw(_BITE) + text[start + spot % 3 :]
        else:
            parent[last] = draw(JSON)
    return value[""]


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        value = value[step]
    return value


def documents(samples: Sequence[Any], words: Sequence[str] = (), more: Sequence[str] = ()) -> SearchStrategy[bytes]:
    """JSON documents of a kind of which these are good ones. more: texts of others to change."""
    whole = _edited(st.sampled_from(samples)).map(lambda value: encoded(json.dumps(value)))
    written = [*(json.dumps(sample, indent=1) for sample in samples), *more]
    broken = _changed(written, (*words, '"a":', "null", "Infinity", "NaN", "[[", '{"a":', "1e999")).map(encoded)
    return st.one_of(whole, whole, whole, broken, JSON.map(lambda value: encoded(json.dumps(value))))


@st.composite
def _damaged(draw: st.DrawFn, samples: SearchStrategy[bytes], pieces: SearchStrategy[bytes]) -> bytes:
    data = draw(samples)
    for _change in range(draw(_FEW)):
        spot = draw(_SPOT)
        start = spot % (len(data) + 1)
        piece = draw(pieces)
        # In place of as many bytes, or of another number.
        end = start + (len(piece) if draw(_KIND) else spot % 17)
        data = (data[:start] + piece + data[end:])[:LONGEST]
    return data


def files(samples: Sequence[bytes], words: Sequence[bytes] = ()) -> SearchStrategy[bytes]:
    """Files that are no text, of a kind of which these are good ones."""
    pieces = st.binary(max_size=16) | st.sampled_from((b"", b"\0" * 512, b"\xff" * 12, *words))
    damaged = _damaged(st.sampled_from(samples), pieces)
    return st.one_of(damaged, damaged, st.binary(max_size=200))
