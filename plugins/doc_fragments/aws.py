# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of amazon.aws's modules, for those here that ask AWS as these do.

    In our own words: with the fragments of another collection nothing here could be read where that one is missing.
    """

    DOCUMENTATION = r"""
options:
  region:
    description:
      - The AWS Region, as V(us-east-1).
      - Without it that of the variables E(AWS_REGION) and E(AWS_DEFAULT_REGION), or of the profile.
    type: str
    aliases: [aws_region]
  profile:
    description:
      - A profile of the AWS configuration whose credentials are used. Not together with O(access_key), O(secret_key)
        and O(session_token).
      - Without it that of the variables E(AWS_PROFILE) and E(AWS_DEFAULT_PROFILE).
    type: str
    aliases: [aws_profile]
  access_key:
    description:
      - Access key ID. Without it that of the variables E(AWS_ACCESS_KEY_ID) and E(AWS_ACCESS_KEY).
      - Where no credentials are given at all, they are found as boto3 finds them on the host that the module runs on.
    type: str
    aliases: [aws_access_key_id, aws_access_key]
  secret_key:
    description: Secret access key. Without it that of the variables E(AWS_SECRET_ACCESS_KEY) and E(AWS_SECRET_KEY).
    type: str
    aliases: [aws_secret_access_key, aws_secret_key]
  session_token:
    description: Session token of temporary credentials. Without it that of the variable E(AWS_SESSION_TOKEN).
    type: str
    aliases: [aws_session_token]
  endpoint_url:
    description: URL of a service to ask in place of AWS's own. Without it that of the variable E(AWS_URL).
    type: str
    aliases: [aws_endpoint_url]
  validate_certs:
    description: Whether the certificates of the service have to be valid.
    type: bool
    default: true
  aws_ca_bundle:
    description:
      - File with the certificates of the authorities that the service's are checked against. Without it that of the
        variable E(AWS_CA_BUNDLE).
    type: path
  aws_config:
    description: Settings of botocore's client, as C(botocore.config.Config) takes them.
    type: dict
  debug_botocore_endpoint_logs:
    description:
      - Return the calls of the API that were made as RV(ignore:resource_actions). Also with the variable
        E(ANSIBLE_DEBUG_BOTOCORE_LOGS).
    type: bool
    default: false
"""

    BOTO3 = r"""
options: {}
requirements:
  - amazon.aws 11.0.0 or later on the controller
  - boto3 and botocore 1.35.0 or later in the Python that the module runs with
"""
