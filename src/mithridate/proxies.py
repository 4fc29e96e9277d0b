"""Through which HTTP proxy the outside is reached, by the machine's environment, as gRPC reads it.

gRPC reads the variables in lower case only, so we do, too: then the engine's connections and the ledger's take one way.
A proxy passes encrypted bytes on (CONNECT); one that opens TLS breaks mutual TLS, and the connection is refused.
"""

import os
import re
from collections.abc import Mapping, MutableMapping
from urllib.parse import unquote, urlsplit

from mithridate.errors import InputError

PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
EXCEPTION_VARIABLES = ("no_grpc_proxy", "no_proxy")
MAX_URL = 1024
_WORD = r"[\w.~%!$&'()*+,;=-]"
_URL = re.compile(rf"http://(?:{_WORD}+(?::{_WORD}*)?@)?[A-Za-z0-9.-]{{1,253}}:(\d{{1,5}})/?", re.ASCII)
_WANTED = "http://host:port, or http://user:password@host:port with odd characters as %XX"


def check_proxy(url: str, source: str) -> None:
    """Returns if this is the URL of a proxy as gRPC and our ledger's client both take it.

    Raises:
        InputError: it is not; the message names its `source`, and nothing of the URL, which may hold a password.
    """
    found = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    if found is None or not 0 < int(found[1]) < 1 << 16:
        raise InputError(f"{source} should be the URL of a proxy: {_WANTED}")


def proxy_for(host: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The URL of the proxy through which a host is reached; None for straight on.

    Raises:
        InputError: the variable is no URL of a proxy.
    """
    exceptions = next((environment[name] for name in EXCEPTION_VARIABLES if environment.get(name)), "")
    for entry in (part.strip().lower() for part in exceptions.split(",")):
        if entry and host.lower().endswith(entry):
            return None
    variable = next((name for name in PROXY_VARIABLES if environment.get(name)), None)
    if variable is None:
        return None
    check_proxy(environment[variable], f"the variable {variable}")
    return environment[variable]


def proxy_password(url: str) -> str | None:
    """`user:password` of a proxy's URL, None where it has none."""
    parts = urlsplit(url)
    return None if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"


def go_through(url: str, environment: MutableMapping[str, str] = os.environ) -> None:
    """Has this process, and what it starts, reach the outside through a proxy; before its first connection.

    Args:
        url: checked; empty for what the environment says.
        environment: where gRPC looks.
    """
    if url:
        environment[PROXY_VARIABLES[0]] = url
        if not any(environment.get(name) for name in EXCEPTION_VARIABLES):
            environment[EXCEPTION_VARIABLES[0]] = "127.0.0.1,localhost"
