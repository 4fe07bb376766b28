"""What is a secret, by name and by content, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._audit import secrets
from ansible_collections.petal.hpc.plugins.module_utils._audit.secrets import look_at, secret_in

BODY = b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDA\n"
BEGIN = b"-----BEGIN "
KEY = b"PRIVATE KEY-----\n"
AKIA = b"AKIA" + b"Q3EGRIZ5UXRNKDWL"
SECRET = b"kd8Fh2Lq0Zs7Xv5Bn3Mw9Rt6Yp1Cj4Ga+Ue/Ho2T"


@pytest.mark.parametrize(
    ("name", "directory", "why"),
    [
        (".bash_history", "home", secrets.HISTORY),
        (".python_history", "home", secrets.HISTORY),
        (".mysql_history", "home", secrets.HISTORY),
        ("id_rsa", ".ssh", secrets.SSH),
        ("work", ".ssh", secrets.SSH),
        ("A1B2.key", "private-keys-v1.d", secrets.PGP_KEY),
        ("server.p12", "etc", secrets.KEY_STORE),
        ("munge.key", "munge", secrets.CLUSTER_KEY),
        ("id_rsa.pub", ".ssh", ""),
        ("known_hosts", ".ssh", ""),
        ("libssl.so.3", "lib", ""),
        ("history.py", "lib", ""),
    ],
)
def test_by_name(name: str, directory: str, why: str) -> None:
    assert look_at(name, directory).why == why


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("libm.so", 0),
        ("numpy.py", 0),
        ("array.h", 0),
        ("printf.3", 0),
        ("server.pem", secrets.KEY_BYTES),
        ("krb5.keytab", secrets.KEY_BYTES),
        ("id_ed25519", secrets.KEY_BYTES),
        ("settings.yaml", secrets.TEXT_BYTES),
        (".env", secrets.TEXT_BYTES),
        (".env.production", secrets.TEXT_BYTES),
        (".netrc", secrets.TEXT_BYTES),
        ("spack-build-env.txt", secrets.TEXT_BYTES),
        ("deploy", secrets.HEAD_BYTES),
        ("blob.dat", secrets.HEAD_BYTES),
    ],
)
def test_what_is_opened_and_how_far(name: str, limit: int) -> None:
    assert look_at(name, "dir").limit == limit


@pytest.mark.parametrize(
    ("name", "directory", "data", "why"),
    [
        ("a.pem", "x", BEGIN + KEY + BODY, secrets.PRIVATE_KEY),
        ("a", "x", BEGIN + b"RSA " + KEY + BODY, secrets.PRIVATE_KEY),
        ("a", "x", BEGIN + b"OPENSSH " + KEY + BODY, secrets.PRIVATE_KEY),
        ("a", "x", BEGIN + b"ENCRYPTED " + KEY.replace(b"\n", b"\r\n") + BODY, secrets.PRIVATE_KEY),
        (
            "a.key",
            "x",
            BEGIN + b"EC " + KEY + b"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AA\n\n" + BODY,
            secrets.PRIVATE_KEY,
        ),
        ("c.pem", "x", b"-----BEGIN CERTIFICATE-----\n" + BODY * 40 + BEGIN + KEY + BODY, secrets.PRIVATE_KEY),
        (
            "gcp.json",
            "x",
            b'{"private_key": "' + (BEGIN + KEY + BODY).replace(b"\n", b"\\n") + b'"}',
            secrets.PRIVATE_KEY,
        ),
        ("a.ppk", "x", b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", secrets.PRIVATE_KEY),
        ("a.key", "x", b"\x30\x82\x04\xa4\x02\x01\x00\x02\x82\x01\x01\x00", secrets.PRIVATE_KEY),
        ("a.der", "x", b"\x30\x82\x04\xbd\x02\x01\x00\x30\x0d\x06\x09", secrets.PRIVATE_KEY),
        ("a.asc", "x", b"-----BEGIN PGP PRIVATE KEY BLOCK-----\nComment: x\n\n" + BODY, secrets.PGP_KEY),
        ("secring.gpg", "x", b"\x95\x03\x98\x04\x5f\x00", secrets.PGP_KEY),
        ("krb5.keytab", "etc", b"\x05\x02\x00\x00\x00\x4a\x00\x02", secrets.KEYTAB),
        ("credentials", ".aws", b"[x]\naws_secret_access_key = " + SECRET + b"\n", secrets.AWS),
        ("job.sh", "x", b"export A=" + AKIA + b"\nexport AWS_SECRET_KEY='" + SECRET + b"'\n", secrets.AWS),
        ("conf.json", "x", b'{"id": "' + AKIA + b'", "secretAccessKey": "' + SECRET + b'"}', secrets.AWS),
        ("spack-build-env.txt", ".spack", b"AWS_SECRET_ACCESS_KEY='" + SECRET + b"'; export A\n", secrets.AWS),
        ("spack-build-env.txt", ".spack", b"https_proxy=http://jo:hunter22@proxy:3128\n", secrets.CREDENTIALS_URL),
        (".netrc", "x", b"machine api.example.org login jo password s3cr3tw0rd\n", secrets.LOGIN),
        (".pgpass", "x", b"db:5432:*:jo:s3cr3tw0rd\n", secrets.LOGIN),
        (".git-credentials", "x", b"https://jo:ghp_abcdef@example.org\n", secrets.CREDENTIALS_URL),
        (
            "pip.conf",
            "x",
            b"[global]\nindex-url = https://jo:hunter22@pypi.example.org/simple\n",
            secrets.CREDENTIALS_URL,
        ),
        (".pypirc", "x", b"[pypi]\nusername = __token__\npassword = pypi-AgEIcHlwaS5vcmc\n", secrets.LOGIN),
        ("config.json", ".docker", b'{"auths": {"r": {"auth": "am86aHVudGVyMjI="}}}', secrets.DOCKER),
        (".env", "x", b"DB_HOST=db\nDB_PASSWORD=hunter22\n", secrets.LOGIN),
        ("ci.yaml", "x", b"token: ghp_" + b"a1B2" * 9 + b"\n", secrets.LOGIN),
        ("license.lic", "intel", b"# ours\nSERVER lic01 ANY 28518\nFEATURE x y 1.0\n", secrets.VENDOR_KEY),
    ],
)
def test_secrets(name: str, directory: str, data: bytes, why: str) -> None:
    assert secret_in(name, directory, data) == why


@pytest.mark.parametrize(
    ("name", "directory", "data"),
    [
        ("cacert.pem", "certifi", b"-----BEGIN CERTIFICATE-----\n" + BODY * 100),
        ("key.pem", "x", b"-----BEGIN PUBLIC KEY-----\n" + BODY),
        ("key.asc", "x", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + BODY),
        ("pubring.gpg", "x", b"\x99\x01\x0d\x04\x5f\x00"),
        # Texts about keys.
        ("README", "x", b"The file begins with -----BEGIN RSA PRIVATE KEY-----\nand so on.\n"),
        ("x.yaml", "x", BEGIN + KEY + b"...\n-----END PRIVATE KEY-----\n"),
        (
            "x.txt",
            "x",
            b"aws_access_key_id = AKIAIOSFODNN7EXAMPLE\nsecret = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
        ),
        ("x.json", "x", b'{"secret": "' + SECRET + b'"}'),
        ("x.json", "x", b'{"id": "' + AKIA + b'"}'),
        ("config.json", "model", b'{"auth": "bm9uZQ=="}'),
        ("config.json", ".docker", b'{"auths": {"r": {}}, "credsStore": "pass"}'),
        (".env", "x", b"DB_PASSWORD=changeme\nTOKEN=${TOKEN}\nAPI_KEY=<your key>\nSECRET_KEY=\n"),
        ("pip.conf", "x", b"[global]\nindex-url = https://pypi.example.org/simple\n"),
        (".pypirc", "x", b"[pypi]\nusername = __token__\n"),
        (".netrc", "x", b"machine api.example.org login jo password your-password\n"),
        ("empty.keytab", "x", b"\x05\x02"),
        # As Spack writes it, for the administrator to fill in.
        ("license.lic", "intel", b"# A license is required to use intel.\n# SERVER goes here\n"),
        ("x.txt", "x", b"tokens such as ghp_xxxx or hf_yours"),
    ],
)
def test_what_only_looks_like_one(name: str, directory: str, data: bytes) -> None:
    assert secret_in(name, directory, data) == ""


@given(st.sampled_from([".env", ".netrc", "a.pem", "pip.conf", ".pgpass", "x", "a.gpg"]), st.binary(max_size=3000))
def test_any_bytes_are_read(name: str, data: bytes) -> None:
    assert isinstance(secret_in(name, ".aws", data), str)


@pytest.mark.parametrize(
    "filler", [b"-----BEGIN PRIVATE KEY-----\n", b"a: ", b"machine x ", b"https://a:", b":", b"A" * 50 + b"\n"]
)
def test_no_content_takes_long(filler: bytes) -> None:
    data = (filler * (secrets.KEY_BYTES // len(filler)))[: secrets.KEY_BYTES]
    for name in (".netrc", ".pgpass", "a.pem", ".env", ".git-credentials", "config.json"):
        secret_in(name, ".docker", data[: secrets.KEY_BYTES if name == "a.pem" else secrets.TEXT_BYTES])
