# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What counts as a key on a console, and what a known_hosts file says of a host."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._aws.console.host_keys import (
    HostKey,
    keys_known,
    keys_on,
    with_host,
)


def made(kind: str, *fields: bytes) -> HostKey:
    raw = b"".join(len(field).to_bytes(4, "big") + field for field in (kind.encode(), *fields))
    return HostKey(kind, base64.b64encode(raw).decode())


ED25519 = made("ssh-ed25519", b"e" * 32)
OTHER = made("ssh-ed25519", b"o" * 32)
RSA = made("ssh-rsa", b"\1\0\1", b"r" * 384)
ECDSA = made("ecdsa-sha2-nistp256", b"nistp256", b"c" * 65)


def block(*lines: str) -> str:
    return "\n".join(["-----BEGIN SSH HOST KEY KEYS-----", *lines, "-----END SSH HOST KEY KEYS-----", ""])


def line(key: HostKey, comment: str = " root@ip-10-0-0-1") -> str:
    return f"{key.kind} {key.data}{comment}"


# As Amazon Linux prints it: fingerprints by way of a logger, keys as they are, a boot's other words around them.
CONSOLE = (
    "[    0.000000] Linux version 6.1.0\n"
    "<14>Nov 29 10:00:01 cloud-init: -----BEGIN SSH HOST KEY FINGERPRINTS-----\n"
    "<14>Nov 29 10:00:01 cloud-init: 256 SHA256:wT2nhBRgZWGDnJ+4WlYK2mC6ZtFDdYwcVFgHoQ3BSu4 root@ip-10-0-0 (ED25519)\n"
    "<14>Nov 29 10:00:01 cloud-init: -----END SSH HOST KEY FINGERPRINTS-----\n"
    + block(line(RSA), line(ECDSA), line(ED25519))
    + "[   12.345678] cloud-init[1741]: Cloud-init v. 22.2.2 finished\n"
)


def test_keys_come_in_the_order_in_which_openssh_prefers_them() -> None:
    assert keys_on(CONSOLE) == [ED25519, ECDSA, RSA]


@pytest.mark.parametrize("console", [CONSOLE.replace("\n", "\r\n"), CONSOLE.replace("\n", "\r\r\n")])
def test_a_serial_lines_ends_of_lines_do_not_matter(console: str) -> None:
    assert keys_on(console) == [ED25519, ECDSA, RSA]


def test_what_a_logger_puts_in_front_does_not_matter() -> None:
    assert keys_on(block(f"[   12.34] cloud-init[7]: {line(ED25519)}", line(RSA, ""))) == [ED25519, RSA]


@pytest.mark.parametrize(
    "console",
    [
        "",
        "login: ",
        line(ED25519),
        block(),
        CONSOLE.partition("-----END SSH HOST KEY KEYS")[0],
        block("256 SHA256:wT2nhBRgZWGDnJ+4WlYK2mC6ZtFDdYwcVFgHoQ3BSu4 root@ip-10-0-0-1 (ED25519)"),
        block(line(HostKey("ssh-ed25519", RSA.data))),
        block(line(HostKey("ssh-rsa", RSA.data[:80]))),
        block(f"{ED25519.kind} {ED25519.data[:30]}[   12.0] usb 1-1: new device\n{ED25519.data[30:]}"),
    ],
    ids=[
        "empty",
        "no-block",
        "not-in-a-block",
        "nothing-in-it",
        "cut-off",
        "fingerprint",
        "other-kind",
        "half",
        "torn",
    ],
)
def test_what_is_not_a_whole_key_in_a_whole_block_is_none(console: str) -> None:
    assert keys_on(console) == []


def test_a_later_boot_counts_and_a_damaged_block_does_not() -> None:
    assert keys_on(block(line(OTHER)) + block(line(ED25519))) == [ED25519]
    assert keys_on(block(line(ED25519)) + block("ssh-ed25519 AAAA")) == [ED25519]


def test_a_line_cannot_bring_options_or_other_hosts_into_the_file() -> None:
    (key,) = keys_on(block(f"@cert-authority * {line(ED25519)} i-2"))
    assert with_host("", "i-1", [key]) == f"i-1 {ED25519.kind} {ED25519.data}\n"


def test_other_hosts_stay_in_the_file_and_old_keys_of_this_one_do_not() -> None:
    text = with_host(with_host("", "i-1", [OTHER, RSA]), "i-2", [OTHER])
    text = with_host(text, "i-1", [ED25519])
    assert keys_known(text, "i-1") == [ED25519]
    assert keys_known(text, "i-2") == [OTHER]
    assert keys_known(text, "i-3") == []
    assert text.count("\n") == 2


@pytest.mark.parametrize("text", ["i-1\n", "i-1 ssh-ed25519\n", "i-1 ssh-ed25519 AAAA\n", f"i-12 {line(ED25519)}\n"])
def test_a_line_without_a_key_of_this_host_does_not_count(text: str) -> None:
    assert keys_known(text, "i-1") == []


def test_fingerprints_and_files_are_as_openssh_has_them(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    (key,) = keys_on(block((tmp_path / "key.pub").read_text().strip()))
    (tmp_path / "known_hosts").write_text(with_host("", "i-1", [key]))
    said = subprocess.run(
        ["ssh-keygen", "-l", "-F", "i-1", "-f", tmp_path / "known_hosts"], check=True, capture_output=True, text=True
    ).stdout
    assert key.fingerprint in said
