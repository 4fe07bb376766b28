"""moto's S3 where a bucket is in one Region, as Amazon's are: what is signed for another one is answered as there.

python s3_regions.py PORT
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any, Callable

from moto.core.base_backend import BackendDict
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import S3Backend, s3_backends
from werkzeug.serving import run_simple

_SIGNED_FOR = re.compile(r"Credential=[^/]+/[0-9]{8}/([a-z0-9-]+)/s3/")


def region_of(bucket: str, backends: BackendDict[S3Backend] = s3_backends) -> str:
    """Where a bucket is; empty for what is none."""
    for partitions in backends.values():
        for backend in partitions.values():
            if bucket in backend.buckets:
                return str(backend.buckets[bucket].region_name)
    return ""


def regional(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The application behind the door that Amazon has before each bucket."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        region = region_of(environ["PATH_INFO"].strip("/").partition("/")[0])
        signed = _SIGNED_FOR.search(environ.get("HTTP_AUTHORIZATION", ""))
        where = [("x-amz-bucket-region", region)] if region else []
        if region and signed and signed[1] != region:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            text = (
                "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the "
                f"region '{signed[1]}' is wrong; expecting '{region}'</Message><Region>{region}</Region></Error>"
            )
            body = b"" if environ["REQUEST_METHOD"] == "HEAD" else text.encode()
            start_response(
                "400 Bad Request", [*where, ("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
            )
            return [body]

        def started(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(
                status, [*(one for one in headers if one[0].lower() != "x-amz-bucket-region"), *where], *more
            )

        return app(environ, started)

    return answer


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), regional(DomainDispatcherApplication(create_backend_app)), threaded=True)
