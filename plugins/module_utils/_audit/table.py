# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which licences let software be handed to everybody: those that OSI has approved or FSF calls free.

Identifiers are of the SPDX list (https://spdx.org/licenses), compared without case, as SPDX has it.
"""

from __future__ import annotations

OPEN = frozenset(
    """
    0BSD AAL AFL-1.1 AFL-1.2 AFL-2.0 AFL-2.1 AFL-3.0 AGPL-1.0-only AGPL-1.0-or-later AGPL-1.0 AGPL-3.0
    AGPL-3.0-only AGPL-3.0-or-later AMPAS ANTLR-PD APAFML APL-1.0 APSL-1.0 APSL-1.1 APSL-1.2 APSL-2.0 Apache-1.0
    Apache-1.1 Apache-2.0 Artistic-1.0 Artistic-1.0-cl8 Artistic-1.0-Perl Artistic-2.0 BSD-1-Clause BSD-2-Clause
    BSD-2-Clause-FreeBSD BSD-2-Clause-NetBSD BSD-2-Clause-Patent BSD-2-Clause-Views BSD-3-Clause
    BSD-3-Clause-Attribution BSD-3-Clause-Clear BSD-3-Clause-LBNL BSD-3-Clause-Modification
    BSD-3-Clause-Open-MPI BSD-3-Clause-flex BSD-4-Clause BSD-4-Clause-UC BSD-Source-Code BSL-1.0 BitTorrent-1.1
    BlueOak-1.0.0 bzip2-1.0.5 bzip2-1.0.6 CAL-1.0 CATOSL-1.1 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-3.0 CC-BY-SA-4.0
    CC0-1.0 CDDL-1.0 CDDL-1.1 CECILL-1.0 CECILL-1.1 CECILL-2.0 CECILL-2.1 CECILL-B CECILL-C CERN-OHL-P-2.0
    CERN-OHL-S-2.0 CERN-OHL-W-2.0 CNRI-Jython CNRI-Python CNRI-Python-GPL-Compatible CPAL-1.0 CPL-1.0
    CUA-OPL-1.0 ClArtistic Condor-1.1 curl DOC DSDP diffmark ECL-1.0 ECL-2.0 EFL-1.0 EFL-2.0 EPL-1.0 EPL-2.0
    EUDatagrid EUPL-1.0 EUPL-1.1 EUPL-1.2 eCos-2.0 eGenix Entessa FSFAP FSFUL FSFULLR FTL Fair Frameworx-1.0
    FreeImage GFDL-1.1-only GFDL-1.1-or-later GFDL-1.2-only GFDL-1.2-or-later GFDL-1.3-only GFDL-1.3-or-later
    GPL-1.0 GPL-1.0+ GPL-1.0-only GPL-1.0-or-later GPL-2.0 GPL-2.0+ GPL-2.0-only GPL-2.0-or-later GPL-3.0
    GPL-3.0+ GPL-3.0-only GPL-3.0-or-later HDF5 HPND HPND-sell-variant ICU IJG IPA IPL-1.0 ISC Imlib2
    ImageMagick Info-ZIP Jam JasPer-2.0 LGPL-2.0 LGPL-2.0+ LGPL-2.0-only LGPL-2.0-or-later LGPL-2.1 LGPL-2.1+
    LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0 LGPL-3.0+ LGPL-3.0-only LGPL-3.0-or-later LPL-1.0 LPL-1.02 LPPL-1.0
    LPPL-1.1 LPPL-1.2 LPPL-1.3a LPPL-1.3c Leptonica LiLiQ-P-1.1 LiLiQ-R-1.1 LiLiQ-Rplus-1.1 Libpng libpng-2.0
    libtiff MIT MIT-0 MIT-CMU MIT-Modern-Variant MIT-Wu MIT-advertising MIT-enna MIT-feh MIT-open-group MITNFA
    MPL-1.0 MPL-1.1 MPL-2.0 MPL-2.0-no-copyleft-exception MS-PL MS-RL MirOS Motosoto mpich2 MulanPSL-1.0
    MulanPSL-2.0 Multics NAIST-2003 NASA-1.3 NBPL-1.0 NCSA NGPL NIST-PD NIST-PD-fallback NIST-Software NLPL
    NPL-1.0 NPL-1.1 NTP NTP-0 Naumen Net-SNMP NetCDF Nokia OCLC-2.0 OFL-1.0 OFL-1.1 OFL-1.1-RFN OFL-1.1-no-RFN
    OGTSL OLDAP-2.3 OLDAP-2.7 OLDAP-2.8 OML OSET-PL-2.1 OSL-1.0 OSL-1.1 OSL-2.0 OSL-2.1 OSL-3.0 OpenSSL
    OpenSSL-standalone PDDL-1.0 PHP-3.0 PHP-3.01 PSF-2.0 PostgreSQL Python-2.0 Python-2.0.1 QPL-1.0 RPL-1.1
    RPL-1.5 RPSL-1.0 RSCPL Ruby SGI-B-1.1 SGI-B-2.0 SISSL SISSL-1.2 SMLNJ SPL-1.0 SSH-OpenSSH SSH-short SSLeay
    SSLeay-standalone Saxpath SimPL-2.0 Sleepycat Spencer-86 Spencer-94 Spencer-99 StandardML-NJ TCL
    TCP-wrappers TMate UCAR UCL-1.0 UPL-1.0 Unicode-3.0 Unicode-DFS-2015 Unicode-DFS-2016 Unlicense VSL-1.0 Vim
    W3C W3C-19980720 W3C-20150513 WTFPL Watcom-1.0 X11 XFree86-1.1 Xnet Xerox YPL-1.1 ZPL-1.1 ZPL-2.0 ZPL-2.1
    Zed Zend-2.0 Zimbra-1.3 Zlib blessing iMatix libselinux-1.0 xinetd zlib-acknowledgement
    LicenseRef-OSI-Approved LicenseRef-Public-Domain
    """.lower().split()
)
# Known, and for everybody it is not: of use, of field, of change, or of handing it on.
NOT_OPEN = frozenset(
    """
    Aladdin BUSL-1.1 BitTorrent-1.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0 CC-BY-NC-SA-3.0
    CC-BY-NC-SA-4.0 CC-BY-ND-3.0 CC-BY-ND-4.0 Elastic-2.0 FSL-1.1-ALv2 FSL-1.1-MIT Hippocratic-2.1 JSON
    LicenseRef-Not-Open NVIDIA-EULA PolyForm-Noncommercial-1.0.0 PolyForm-Small-Business-1.0.0 Parity-6.0.0
    Parity-7.0.0 Prosperity-3.0.0 RPL-1.0 SSPL-1.0 UnRAR
    """.lower().split()
)
# What may follow WITH: permissions on top of a licence. A restriction (Commons-Clause) is none of them.
EXCEPTIONS = frozenset(
    """
    389-exception Asterisk-exception Autoconf-exception-2.0 Autoconf-exception-3.0 Autoconf-exception-generic
    Bison-exception-1.24 Bison-exception-2.2 Bootloader-exception CLISP-exception-2.0 Classpath-exception-2.0
    DigiRule-FOSS-exception FLTK-exception Fawkes-Runtime-exception Font-exception-2.0 GCC-exception-2.0
    GCC-exception-2.0-note GCC-exception-3.1 GNOME-examples-exception GPL-3.0-linking-exception
    GPL-3.0-linking-source-exception GPL-CC-1.0 LGPL-3.0-linking-exception LLVM-exception LZMA-exception
    Libtool-exception Linux-syscall-note OCaml-LGPL-linking-exception OCCT-exception-1.0
    OpenJDK-assembly-exception-1.0 OpenSSL-exception PCRE2-exception PS-or-PDF-font-exception-20170817
    Qt-GPL-exception-1.0 Qt-LGPL-exception-1.1 Qwt-exception-1.0 Swift-exception Texinfo-exception
    Universal-FOSS-exception-1.0 WxWindows-exception-3.1 cryptsetup-OpenSSL-exception eCos-exception-2.0
    freertos-exception-2.0 gnu-javamail-exception i2p-gpl-java-exception mif-exception openvpn-openssl-exception
    stunnel-exception u-boot-exception-2.0 vsftpd-openssl-exception x11vnc-openssl-exception
    """.lower().split()
)
# Words that people write where an identifier belongs, of which there is no doubt whether they are open.
ALIASES = {
    "3-clause bsd": "BSD-3-Clause",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "boost software license 1.0": "BSL-1.0",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd3-clause": "BSD-3-Clause",
    "bsd_3_clause": "BSD-3-Clause",
    "cecill": "CECILL-2.1",
    "cecill free software license agreement v2.1": "CECILL-2.1",
    "freebsd": "BSD-2-Clause",
    "gnu lgpl-2.1": "LGPL-2.1-only",
    "gpl": "GPL-1.0-or-later",
    "gpl-2": "GPL-2.0-only",
    "gpl-3": "GPL-3.0-only",
    "gpl/lgpl": "GPL-1.0-or-later OR LGPL-2.0-or-later",
    "gplv2": "GPL-2.0-only",
    "gplv2+": "GPL-2.0-or-later",
    "gplv3": "GPL-3.0-only",
    "gplv3+": "GPL-3.0-or-later",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "lgpl": "LGPL-2.0-or-later",
    "lgpl2.1": "LGPL-2.1-only",
    "lgplv2": "LGPL-2.0-only",
    "lgplv2.1": "LGPL-2.1-only",
    "lgplv3": "LGPL-3.0-only",
    "lgplv3+": "LGPL-3.0-or-later",
    "mit license": "MIT",
    "mit-old": "MIT",
    "mpl": "MPL-1.0",
    "mozilla public license 2.0": "MPL-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "nvidia software license agreement": "LicenseRef-Not-Open",
    "psf": "PSF-2.0",
    "psfl": "PSF-2.0",
    "public domain": "LicenseRef-Public-Domain",
    "public-domain": "LicenseRef-Public-Domain",
    "python software foundation license": "PSF-2.0",
    "simplified bsd": "BSD-2-Clause",
    "the mit license": "MIT",
    "the unlicense": "Unlicense",
    "zpl 2.1": "ZPL-2.1",
    # Whichever of its forms it is, it is open.
    "bsd": "LicenseRef-OSI-Approved",
    "bsd license": "LicenseRef-OSI-Approved",
    "bsd-like": "LicenseRef-OSI-Approved",
    "osi approved": "LicenseRef-OSI-Approved",
}
# Of packages of which Spack's recipes say "custom" or nothing, as their own licence files have it.
SPACK = {
    "blast-plus": "LicenseRef-Public-Domain",
    "hdf5": "HDF5",
    "imake": "MIT-open-group",
    "leptonica": "Leptonica",
    "libharu": "Zlib",
    "libressl": "ISC AND OpenSSL AND SSLeay",
    "mesa-demos": "MIT",
    "openmpi": "BSD-3-Clause-Open-MPI",
    "petsc": "BSD-2-Clause",
    "unzip": "Info-ZIP",
    "util-macros": "MIT",
    "xauth": "MIT-open-group",
    "xorg-cf-files": "MIT",
}
