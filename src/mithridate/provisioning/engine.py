"""Start-up kits by NVIDIA FLARE's own provisioning, with two builders of ours: certificates that exist already, and the
settings in which a consortium that computes on secrets differs from FLARE's defaults.

FLARE's `nvflare package` wants each participant's private key at hand; here the keys stay where they were made.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nvflare.lighter.constants import CtxKey, ParticipantType, PropKey
from nvflare.lighter.ctx import ProvisionContext
from nvflare.lighter.entity import Participant as Site
from nvflare.lighter.entity import Project
from nvflare.lighter.impl.static_file import StaticFileBuilder
from nvflare.lighter.impl.workspace import WorkspaceBuilder
from nvflare.lighter.provisioner import Provisioner
from nvflare.lighter.spec import Builder

from mithridate.errors import EnrolmentError
from mithridate.provisioning.consortium import Consortium, Participant, Role
from mithridate.provisioning.engine_logs import log_config
from mithridate.provisioning.engine_settings import (
    authorization,
    client_resources,
    communication,
    server_resources,
)

SCHEME = "grpc"
CLIENTS = (Role.VALIDATOR, Role.HOSPITAL, Role.CURATOR)
ADMINISTRATOR_RIGHTS = "project_admin"
# They would start the engine without our check of certificates, and need a private key in the clear beside them.
_UNUSED = ("start.sh", "sub_start.sh", "stop_fl.sh", "fl_admin.sh", "system_info.ipynb", "readme.txt")

_log = logging.getLogger(__name__)


def engine_kits(
    folder: Path, consortium: Consortium, certificates: Mapping[str, bytes], root: bytes, components: Mapping[Role, str]
) -> dict[str, Path]:
    """The engine's part of every kit, without a private key.

    Args:
        folder: for the engine to work in; it should be empty.
        consortium: all of whose participants the engine is to know.
        certificates: participant's name to its certificate in PEM; who has none gets no kit.
        root: the authority's certificate in PEM.
        components: role to the class path of the component that joins our protocol to the engine's process.

    Returns:
        Participant's name to its kit's folder; auditors have no part in the engine.

    Raises:
        EnrolmentError: the engine's provisioning refuses the consortium.
    """
    project = _project(consortium)
    builders = [
        WorkspaceBuilder(),
        ConsortiumSettings(consortium, components),
        EnrolledCertificates(
            {_site_name(person): certificates.get(person.name) for person in _known(consortium)}, root
        ),
        StaticFileBuilder(scheme=SCHEME, require_signed_jobs=True),
    ]
    context = Provisioner(str(folder), builders).provision(project, logger=_log)
    if context.get(CtxKey.BUILD_ERROR):
        raise EnrolmentError("the engine's provisioning failed: its reason is on stderr")
    made = Path(context[CtxKey.CURRENT_PROD_DIR])
    return {person.name: made / _site_name(person) for person in _known(consortium) if person.name in certificates}


class EnrolledCertificates(Builder):  # type: ignore[misc]
    """Puts certificates that were issued before into the kits.

    Args:
        certificates: site's name to its certificate in PEM, None for one that has not enrolled.
        root: the authority's certificate in PEM.
    """

    def __init__(self, certificates: Mapping[str, bytes | None], root: bytes) -> None:
        self._certificates = certificates
        self._root = root

    def build(self, project: Project, ctx: ProvisionContext) -> None:
        """Called by the engine once a project."""
        for site in project.get_all_participants():
            startup = Path(ctx.get_kit_dir(site))
            certificate = self._certificates[site.name]
            (startup / "rootCA.pem").write_bytes(self._root)
            if certificate is not None:
                file = "server.crt" if site.type == ParticipantType.SERVER else "client.crt"
                (startup / file).write_bytes(certificate)


class ConsortiumSettings(Builder):  # type: ignore[misc]
    """Changes what the engine's static files set by default; runs after the builder that writes them.

    Args:
        consortium: whose settings these are.
        components: role to the class path of the component that joins our protocol to the engine's process.
    """

    def __init__(self, consortium: Consortium, components: Mapping[Role, str]) -> None:
        self._consortium = consortium
        self._components = components

    def finalize(self, project: Project, ctx: ProvisionContext) -> None:
        """Called by the engine once a project."""
        roles = {_site_name(person): person.role for person in _known(self._consortium)}
        for site in project.get_all_participants():
            for name in _UNUSED:
                (Path(ctx.get_kit_dir(site)) / name).unlink(missing_ok=True)
                (Path(ctx.get_ws_dir(site)) / name).unlink(missing_ok=True)
            if site.type == ParticipantType.SERVER:
                self._server(site, ctx)
            elif site.type == ParticipantType.CLIENT:
                self._client(site, roles[site.name], ctx)

    def _server(self, site: Site, ctx: ProvisionContext) -> None:
        file = Path(ctx.get_kit_dir(site)) / "fed_server.json"
        start = json.loads(file.read_text(encoding="utf-8"))
        host, port = self._consortium.coordinator.host, self._consortium.coordinator.port
        # The engine listens on the loopback interface alone where its own target is there.
        start["servers"][0]["service"]["target"] = f"{host}:{port}"
        _write(file, start)
        local = Path(ctx.get_local_dir(site))
        sites = len(self._consortium.of(*CLIENTS))
        component = self._components.get(Role.COORDINATOR)
        _write(local / "resources.json", server_resources(_defaults(local), component, sites))
        self._common(local, sites)

    def _client(self, site: Site, role: Role, ctx: ProvisionContext) -> None:
        local = Path(ctx.get_local_dir(site))
        _write(local / "resources.json", client_resources(_defaults(local), self._components.get(role)))
        self._common(local, 1)

    @staticmethod
    def _common(local: Path, connections: int) -> None:
        _write(local / "comm_config.json", communication(connections))
        _write(local / "authorization.json", authorization())
        _write(local / "log_config.json", log_config())
        for name in ("resources", "authorization", "log_config"):
            (local / f"{name}.json.default").unlink(missing_ok=True)
        (local / "privacy.json.sample").unlink(missing_ok=True)


def _project(consortium: Consortium) -> Project:
    project = Project(consortium.consortium, "", props={"api_version": 3})
    coordinator = consortium.coordinator
    ports = {PropKey.FED_LEARN_PORT: coordinator.port, PropKey.ADMIN_PORT: coordinator.port}
    project.set_server(coordinator.name, coordinator.organisation, {**ports, PropKey.DEFAULT_HOST: coordinator.host})
    for person in consortium.of(*CLIENTS):
        project.add_client(person.name, person.organisation, {PropKey.ALLOW_LOG_STREAMING: False})
    for person in consortium.of(Role.ADMINISTRATOR):
        project.add_admin(_site_name(person), person.organisation, {PropKey.ROLE: ADMINISTRATOR_RIGHTS})
    return project


def _known(consortium: Consortium) -> tuple[Participant, ...]:
    return consortium.of(Role.COORDINATOR, *CLIENTS, Role.ADMINISTRATOR)


def _site_name(participant: Participant) -> str:
    return participant.subject


def _defaults(local: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((local / "resources.json.default").read_text(encoding="utf-8"))
    return document


def _write(file: Path, document: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
