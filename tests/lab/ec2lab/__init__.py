"""A lab that stands in for EC2: moto answers the API over HTTP, Linux namespaces are the instances, files the volumes.

``sandbox`` puts everything into namespaces that end with their root process; ``data`` holds what an instance, a volume
and a network really are; ``control`` hooks moto, so that API calls reach the data; ``lab`` ties them together.
docs/lab.md says how to use it and where it differs from AWS.
"""
