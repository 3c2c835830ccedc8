"""A local S3 bucket for the tests of archives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

REQUESTS: list[tuple[str, str]] = []


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Run a local S3 server. Yields its URL."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    http: Any = server._server  # noqa: SLF001 — moto has no hook for requests
    app = http.app

    def recorded(environ: dict[str, str], start: object) -> object:
        REQUESTS.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        return app(environ, start)

    http.app = recorded
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def requests() -> list[tuple[str, str]]:
    """Return the list of the bucket's requests (method and path), which grows. It is empty."""
    REQUESTS.clear()
    return REQUESTS


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Create a bucket, and set the environment variables that AWS tools read."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="floors")
    return "s3://floors/archive"
