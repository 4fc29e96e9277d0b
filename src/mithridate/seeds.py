"""Named child seeds of a study's seed: for partition, initialisation, training and attacks, never for secrets."""

import hashlib
import json


def derive_seed(study_seed: int, *labels: str | int) -> int:
    """A seed of 63 bits for one purpose, the first bytes of SHA-256 over the canonical JSON of seed and labels.

    Equal arguments give equal seeds on every machine; a label and its number differ ("1" is not 1).
    """
    digest = hashlib.sha256(json.dumps([study_seed, *labels], separators=(",", ":")).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
