"""A participant's kit, keys and state out of an archive, which is not believed; see `archive`."""

import shutil
import stat
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from mithridate.errors import RunError
from mithridate.operation.archive import KEYS, KIT, MANIFEST, STATE, Copied, Manifest, digest
from mithridate.provisioning.private_files import PRIVATE, PRIVATE_FOLDER, new_private_folder

MAX_MANIFEST, MAX_FILES = 1 << 26, 200_000
_CHUNK = 1 << 20


def restore(archive: Path, to: Path) -> Copied:
    """Unpacks an archive into a new folder, if every file is as it was when the backup was made.

    Raises:
        RunError: the folder holds something, or the archive is damaged, incomplete or none; nothing is left then.
    """
    new_private_folder(to)
    try:
        with tempfile.TemporaryDirectory(prefix=".restoring-", dir=to) as draft, tarfile.open(archive, "r:") as source:
            found, size = _unpack(source, Path(draft))
            manifest = _checked(Path(draft), found)
            for name in manifest.folders:
                (Path(draft) / name).mkdir(exist_ok=True)
                (Path(draft) / name).chmod(PRIVATE_FOLDER)
                (Path(draft) / name).rename(to / name)
    except (OSError, tarfile.TarError) as error:
        shutil.rmtree(to, ignore_errors=True)
        raise RunError(f"{archive} cannot be restored ({error}): take another copy of it") from error
    except RunError:
        shutil.rmtree(to, ignore_errors=True)
        raise
    return Copied(len(manifest.files), size, dict(manifest.folders), manifest.made)


def _unpack(source: tarfile.TarFile, to: Path) -> tuple[dict[str, str], int]:
    """SHA-256 by path of what was unpacked, the manifest included, and how many bytes without it."""
    found: dict[str, str] = {}
    size = 0
    for entry in source:
        name = _plain(entry)
        content = source.extractfile(entry)
        if name in found or len(found) >= MAX_FILES or content is None:
            raise RunError(f"the archive holds {name} twice, or too much: it is no backup")
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        with target.open("xb") as stream:
            shutil.copyfileobj(content, stream, _CHUNK)
        target.chmod(entry.mode & stat.S_IRWXU | PRIVATE)
        found[name] = digest(target)
        size += entry.size if name != MANIFEST else 0
    return found, size


def _plain(entry: tarfile.TarInfo) -> str:
    """The entry's name, if it is a file below one of the three folders, or the manifest."""
    parts = PurePosixPath(entry.name).parts
    inside = len(parts) > 1 and parts[0] in (KIT, KEYS, STATE) and not {"..", "."}.intersection(parts)
    # Written the one way in which we write it: no name that a file system could read as another.
    plain = entry.name == "/".join(parts) and "\\" not in entry.name and "\x00" not in entry.name
    # A sparse file could unpack to any size.
    regular = entry.isreg() and not entry.issparse()
    if not regular or not plain or not (inside or parts == (MANIFEST,)):
        raise RunError(f"the archive holds {entry.name[:200]!r}, which no backup does: it is not restored")
    return entry.name


def _checked(draft: Path, found: dict[str, str]) -> Manifest:
    file = draft / MANIFEST
    if MANIFEST not in found or file.stat().st_size > MAX_MANIFEST:
        raise RunError("the archive ends before its manifest: it was not written to its end, take another copy")
    try:
        manifest = Manifest.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise RunError("the archive's manifest is damaged or of another version: take another copy") from error
    files = {name: digest for name, digest in found.items() if name != MANIFEST}
    wrong = sorted(name for name in {*files, *manifest.files} if files.get(name) != manifest.files.get(name))
    if wrong or set(manifest.folders) != {KIT, KEYS, STATE}:
        raise RunError(f"the archive is damaged: {', '.join(wrong[:5]) or 'its folders'} differ from its manifest")
    file.unlink()
    return manifest
