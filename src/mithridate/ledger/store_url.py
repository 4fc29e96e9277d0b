"""Under which URLs a model store may lie."""

import re

from mithridate.errors import InputError

FOLDERS = ("file", "local")
OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")
"""Stores in which an object appears whole or not at all. In the others fsspec offers no such write."""

_URL = re.compile(r"([a-z0-9]+)://([\w.@+=,~ -]*)((?:/[\w.@+=,~ -]*)*)", re.ASCII)


def check_url(url: str) -> str:
    """Refuse a URL under which no store can lie, or that holds more than a place.

    A scheme of `FOLDERS` or `OBJECT_STORES`, a bucket (none for files) and folders, in letters, digits and
    `. @ + = , ~ - _` and spaces. No password, port, query or chain: credentials and endpoints come from fsspec's own
    configuration (`FSSPEC_S3_KEY`, ~/.config/fsspec) or the provider's (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`).

    Returns:
        The URL's scheme.

    Raises:
        InputError: it is none; the message says why and does not repeat the URL, which may hold a password.
    """
    found = _URL.fullmatch(url)
    if not found or len(url) > 1024:
        raise InputError(
            "a model store's URL reads s3://bucket/folder or file:///folder, in plain letters and without password, "
            "port or query: credentials belong into the environment"
        )
    scheme, host, path = found.groups()
    if scheme not in FOLDERS + OBJECT_STORES:
        raise InputError(f"{scheme}:// holds no model store: use one of {', '.join((FOLDERS[0], *OBJECT_STORES))}")
    if any(part in (".", "..") for part in path.split("/")):
        raise InputError("a model store's URL names its folder in full, without . or ..")
    if scheme in FOLDERS and (host or path.strip("/") == ""):
        raise InputError("a folder's URL has three slashes and a path from the root: file:///folder")
    if scheme not in FOLDERS and not host:
        raise InputError(f"a store's URL names a bucket or container: {scheme}://bucket/folder")
    return scheme
