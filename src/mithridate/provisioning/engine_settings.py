"""Where a kit's settings of the engine differ from its defaults, and why."""

from collections.abc import Mapping
from typing import Any

HEARTBEAT_S = 2
"""Between two signs of life: so soon after the coordinator is up again its sites are back."""
DEAD_AFTER_S = 30
"""Without a sign of life for so long, a site no longer counts as present; the engine's default is ten minutes."""
MAX_BLOB_BYTES = 1 << 30
"""Largest message, which a model with 40 million parameters still fits; the default is four times as much."""
MAX_FRAME_BYTES = 1 << 26
"""Largest frame; the engine cuts messages into chunks of a megabyte."""
SPARE = 16
"""Places beyond the consortium's own sites, for those that connect anew before their old connection is known dead."""
COMPONENT_ID = "mithridate"
# These would send a site's logs to the coordinator, or take them there.
_LOG_COMPONENTS = ("site_log_streamer", "log_receiver")
_LOG_CLASSES = "nvflare.app_common.logging."


def server_resources(defaults: Mapping[str, Any], component: str | None, sites: int) -> dict[str, Any]:
    """The coordinator's `resources.json` for so many sites."""
    resources = _resources(defaults, component)
    changed = {"heart_beat_timeout": DEAD_AFTER_S, "max_num_clients": sites + SPARE}
    resources["servers"] = [{**server, **changed} for server in resources["servers"]]
    return resources


def client_resources(defaults: Mapping[str, Any], component: str | None) -> dict[str, Any]:
    """A site's `resources.json`."""
    return {**_resources(defaults, component), "allow_log_streaming": False}


def communication(connections: int) -> dict[str, Any]:
    """The `comm_config.json`: bounds on what a peer may send, and a thread for each connection."""
    frame = [["grpc.max_send_message_length", MAX_FRAME_BYTES], ["grpc.max_receive_message_length", MAX_FRAME_BYTES]]
    return {
        "allow_adhoc_conns": False,
        "streaming_max_blob_size": MAX_BLOB_BYTES,
        "max_message_size": MAX_FRAME_BYTES,
        "grpc": {"max_workers": connections + SPARE, "options": frame},
    }


def authorization() -> dict[str, Any]:
    """The `authorization.json`, a site's own: administrators may look, and submit signed jobs of installed code."""
    none = ("byoc", "shell_commands", "operate", "server-predeployed-flwr")
    allowed = ("submit_job", "clone_job", "manage_job", "view")
    rights = {**dict.fromkeys(allowed, "any"), **dict.fromkeys(none, "none"), "download_job": "o:submitter"}
    return {"format_version": "1.0", "permissions": {"project_admin": rights}}


def _resources(defaults: Mapping[str, Any], component: str | None) -> dict[str, Any]:
    kept = [entry for entry in defaults["components"] if entry["id"] not in _LOG_COMPONENTS]
    allowed = [
        path for path in defaults["class_allow_list"] if "log_streamer" not in path and "log_receiver" not in path
    ]
    if component:
        kept.append({"id": COMPONENT_ID, "path": component, "args": {}})
        allowed.append(component)
    return {**defaults, "components": kept, "class_allow_list": allowed}
