# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files of a volume are looked into for secrets, by name, and what in them is one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Bytes that are read of a file at most: of what may hold a key anywhere, of settings, and of all else, where only the
# beginning tells.
KEY_BYTES = 256 * 1024
TEXT_BYTES = 64 * 1024
HEAD_BYTES = 512


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HISTORY = "history of commands"
SSH = "settings and keys of SSH"
AWS = "credentials of AWS"
KEYTAB = "Kerberos keytab"
PRIVATE_KEY = "private key"
PGP_KEY = "private key of PGP"
KEY_STORE = "store of private keys"
LOGIN = "password or token"
DOCKER = "logins of container registries"
CREDENTIALS_URL = "address with a password in it"
CLUSTER_KEY = "key of a cluster's services"
VENDOR_KEY = "licence key of a vendor"
HASHED = "hash of a password"

_HISTORIES = _words(
    """.bash_history .zsh_history .zhistory .sh_history .ash_history .ksh_history .tcsh_history .csh_history .history
    .python_history .ipython_history .mysql_history .psql_history .sqlite_history .node_repl_history
    .rediscli_history .rhistory .irb_history .lua_history .gdb_history .julia_history .octave_hist .viminfo
    .lesshst .mariadb_history .dbshell .scala_history"""
)
# Of a directory etc: most accounts of a system have none, so that the name alone tells nothing.
_SHADOWS = _words("shadow shadow- gshadow gshadow- passwd passwd-")
# Directories of which every file that is not told otherwise is private.
_PRIVATE_DIRECTORIES = {".ssh": SSH, "private-keys-v1.d": PGP_KEY}
_HARMLESS_IN_SSH = re.compile(r".*\.pub|known_hosts.*|authorized_keys2?|config|environment|rc")
_KEY_STORES = _words("p12 pfx jks keystore kdbx kdb agilekeychain keychain")
# MUNGE's and Slurm's own: random bytes, which nothing but the name tells.
_CLUSTER_KEYS = ("munge.key", "jwt_hs256.key", "slurm.key")
_KEYS = _words("pem key ppk asc gpg pgp kbx crt cer cert der pk8 p8 p7b ovpn id_rsa id_dsa id_ed25519")
_KEY_NAMES = re.compile(
    r"id_(rsa|dsa|ecdsa|ed25519|xmss)(_sk)?|secring\.gpg|identity|ssh_host_[a-z0-9]+_key|.*_rsa|.*_ed25519"
)
_TEXTS = _words(
    """conf config cfg cnf ini env json yaml yml toml properties xml txt log sh bash zsh csh ksh fish tfvars tfstate
    credentials secrets secret token netrc npmrc plist reg bak old orig save tmp lua tcl lic"""
)
_TEXT_NAMES = _words(
    """.netrc _netrc .pgpass .git-credentials .pypirc pip.conf pip.ini .npmrc .yarnrc .env credentials config.json
    .dockerconfigjson .dockercfg .s3cfg .boto .my.cnf .mylogin.cnf rclone.conf .htpasswd .condarc .gitconfig
    uv.toml .profile .bashrc .zshrc .cshrc .bash_profile spack-build-env.txt"""
)
# Programs, sources, documents, pictures and data of software, of which even the beginning says nothing.
_PASSED_OVER = _words(
    """a so o la lo dylib dll exe pyd pyc pyo py pyi pyx pxd pxi c cc cpp cxx c++ h hh hpp hxx h++ inc inl ipp tpp cu
    cuh cuf f f77 f90 f95 f03 f08 for mod smod hs hi go rs java class jar jl js mjs cjs ts tsx jsx map css
    scss less html htm xhtml svg png gif jpg jpeg ico bmp tif tiff webp ttf otf woff woff2 eot pdf ps eps dvi
    tex sty cls bib rst md markdown adoc texi info man 1 2 3 4 5 6 7 8 9 1p 3p 3pm n l po pot mo gmo qm pm pl
    pod t rb r rda rds rdb rdx rd php el elc vim m mat m4 am in ac cmake pc gz bz2 xz zst zip tar tgz whl egg
    npy npz h5 hdf5 nc csv tsv parquet feather db sqlite msg proto def sym pak wasm ll bc s asm ptx cubin
    fatbin mlir td ml mli cmi cmx cmt cmti cmxa cma erl beam ex exs swift kt scala groovy d zig nim v sv vhd
    vhdl qml ui xpm xbm pbm pgm ppm wav mp3 mp4 ogg afm pfb pfm tfm vf fd enc typed whatis toc aux idx ind sub
    fa fasta fastq fq sam bam vcf bed gff gtf"""
)


@dataclass(frozen=True)
class Look:
    """What a file's name calls for. why: it is a find by its name alone; limit: bytes to read of it otherwise."""

    why: str = ""
    limit: int = 0


_NOTHING = Look()
_HEAD = Look(limit=HEAD_BYTES)
_TEXT = Look(limit=TEXT_BYTES)
_KEY = Look(limit=KEY_BYTES)


def look_at(name: str, directory: str) -> Look:
    """What to do with a file.

    :param name: its own name. directory: the name of the directory that it stands in.

    >>> look_at(".bash_history", "home").why, look_at("libm.so", "lib").limit, look_at("deploy_key", "etc").limit
    ('history of commands', 0, 512)
    """
    low = name.lower()
    if directory in _PRIVATE_DIRECTORIES:
        harmless = directory == ".ssh" and _HARMLESS_IN_SSH.fullmatch(low)
        return _NOTHING if harmless else Look(why=_PRIVATE_DIRECTORIES[directory])
    stem, dot, extension = low.rpartition(".")
    if dot and stem and extension in _PASSED_OVER:
        return _NOTHING
    if low in _HISTORIES or (low.endswith("_history") and low.startswith(".")):
        return Look(why=HISTORY)
    if low in _CLUSTER_KEYS:
        return Look(why=CLUSTER_KEY)
    if extension in _KEY_STORES and stem:
        return Look(why=KEY_STORE)
    if extension == "keytab" or extension in _KEYS or _KEY_NAMES.fullmatch(low):
        return _KEY
    if directory == "etc" and low in _SHADOWS:
        return _TEXT
    if low in _TEXT_NAMES or (extension in _TEXTS and dot) or low.startswith(".env") or directory == ".aws":
        return _TEXT
    return _HEAD


# "\n" as two characters is how JSON and YAML write a line's end.
_EOL = rb"(?:\r?\n|\\r\\n|\\n)"
_PEM = re.compile(
    rb"-----BEGIN (?:(?:RSA|DSA|EC|OPENSSH|ENCRYPTED|ANY|SSH2 ENCRYPTED) )?PRIVATE KEY-----"
    + _EOL
    # Headers of the old form, then the key itself: a text about keys has none.
    + rb"(?:[A-Za-z-]{1,60}: [^\r\n\\]{1,200}"
    + _EOL
    + rb"|"
    + _EOL
    + rb"){0,6}[ \t]{0,16}[A-Za-z0-9+/]{40,}"
)
_SSH2 = re.compile(rb"---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----" + _EOL)
# PKCS #8 (RFC 5208), PKCS #1 (RFC 8017, A.1.2) and SEC 1 (RFC 5915) without the letters of PEM.
_DER = re.compile(rb"\A\x30(?:[\x20-\x7f]|\x81.|\x82..)\x02\x01(?:\x00\x30|\x00\x02[\x81\x82]|\x01\x04)", re.DOTALL)
_PGP = re.compile(rb"-----BEGIN PGP PRIVATE KEY BLOCK-----" + _EOL + rb"[^\0]{0,400}?[A-Za-z0-9+/]{40,}")
_PUTTY = re.compile(rb"(?m)^PuTTY-User-Key-File-[23]: ")
# An OpenPGP packet of a secret key: tag 5 or 7 in the old or new form, then version 3 to 6 (RFC 9580, 4.2 and 5.5.3).
_PGP_PACKET = re.compile(
    rb"\A(?:\x94.|\x95..|\x96....|\xc5[\x00-\xbf]|\xc5[\xc0-\xdf].|\xc5\xff....)[\x03-\x06]", re.DOTALL
)
_KEYTAB = re.compile(rb"\A\x05[\x01\x02]\x00\x00")
_AWS_ID = re.compile(rb"(?<![A-Za-z0-9/+])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9/+=])")
_AWS_SECRET = re.compile(
    rb"(?i:secret)[A-Za-z0-9_. -]{0,30}[\"']?\s{0,4}[=:]\s{0,4}[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
)
_URL = re.compile(rb"[a-z][a-z0-9+.-]{1,20}://([^\s:/@\"'<>]{1,100}):([^\s/@\"'<>]{3,200})@[A-Za-z0-9\[]")
_NETRC = re.compile(rb"(?m)^[ \t]*(?:machine\s+\S+|default)\s[^#]{0,1000}?\bpassword\s+(\S+)")
_PGPASS = re.compile(rb"(?m)^[^#:\s][^:\n]*:[^:\n]*:[^:\n]*:[^:\n]*:(\S+)")
_PASSWORD_LINE = re.compile(
    rb"(?mi)^[ \t]*(?:password|passwd|secret_key|secret_access_key|_password|[^=\s]*_authtoken)[ \t]*[=:][ \t]*(\S+)"
)
_ENV = re.compile(rb"(?m)^[ \t]*(?:export[ \t]+)?([A-Z0-9_]+)[ \t]*=[ \t]*(\S+)")
_ENV_NAME = re.compile(rb"SECRET|PASSWORD|PASSWD|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY")
_DOCKER = re.compile(rb"\"(?:auth|identitytoken|registrytoken)\"\s*:\s*\"([^\"]{4,})\"")
# Tokens that say by their form whose they are: GitHub, GitLab, Slack, Hugging Face.
_TOKEN = re.compile(
    rb"(?<![A-Za-z0-9_])(?:(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20}|hf_[A-Za-z]{34})(?![A-Za-z0-9])"
    rb"|github_pat_[A-Za-z0-9_]{70}|xox[abpr]-[0-9]{8,}-[A-Za-z0-9-]{20})"
)
_VENDOR = re.compile(rb"(?m)^[ \t]*(?:SERVER|FEATURE|INCREMENT|PACKAGE)[ \t]+\S+[ \t]+\S+")
# crypt(5): $id$… of all of today's, thirteen characters of DES; one that is locked, by a "!", is one all the same.
_HASH = re.compile(rb"(?m)^[^:\n]{1,100}:!{0,2}(?:\$[0-9a-z]{1,10}\$[^:\n]{8}|[A-Za-z0-9./]{13}:)")
# What documentation and templates have in a secret's place: how it begins, what it holds, or all that it is.
_PLACEHOLDER = re.compile(
    rb"(?i)[\"']?(?:[<\[{$%*(]|xxx|your|.*example|.*change.?me|(?:\.{3,}|secret|password|passwd|pass|token|none|null"
    rb"|true|false|redacted|hidden|dummy|foo|bar|test)?[\"';,]*\Z)"
)
_RULES = {
    ".netrc": ((_NETRC, LOGIN),),
    "_netrc": ((_NETRC, LOGIN),),
    ".pgpass": ((_PGPASS, LOGIN),),
    ".pypirc": ((_PASSWORD_LINE, LOGIN),),
    ".npmrc": ((_PASSWORD_LINE, LOGIN),),
    ".s3cfg": ((_PASSWORD_LINE, LOGIN),),
    ".boto": ((_PASSWORD_LINE, LOGIN),),
    ".my.cnf": ((_PASSWORD_LINE, LOGIN),),
    "rclone.conf": ((_PASSWORD_LINE, LOGIN),),
    ".dockerconfigjson": ((_DOCKER, DOCKER),),
    ".dockercfg": ((_DOCKER, DOCKER),),
}
_WITH_URLS = frozenset(
    (
        ".git-credentials",
        ".gitconfig",
        "pip.conf",
        "pip.ini",
        ".condarc",
        ".npmrc",
        "uv.toml",
        "spack-build-env.txt",
        ".pypirc",
    )
)


def secret_in(name: str, directory: str, data: bytes) -> str:
    """What secret a file holds; empty where none is seen.

    :param name: its own name. directory: the name of the directory that it stands in. data: its beginning.
    """
    low = name.lower()
    return _key_in(low, data) or _login_in(low, directory, data)


def _key_in(low: str, data: bytes) -> str:
    if _PEM.search(data) or _PUTTY.match(data) or _SSH2.search(data):
        return PRIVATE_KEY
    if low.endswith((".der", ".key", ".p8", ".pk8")) and _DER.match(data):
        return PRIVATE_KEY
    binary = low.endswith((".gpg", ".pgp", ".key", ".kbx"))
    if _PGP.search(data) or (binary and _PGP_PACKET.match(data)):
        return PGP_KEY
    if low.endswith(".keytab") and _KEYTAB.match(data):
        return KEYTAB
    return ""


def _login_in(low: str, directory: str, data: bytes) -> str:
    ids = [one for one in _AWS_ID.findall(data) if not one.endswith(b"EXAMPLE")]
    secrets = [one for one in _AWS_SECRET.findall(data) if not one.endswith(b"EXAMPLEKEY")]
    if secrets and (ids or directory == ".aws" or b"AWS_SECRET_ACCESS_KEY" in data):
        return AWS
    if _TOKEN.search(data):
        return LOGIN
    if low.endswith(".lic") and _VENDOR.search(data):
        return VENDOR_KEY
    if directory == "etc" and low in _SHADOWS:
        return HASHED if _HASH.search(data) else ""
    for rule, why in _RULES.get(low, ()):
        if _real(rule.findall(data)):
            return why
    if low == "config.json" and directory in (".docker", "docker", ".container", "containers"):
        return DOCKER if _real(_DOCKER.findall(data)) else ""
    if (low.startswith(".env") or low.endswith(".env") or low == "spack-build-env.txt") and _real(
        value for name, value in _ENV.findall(data) if _ENV_NAME.search(name)
    ):
        return LOGIN
    if low in _WITH_URLS or low.startswith(".env") or low.endswith(".env"):
        return CREDENTIALS_URL if _real(password for _user, password in _URL.findall(data)) else ""
    return ""


def _real(values: Iterable[bytes]) -> bool:
    return any(not _PLACEHOLDER.match(value) for value in values)
