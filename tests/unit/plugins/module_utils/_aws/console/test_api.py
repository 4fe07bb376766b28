# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a console is asked for, and what becomes of a host that shows no keys; tests/integration does it with a lab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

botocore = pytest.importorskip("botocore.exceptions", reason="boto3 is not in this environment")

from ansible_collections.petal.hpc.plugins.module_utils._aws.console import api
from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host

DATA = "AAAAC3NzaC1lZDI1NTE5AAAAIGVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVl"
SHOWN = f"-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 {DATA} root\n-----END SSH HOST KEY KEYS-----\n"


def no_command(args: list[str], **_options: Any) -> tuple[int, str, str]:
    raise AssertionError(args)


class Client:
    """EC2 with one instance, whose console shows the next of ``consoles`` at each look; an error is raised."""

    def __init__(self, consoles: Iterator[str | Exception], state: str = "running") -> None:
        self.consoles = consoles
        self.state = state
        self.asked: list[dict[str, Any]] = []

    def get_console_output(self, **wanted: Any) -> dict[str, Any]:
        wanted.pop("aws_retry")
        self.asked.append(wanted)
        shown = next(self.consoles)
        if isinstance(shown, Exception):
            raise shown
        return {"InstanceId": wanted["InstanceId"], **({"Output": shown} if shown else {})}


class Keys(api.HostKeys):
    """Those of a controller on which time passes only by waiting."""

    def __init__(self, client: Client) -> None:
        self.now = 0.0
        super().__init__(client, Host(no_command), sleep=self.wait, clock=lambda: self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def instances(monkeypatch: pytest.MonkeyPatch) -> None:
    def describe(client: Client, InstanceIds: list[str]) -> list[dict[str, Any]]:  # noqa: N803 as boto3 has it
        return [{"Instances": [{"InstanceId": InstanceIds[0], "State": {"Name": client.state}}]}]

    monkeypatch.setattr(api, "describe_instances", describe)


def refusal(code: str) -> Exception:
    error: Exception = botocore.ClientError({"Error": {"Code": code, "Message": "no"}}, "GetConsoleOutput")
    return error


def test_it_waits_until_the_console_shows_them(tmp_path: Path) -> None:
    client = Client(iter(["", "[ 0.0] booting", SHOWN]))
    result = Keys(client).present("i-1", tmp_path / "keys/hosts", 60)
    assert result == {
        "changed": True,
        "fingerprints": {"ssh-ed25519": "SHA256:PsQx8FoCDC9xlSGr7lQhquiYQKnRROwgWo4o7trZh1g"},
    }
    assert (tmp_path / "keys/hosts").read_text() == f"i-1 ssh-ed25519 {DATA}\n"
    assert (tmp_path / "keys/hosts").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert client.asked == [{"InstanceId": "i-1", "Latest": True}] * 3


def test_keys_that_are_known_are_not_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(f"i-1 ssh-ed25519 {DATA}\n")
    client = Client(iter([]))
    result = Keys(client).present("i-1", tmp_path / "hosts", 60)
    assert (result["changed"], client.asked) == (False, [])


def test_of_an_instance_that_is_not_nitro_the_older_console_is_taken(tmp_path: Path) -> None:
    client = Client(iter([refusal("UnsupportedOperation"), "", SHOWN]))
    assert Keys(client).present("i-1", tmp_path / "hosts", 60)["changed"]
    assert [one.get("Latest", False) for one in client.asked] == [True, False, False]


def test_nothing_is_written_where_no_keys_come(tmp_path: Path) -> None:
    keys = Keys(Client(iter(["login: "] * 100)))
    with pytest.raises(AwsError, match=r"i-1 showed no SSH host keys within 60 s.*build_connection=ssm.*host_keys="):
        keys.present("i-1", tmp_path / "hosts", 60)
    assert keys.now == 60
    assert not (tmp_path / "hosts").exists()


def test_nobody_waits_for_a_host_that_has_ended(tmp_path: Path) -> None:
    keys = Keys(Client(iter(["login: "]), state="shutting-down"))
    with pytest.raises(AwsError, match="i-1 is shutting-down, before its console showed any SSH host keys"):
        keys.present("i-1", tmp_path / "hosts", 600)
    assert keys.now == 0


def test_what_aws_refuses_is_said(tmp_path: Path) -> None:
    with pytest.raises(AwsError, match=r"reading the console of i-1: .*UnauthorizedOperation.*builder's policy"):
        Keys(Client(iter([refusal("UnauthorizedOperation")]))).present("i-1", tmp_path / "hosts", 60)


def test_a_place_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PetalError, match="hosts"):
        Keys(Client(iter([SHOWN]))).present("i-1", tmp_path / "file" / "hosts", 60)


def test_check_mode_neither_waits_nor_writes(tmp_path: Path) -> None:
    client = Client(iter([]))
    assert Keys(client).present("i-1", tmp_path / "hosts", 60, check=True) == {"changed": True, "fingerprints": {}}
    assert (client.asked, list(tmp_path.iterdir())) == ([], [])
