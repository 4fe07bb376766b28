"""What a site says of AWX: known, read by the data, and described."""

from __future__ import annotations

import re
from typing import Any

import yaml
from playing import ROOT

ROLE = ROOT / "roles" / "awx"
DATA = (ROOT / "awx" / "configuration.yml").read_text(encoding="utf-8")
KNOWN: dict[str, Any] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))


def test_what_the_data_reads_is_what_a_site_may_say() -> None:
    read = set(re.findall(r"\bpetal_awx_\w+", re.sub(r"(?m)^\s*#.*", "", DATA)))
    assert read == {*KNOWN["awx_site"], *KNOWN["awx_own"]}


def test_what_the_data_keeps_for_itself_is_no_variable_of_a_site() -> None:
    assert set(re.findall(r"(?m)^(petal_awx_\w+):", DATA)) == set(KNOWN["awx_own"])


def test_the_readme_describes_all_of_it_and_nothing_else() -> None:
    table = (ROLE / "README.md").read_text(encoding="utf-8").split("## Variables of a site")[1].split("\n## ")[0]
    described = set()
    for line in table.splitlines():
        names = re.findall(r"`([\w…]+)`", line.split("|")[1]) if line.startswith("| `") else []
        described |= {name.replace("…", "petal_awx") for name in names}
    assert described == set(KNOWN["awx_site"])
