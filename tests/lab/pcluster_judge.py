"""Let the real AWS ParallelCluster read configurations, without an account. Runs in ParallelCluster's own environment.

In (JSON): `types`, instance types as EC2 describes them, and `cases`, each with name, config, and what EC2 would say
of its snapshots. Out: for each case the errors of the schema, those of the validators, and the validators that ran.

Its schema loads each configuration, then everything that it registers as a validator runs, but those that only AWS can
answer (NEED_AN_ACCOUNT). What the others ask of EC2, instance types above all, a stand-in answers.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

os.environ["AWS_DEFAULT_REGION"] = "us-east-1"

import marshmallow  # type: ignore[import-not-found]
import pcluster.utils  # type: ignore[import-not-found]
from pcluster.aws.aws_api import AWSApi  # type: ignore[import-not-found]
from pcluster.aws.aws_resources import ImageInfo, InstanceTypeInfo  # type: ignore[import-not-found]
from pcluster.aws.common import AWSClientError  # type: ignore[import-not-found]
from pcluster.config.common import Resource, TypeMatchValidatorsSuppressor  # type: ignore[import-not-found]
from pcluster.schemas.cluster_schema import ClusterSchema  # type: ignore[import-not-found]
from pcluster.validators.common import FailureLevel, ValidatorContext  # type: ignore[import-not-found]

#: They look at things in an account (keys, roles, groups, objects in S3), or start instances to see whether it works.
NEED_AN_ACCOUNT = {
    "AdditionalIamPolicyValidator",
    "AsyncTimedUrlValidator",
    "ComputeResourceLaunchTemplateValidator",
    "ElasticIpValidator",
    "HeadNodeLaunchTemplateValidator",
    "IamPolicyValidator",
    "InstanceProfileValidator",
    "KeyPairValidator",
    "KmsKeyValidator",
    "RoleValidator",
    "S3BucketRegionValidator",
    "S3BucketUriValidator",
    "S3BucketValidator",
    "SecurityGroupsValidator",
    "SharedEbsVolumeIdValidator",
    "UrlValidator",
}


class Ec2:
    """Answers for a case: the instance types of the table, images of its system, subnets that are private.

    A subnet's zone follows from its last digit, so that the subnets of the samples are in different ones.
    """

    def __init__(self, types: dict[str, Any], config: dict[str, Any], snapshots: dict[str, int]) -> None:
        self.types = types
        self.snapshots = snapshots
        self.os = (config.get("Image") or {}).get("Os")
        head = (config.get("HeadNode") or {}).get("InstanceType")
        self.architectures = types[head]["ProcessorInfo"]["SupportedArchitectures"] if head in types else ["x86_64"]

    def list_instance_types(self) -> list[str]:
        return list(self.types)

    def get_instance_type_info(self, name: str) -> Any:
        if name not in self.types:
            raise AWSClientError("describe_instance_types", f"The following instance type does not exist: {name}")
        # ParallelCluster changes what it gets.
        return InstanceTypeInfo(json.loads(json.dumps(self.types[name])))

    def get_supported_architectures(self, name: str) -> Any:
        return self.get_instance_type_info(name).supported_architecture()

    def get_official_image_id(self, *_which: Any) -> str:
        return "ami-0fedcba9876543210"

    def describe_image(self, ami_id: str) -> Any:
        official = ami_id == self.get_official_image_id()
        tags = {"version": pcluster.utils.get_installed_version(), "os": self.os, "build_status": "available"}
        return ImageInfo(
            {
                "ImageId": ami_id,
                "Architecture": self.architectures[0],
                "Description": "AWS ParallelCluster AMI" if official else "an image of the site",
                "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 40}}],
                "Tags": [{"Key": f"parallelcluster:{key}", "Value": value} for key, value in tags.items()],
            }
        )

    def describe_capacity_reservations(self, _ids: Iterable[str]) -> list[Any]:
        return []

    def get_subnet_avail_zone(self, subnet: str) -> str:
        return "us-east-1" + "abcdefghijklmnop"[int(subnet[-1], 16)]

    def get_subnets_az_mapping(self, subnets: Iterable[str]) -> dict[str, str]:
        return {subnet: self.get_subnet_avail_zone(subnet) for subnet in subnets}

    def describe_subnets(self, subnet_ids: Iterable[str]) -> list[dict[str, Any]]:
        return [{"SubnetId": one, "VpcId": "vpc-1", "MapPublicIpOnLaunch": False} for one in subnet_ids]

    def get_subnet_vpc(self, _subnet: str) -> str:
        return "vpc-1"

    def is_enable_dns_support(self, _vpc: str) -> bool:
        return True

    is_enable_dns_hostnames = is_enable_dns_support

    def describe_volume(self, _volume: str) -> dict[str, Any]:
        return {"State": "available", "AvailabilityZone": self.get_subnet_avail_zone("subnet-0")}

    def get_ebs_snapshot_info(self, snapshot: str) -> dict[str, Any]:
        return {"VolumeSize": self.snapshots[snapshot], "State": "completed"}


class Recorder(TypeMatchValidatorsSuppressor):  # type: ignore[misc]
    """Leaves out what needs an account, and keeps the names of the others."""

    def __init__(self) -> None:
        super().__init__(NEED_AN_ACCOUNT)
        self.ran: set[str] = set()

    def suppress_validator(self, validator: Any) -> bool:
        left_out: bool = super().suppress_validator(validator)
        if not left_out:
            self.ran.add(validator.type)
        return left_out


def flat(messages: Any, path: str = "") -> Iterator[str]:
    """The errors of a schema, each with its path."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            step = f"[{key}]" if isinstance(key, int) else "" if key == "_schema" else ("." if path else "") + key
            yield from flat(inner, path + step)
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            yield f"{path}: {message}"


def judged(types: dict[str, Any], case: dict[str, Any]) -> dict[str, list[str]]:
    """What ParallelCluster says of one case."""
    api = AWSApi.instance()
    api._ec2 = Ec2(types, case["config"], case["snapshots"])
    recorder = Recorder()
    found: dict[str, list[str]] = {"schema": [], "validators": [], "ran": []}
    try:
        cluster: Resource = ClusterSchema(cluster_name=case["name"]).load(case["config"])
        failures = cluster.validate([recorder], ValidatorContext())
    except marshmallow.ValidationError as error:
        found["schema"] = list(flat(error.messages))
    except AWSClientError as error:
        # Of a type that is none: it cannot even list its validators.
        found["validators"] = [str(error)]
    else:
        found["validators"] = [failure.message for failure in failures if failure.level == FailureLevel.ERROR]
    found["ran"] = sorted(recorder.ran)
    return found


def main() -> None:
    """Judge what comes on standard input."""
    logging.disable(logging.CRITICAL)
    # Else it asks a bucket of AWS's.
    regions = (resources.files("pcluster") / "resources" / "supported-regions").read_text(encoding="utf-8")
    pcluster.utils.retrieve_supported_regions.cache = regions.split("\n")
    given = json.load(sys.stdin)
    json.dump([judged(given["types"], case) for case in given["cases"]], sys.stdout)


if __name__ == "__main__":
    main()
