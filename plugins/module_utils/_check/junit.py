# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of checks as JUnit XML, which CI systems show. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

# What XML 1.0 has no place for.
_NO_TEXT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(results: Sequence[Mapping[str, Any]], suite: str) -> str:
    """An XML document with one test case a result; its class is the node where it ran.

    ``results`` are dictionaries as :meth:`Result.to_dict` makes them, ``suite`` is the name of the whole.
    """
    unfit = [result for result in results if result.get("needs")]
    failed = [result for result in results if not (result["ok"] or result.get("needs"))]
    total = sum(float(result["seconds"]) for result in results)
    root = ElementTree.Element(
        "testsuite",
        name=_text(suite),
        tests=str(len(results)),
        failures=str(len(failed)),
        errors="0",
        skipped=str(len(unfit)),
        time=f"{total:.2f}",
    )
    for result in results:
        place = _text(str(result.get("node") or suite))
        case = ElementTree.SubElement(
            root, "testcase", classname=place, name=_text(str(result["name"])), time=f"{float(result['seconds']):.2f}"
        )
        if result.get("needs"):
            message = _text(f"the node's processor cannot run what was built for {result['needs']}")
            ElementTree.SubElement(case, "skipped", message=message)
        elif not result["ok"]:
            message = _text(f"`{result['command']}` ended with status {result['rc']}")
            ElementTree.SubElement(case, "failure", message=message).text = _text(str(result["output"]))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _text(value: str) -> str:
    return _NO_TEXT.sub("\ufffd", value)
