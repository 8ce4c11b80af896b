from datetime import datetime
from pathlib import Path

import pytest

from stages.shared.s3 import Credentials, find_credentials, http_address, signed_headers

KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
"""Of AWS's own documentation."""


def test_the_signature_of_amazons_example_comes_out() -> None:
    """Amazon S3 API Reference, "Signature Calculations for the Authorization Header", example GET Object."""
    address = "https://examplebucket.s3.amazonaws.com/test.txt"
    headers = signed_headers(address, {"Range": "bytes=0-9"}, KEYS, "us-east-1", datetime(2013, 5, 24))
    assert headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_a_token_is_sent_and_signed() -> None:
    keys = Credentials("a", "b", "the token")
    headers = signed_headers("https://h/x", {}, keys, "us-east-1", datetime(2013, 5, 24))
    assert headers["x-amz-security-token"] == "the token"
    assert "x-amz-security-token" in headers["Authorization"]


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("s3://commoncrawl/a/b.gz", {}, "https://commoncrawl.s3.us-east-1.amazonaws.com/a/b.gz"),
        ("s3://b/ü +", {"AWS_REGION": "eu-west-1"}, "https://b.s3.eu-west-1.amazonaws.com/%C3%BC%20%2B"),
        ("s3://a.b/c", {"AWS_DEFAULT_REGION": "x"}, "https://s3.x.amazonaws.com/a.b/c"),
        ("s3://b/c", {"AWS_ENDPOINT_URL": "http://store:9000/"}, "http://store:9000/b/c"),
        ("s3://b/c", {"AWS_ENDPOINT_URL": "http://no", "AWS_ENDPOINT_URL_S3": "http://yes"}, "http://yes/b/c"),
    ],
)
def test_addresses_are_amazons_or_the_endpoints(url: str, environment: dict[str, str], expected: str) -> None:
    assert http_address(url, environment) == expected


def test_credentials_come_from_the_environment_else_from_the_users_file(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = file\naws_secret_access_key = 100%\n[other]\naws_access_key_id = half\n"
    )
    home = {"HOME": str(tmp_path)}
    given = {"AWS_ACCESS_KEY_ID": "env", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    assert find_credentials({**home, **given}) == Credentials("env", "s", "t")
    assert find_credentials(home) == Credentials("file", "100%")
    assert find_credentials({**home, "AWS_PROFILE": "other"}) is None
    assert find_credentials({"HOME": str(tmp_path / "nowhere")}) is None


def test_credentials_do_not_show_their_secret() -> None:
    assert "wJal" not in repr(KEYS) and "AKIAIOSFODNN7EXAMPLE" not in repr(KEYS)
