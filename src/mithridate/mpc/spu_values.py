"""Replicated shares as SPU sees them.

SPU's `Share` is a `ValueMeta` protobuf and chunks of bytes; an ABY3 arithmetic share is stored as (x_i, x_{i+1})
interleaved, little-endian (SPU `src/libspu/mpc/aby3/io.cc`, `src/libspu/core/value.cc`).
"""

from enum import Enum

import numpy as np
from spu import libspu

from mithridate.mpc.shares import ReplicatedShare, RingArray

ARITHMETIC = "aby3.AShr<FM64>"
# SPU takes chunks up to 128 MiB; smaller ones keep the copies that the protobufs make small.
CHUNK_BYTES = 16 * 1024 * 1024


class Encoding(Enum):
    """What the ring elements of a share stand for inside an SPU program."""

    FIXED = "fixed point, 18 fractional bits"
    INTEGER = "two's complement integer"


_DATA_TYPE = {Encoding.FIXED: libspu.DataType.DT_F32, Encoding.INTEGER: libspu.DataType.DT_I64}


def to_spu(share: ReplicatedShare, encoding: Encoding = Encoding.FIXED) -> libspu.Share:
    """The validator's share as an SPU value, exact."""
    value = libspu.Share()
    value.meta = _meta(share.shape, encoding)
    value.share_chunks = _chunks(np.stack((share.first, share.second), axis=-1).astype("<u8", copy=False))
    return value


def from_spu(value: libspu.Share, rank: int) -> ReplicatedShare:
    """The validator's share out of an SPU value in arithmetic sharing, exact.

    Raises:
        ValueError: the value is public or in binary sharing, so its bytes are not additive components.
    """
    meta = libspu.ValueMeta()
    meta.ParseFromString(value.meta)
    if meta.storage_type != ARITHMETIC:
        raise ValueError(f"SPU holds this value as {meta.storage_type}, not as {ARITHMETIC}")
    pairs = np.frombuffer(_content(value.share_chunks), dtype="<u8").astype(np.uint64, copy=False).reshape(-1, 2)
    shape = tuple(meta.shape.dims)
    first, second = (np.ascontiguousarray(pairs[:, k]).reshape(shape) for k in range(2))
    return ReplicatedShare(rank, first, second)


def _meta(shape: tuple[int, ...], encoding: Encoding) -> bytes:
    meta = libspu.ValueMeta()
    meta.data_type = _DATA_TYPE[encoding]
    meta.visibility = libspu.Visibility.VIS_SECRET
    meta.shape = list(shape)
    meta.storage_type = ARITHMETIC
    return bytes(meta.SerializeToString())


def _chunks(pairs: RingArray) -> list[bytes]:
    content = pairs.reshape(-1).view(np.uint8)
    chunks = []
    for offset in range(0, max(len(content), 1), CHUNK_BYTES):
        chunk = libspu.ValueChunk()
        chunk.total_bytes = len(content)
        chunk.chunk_offset = offset
        chunk.content = content[offset : offset + CHUNK_BYTES].tobytes()
        chunks.append(bytes(chunk.SerializeToString()))
    return chunks


def _content(chunks: list[bytes]) -> bytes:
    parts = {}
    for raw in chunks:
        chunk = libspu.ValueChunk()
        chunk.ParseFromString(raw)
        parts[chunk.chunk_offset] = chunk.content
    return b"".join(parts[offset] for offset in sorted(parts))
