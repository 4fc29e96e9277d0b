"""Through which HTTP proxy the outside is reached, by the machine's environment, as gRPC reads it.

gRPC reads the variables in lower case only, so we do, too: then the engine's connections and the ledger's take one way.
A proxy passes encrypted bytes on (CONNECT); one that opens TLS breaks mutual TLS, and the connection is refused.
"""

import os
from collections.abc import Mapping

PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
EXCEPTION_VARIABLES = ("no_grpc_proxy", "no_proxy")


def proxy_for(host: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The URL of the proxy through which a host is reached; None for straight on."""
    exceptions = next((environment[name] for name in EXCEPTION_VARIABLES if environment.get(name)), "")
    for entry in (part.strip().lower() for part in exceptions.split(",")):
        if entry and host.lower().endswith(entry):
            return None
    return next((environment[name] for name in PROXY_VARIABLES if environment.get(name)), None)
