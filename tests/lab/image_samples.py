# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is inside of container images, in small: databases of dpkg and apk, and what makes one of rpm."""

from __future__ import annotations

STATUS = """\
Package: libc6
Status: install ok installed
Section: libs
Architecture: amd64
Source: glibc
Version: 2.36-9+deb12u8
Description: GNU C Library
 Package: not-one

Package: gcc
Status: hold ok installed
Architecture: amd64
Source: gcc-defaults (1.203)
Version: 4:12.2.0-3

Package: gone
Status: deinstall ok config-files
Version: 1.0

Package: firmware
Status: install ok installed
Section: non-free-firmware/kernel
Architecture: all
Version: 20230210-5

Package: bad name
Status: install ok installed
Version: 1
"""
INSTALLED = """\
C:Q1p2v8pPmdA4vkVJnDu2sHuwE8MTc=
P:musl
V:1.2.5-r0
A:x86_64
L:MIT
o:musl
F:lib
R:ld-musl-x86_64.so.1

P:ssl_client
V:1.36.1-r29
A:x86_64
L:GPL-2.0-only
o:busybox

P:py3-six
V:1.16.0-r9
A:noarch
L:MIT
o:py3-six
F:usr/lib/python3.12/site-packages/six-1.16.0-py3.12.egg-info
R:PKG-INFO
"""
#: A package whose database rpm makes.
SPEC = """\
Name: hello
Epoch: 2
Version: 1.0
Release: 3.el9
Summary: x
License: GPLv2+ and MIT
BuildArch: noarch
Provides: python3dist(hello) = 1.0
%description
x
%files
"""
RPMS = """\
python3-six\t(none):1.15.0-9.el9\tnoarch\tpython-six-1.15.0-9.el9.src.rpm\tMIT\tpython3dist(six) python3-six\x20
vim\t2:8.2-20.el9\tx86_64\tvim-8.2-20.el9.src.rpm\tVim and MIT\t
gpg-pubkey\t(none):350d275d-6279464b\t(none)\t(none)\tpubkey\t
torn
"""
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: x

Files: *
Copyright: 2020 A
License: GPL-2+

Files: doc/*
Copyright: 2020 B
License: Expat or Artistic
 Permission is hereby granted, whatever: it says.

License: GPL-2+
 On Debian systems it is in /usr/share/common-licenses/GPL-2.

License: Nobody-Uses-It
 No text.
"""
OS_RELEASE = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
METADATA = "Metadata-Version: 2.1\nName: Foo_Bar\nVersion: 1.0\nClassifier: License :: OSI Approved :: MIT License\n\n"
#: One of each kind.
TEXTS = (STATUS, INSTALLED, RPMS, COPYRIGHT, OS_RELEASE, METADATA)
