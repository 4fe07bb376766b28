# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys in the Parameter Store: what is kept, what is taken from there, and what is said where AWS refuses."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3", reason="boto3 is not in this environment")

from botocore.exceptions import ClientError

from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import AwsError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_store import NOWHERE, KeyStore, key_store_of
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_store_api import SealedKeys, public_key_of

BUILD = "20260131T120000Z-0123abcd"
NAME = f"/petal/build-keys/{BUILD}"
TAGS = {"petal:build-id": BUILD}


def run_command(args: list[str], **_options: Any) -> tuple[int, str, str]:
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Parameters:
    """Systems Manager's client, as much of it as is called; ``refused`` is a code that answers everything."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused
        self.kept: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    def _ask(self, method: str, code: str = "") -> None:
        self.asked.append(method)
        if self.refused or code:
            said: Any = {"Error": {"Code": self.refused or code, "Message": f"no {method} for you"}}
            raise ClientError(said, method)

    def put_parameter(self, **given: Any) -> None:
        self._ask("put", "ParameterAlreadyExists" if given["Name"] in self.kept else "")
        self.kept[given["Name"]] = given

    def get_parameter(self, **given: Any) -> dict[str, Any]:
        self._ask("get", "" if given["Name"] in self.kept else "ParameterNotFound")
        assert given["WithDecryption"]
        return {"Parameter": self.kept[given["Name"]]}

    def delete_parameter(self, **given: Any) -> None:
        self._ask("delete", "" if given["Name"] in self.kept else "ParameterNotFound")
        del self.kept[given["Name"]]

    def describe_parameters(self, **given: Any) -> dict[str, Any]:
        self._ask("describe")
        names = sorted(self.kept)
        page = int(given.get("NextToken", 0))
        more = {"NextToken": str(page + 1)} if page + 1 < len(names) else {}
        return {"Parameters": [{"Name": one} for one in names[page : page + 1]], **more}

    def list_tags_for_resource(self, **given: Any) -> dict[str, Any]:
        self._ask("tags")
        return {"TagList": self.kept[given["ResourceId"]]["Tags"]}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key."""
    made = tmp_path / "first" / "petal-0"
    made.parent.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made)], check=True)
    return made


def sealed(client: Parameters) -> SealedKeys:
    return SealedKeys(lambda: client, Host(run_command))


def test_a_key_is_sealed_with_its_tags_and_comes_to_another_controller(key: Path, tmp_path: Path) -> None:
    client, there = Parameters(), tmp_path / "second" / "keys" / "petal-0"
    public = public_key_of(Host(run_command), key)
    sealed(client).seal(BUILD, key, TAGS, "alias/site", new=True)
    kept = client.kept[NAME]
    assert (kept["Type"], kept["Tier"], kept["KeyId"]) == ("SecureString", "Standard", "alias/site")
    assert kept["Tags"] == [{"Key": "petal:build-id", "Value": BUILD}]
    assert sealed(client).bring(BUILD, public, there)
    assert there.read_text() == key.read_text()
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    assert stat.S_IMODE(there.parent.stat().st_mode) == 0o700
    assert list(there.parent.iterdir()) == [there]


def test_a_key_that_is_not_that_of_the_host_is_not_taken(key: Path, tmp_path: Path) -> None:
    client, there = Parameters(), tmp_path / "second" / "petal-0"
    sealed(client).seal(BUILD, key, TAGS, "", new=True)
    assert "KeyId" not in client.kept[NAME]
    assert not sealed(client).bring(BUILD, "ssh-ed25519 AAAA", there)
    client.kept[NAME]["Value"] = "no key"
    assert not sealed(client).bring(BUILD, "ssh-ed25519 AAAA", there)
    assert list(there.parent.iterdir()) == []
    client.kept.clear()
    assert not sealed(client).bring(BUILD, "ssh-ed25519 AAAA", there)


def test_a_new_key_takes_the_place_of_another_one_and_the_same_stays(key: Path) -> None:
    client = Parameters()
    client.kept[NAME] = {"Value": "old"}
    sealed(client).seal(BUILD, key, TAGS, "", new=False)
    assert client.kept[NAME] == {"Value": "old"}
    client.asked.clear()
    sealed(client).seal(BUILD, key, TAGS, "", new=True)
    assert client.asked == ["put", "delete", "put"]
    assert client.kept[NAME]["Value"] == key.read_text()


def test_keys_are_listed_with_their_tags_and_removed_once(key: Path) -> None:
    client = Parameters()
    for build_id in (BUILD, f"{BUILD}-ami"):
        sealed(client).seal(build_id, key, {"petal:build-id": build_id}, "", new=True)
    assert sealed(client).listed() == [
        {"id": NAME, "tags": TAGS},
        {"id": f"{NAME}-ami", "tags": {"petal:build-id": f"{BUILD}-ami"}},
    ]
    assert sealed(client).forget(BUILD)
    assert not sealed(client).forget(BUILD)


def test_what_is_refused_names_the_permission_and_how_to_do_without(key: Path, tmp_path: Path) -> None:
    store = sealed(Parameters("AccessDeniedException"))
    for missing, act in (
        ("ssm:PutParameter", lambda: store.seal(BUILD, key, TAGS, "", new=True)),
        ("ssm:GetParameter", lambda: store.bring(BUILD, "x", tmp_path / "petal-0")),
        ("ssm:DeleteParameter", lambda: store.forget(BUILD)),
        ("ssm:DescribeParameters", store.listed),
    ):
        with pytest.raises(AwsError) as caught:
            act()
        said = str(caught.value)
        assert f"Give the credentials {missing}" in said
        assert "docs/iam/builder-keys.json" in said
        assert "leave build_key_store=ssm out" in said
        assert "PRIVATE KEY" not in said
        assert caught.value.code == "AccessDeniedException"
    with pytest.raises(AwsError, match="in the Parameter Store: ThrottlingException: ") as busy:
        sealed(Parameters("ThrottlingException")).forget(BUILD)
    assert "Give the credentials" not in str(busy.value)


def test_the_option_of_a_module() -> None:
    assert key_store_of(None) == key_store_of({"kind": "", "kms_key_id": None, "needed": True}) == NOWHERE
    assert key_store_of({"kind": "ssm", "kms_key_id": "alias/x", "needed": False}) == KeyStore("ssm", "alias/x", False)
