# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How pip is called for Spack's Python."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.pip_call import pip_call
from ansible_collections.petal.hpc.plugins.module_utils._spack.pip import Origin

PYTHON = "/cache/venv/bin/python"
INDEX = "https://index.example.org/simple"
SECRET = "https://user:word@index.example.org/simple"


def test_wheels_of_an_index_and_nothing_of_the_hosts_own() -> None:
    call = Origin(PYTHON).call(["clingo==5.8.3", "boto3"])
    assert call.pip == (PYTHON, "-m", "pip")
    assert call.arguments[-4:] == ("--only-binary", ":all:", "clingo==5.8.3", "boto3")
    assert call.environment == {
        "LC_ALL": "C.UTF-8",
        "PYTHONNOUSERSITE": "1",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_FIND_LINKS": "",
        "PIP_EXTRA_INDEX_URL": "",
    }
    assert call.secrets == {}


def test_what_is_locked_is_asked_for_by_its_digests() -> None:
    call = Origin(PYTHON, lock="/work/python.txt", locked=True).call(["clingo==5.8.3"])
    assert call.arguments[-3:] == ("--require-hashes", "--requirement", "/work/python.txt")
    assert "clingo==5.8.3" not in call.arguments
    assert Origin(PYTHON, lock="/work/python.txt").call(["x==1"]).arguments[-1] == "x==1"


def test_indexes_of_a_site_are_seen_where_they_have_no_password() -> None:
    call = Origin(PYTHON, index_url=INDEX, extra_index_urls=[INDEX, "https://b.example.org/"]).call(["x"])
    assert call.environment["PIP_INDEX_URL"] == INDEX
    assert call.environment["PIP_EXTRA_INDEX_URL"] == f"{INDEX} https://b.example.org/"
    assert call.secrets == {}


@pytest.mark.parametrize(
    "origin", [Origin(PYTHON, index_url=SECRET), Origin(PYTHON, index_url=INDEX, extra_index_urls=[SECRET])]
)
def test_where_one_index_has_a_password_none_is_on_a_command_line(origin: Origin) -> None:
    call = origin.call(["x"])
    assert "word" not in str((call.arguments, call.environment))
    assert SECRET in call.secrets.values()
    assert "PIP_INDEX_URL" not in call.environment


def test_the_wheels_of_a_mirror_take_the_place_of_any_index() -> None:
    call = Origin(PYTHON, index_url=INDEX, wheels="/mirror/bootstrap").call(["x"])
    assert call.environment["PIP_NO_INDEX"] == "1"
    assert call.environment["PIP_FIND_LINKS"] == "/mirror/bootstrap"


def test_the_host_has_its_say_where_it_is_let_in() -> None:
    call = Origin(PYTHON, certificates="/etc/ca.crt", host_config=True).call(["x"])
    assert call.environment == {"LC_ALL": "C.UTF-8", "PYTHONNOUSERSITE": "1", "PIP_CERT": "/etc/ca.crt"}


def test_the_filter_takes_what_templates_give() -> None:
    given: dict[str, Any] = {"python": PYTHON, "wheels": "/w", "extra_index_urls": []}
    assert pip_call(["x"], given) == Origin(PYTHON, wheels="/w").call(["x"]).to_dict()
    with pytest.raises(AnsibleFilterError, match=r"takes a list of packages and their origin: .*pypthon"):
        pip_call(["x"], {"pypthon": PYTHON})
    with pytest.raises(AnsibleFilterError, match="takes a list of packages"):
        pip_call(None, given)
