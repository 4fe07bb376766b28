"""What build_status advises where only another controller can ask the host of a build: something that helps."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from playing import ROOT

SAYS = yaml.safe_load((ROOT / "roles/build_host/vars/main.yml").read_text(encoding="utf-8"))["build_host_says"]
LAST = "run build_status on the controller that went on with it last, or with its ssh_key_dir"


@pytest.mark.parametrize(
    ("sealed", "given", "advice"),
    [
        ("", "", LAST),
        ("ssm", "", "give -e build_key_store=ssm, where its key is kept"),
        (
            "ssm",
            "ssm",
            "run build_status on the controller that went on with it last, or with its ssh_key_dir (the key",
        ),
    ],
)
def test_the_advice_leads_on(sealed: str, given: str, advice: str) -> None:
    says = {name: trust_as_template(text) for name, text in SAYS.items()}
    variables: dict[str, Any] = {
        "build_host_says": says,
        "build_host_lock": {"lock": {"key_store": sealed}},
        "build_host_plan": {"key_store": {"kind": given}},
    }
    told = Templar(loader=DataLoader(), variables=variables).template(says["see"])
    assert told.startswith(advice)
