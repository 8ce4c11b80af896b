"""Requests for `s3://bucket/key` URLs over HTTP, signed if there are credentials (AWS Signature Version 4).

Own code rather than s3fs or boto3: reading an object is one GET request, and botocore alone would add 16 MB of wheels
to every install. Credentials and endpoint are found where AWS's own tools look for them, in the environment or in the
shared credentials file; without any, requests are anonymous.
"""

from __future__ import annotations

import configparser
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

SCHEME = "s3://"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
DEFAULT_REGION = "us-east-1"
"""Where Common Crawl's bucket is."""


@dataclass(frozen=True)
class Credentials:
    """A key pair, and the token that comes with a temporary one. Its repr shows no secret."""

    key_id: str
    secret: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.key_id[:4]}...)"


def http_address(url: str, environment: Mapping[str, str]) -> str:
    """Return the HTTP address of an s3:// one: at AWS_ENDPOINT_URL if set, else at AWS in AWS_REGION."""
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    path = quote(key, safe="/-_.~")
    if endpoint := environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL"):
        return f"{endpoint.rstrip('/')}/{bucket}/{path}"
    host = f"s3.{region(environment)}.amazonaws.com"
    if "." in bucket:  # the certificate of *.s3.amazonaws.com does not cover a name with dots
        return f"https://{host}/{bucket}/{path}"
    return f"https://{bucket}.{host}/{path}"


def region(environment: Mapping[str, str]) -> str:
    """Return the region that requests are signed for."""
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or DEFAULT_REGION


def find_credentials(environment: Mapping[str, str]) -> Credentials | None:
    """Return the user's credentials: AWS_ACCESS_KEY_ID ..., else AWS_PROFILE of ~/.aws/credentials, else None."""
    get = environment.get
    if (key_id := get("AWS_ACCESS_KEY_ID")) and (secret := get("AWS_SECRET_ACCESS_KEY")):
        return Credentials(key_id, secret, get("AWS_SESSION_TOKEN", ""))
    parser = configparser.ConfigParser(interpolation=None)
    home = Path(get("HOME") or "~").expanduser()
    parser.read(get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials", encoding="utf-8")
    profile = get("AWS_PROFILE") or "default"
    if not parser.has_section(profile):
        return None
    part = parser[profile]
    if "aws_access_key_id" not in part or "aws_secret_access_key" not in part:
        return None
    return Credentials(part["aws_access_key_id"], part["aws_secret_access_key"], part.get("aws_session_token", ""))


def signed_headers(
    address: str, headers: Mapping[str, str], credentials: Credentials, region_name: str, now: datetime
) -> dict[str, str]:
    """Return the headers of a GET request for `address` with its signature; `now` is in UTC. Pure.

    AWS General Reference, "Create a signed AWS API request"; every header given is signed.
    """
    parts = urlsplit(address)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    token = {"x-amz-security-token": credentials.token} if credentials.token else {}
    sent = {**headers, "x-amz-content-sha256": EMPTY_SHA256, "x-amz-date": stamp, **token}
    signed = {name.lower(): value.strip() for name, value in {**sent, "host": parts.netloc}.items()}
    names = ";".join(sorted(signed))
    lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
    request = "\n".join(["GET", parts.path or "/", parts.query, *lines, "", names, EMPTY_SHA256])
    scope = f"{stamp[:8]}/{region_name}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    proof = f"AWS4-HMAC-SHA256 Credential={credentials.key_id}/{scope},SignedHeaders={names},Signature={signature}"
    return {**sent, "Authorization": proof}
