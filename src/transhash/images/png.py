"""PNG: what its pixels, their colours and its date need, without the other chunks, however large or damaged they are.

Pillow refuses a picture for a comment that is too long or has a wrong checksum; every viewer shows it.
"""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_NEEDED = frozenset({b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT"})  # besides the critical ones, with a capital letter
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_KEYWORDS = frozenset(
    {b"XML:com.adobe.xmp", b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type xmp"}
    | {b"Creation Time", b"date:create"}
)
_MAX_TEXT = 1 << 16  # bytes, uncompressed
_MAX_PROFILE = 1 << 20


def lean(data: bytes) -> bytes:
    """The file's bytes without the chunks that nobody here reads; the same object when all are kept."""
    kept = [SIGNATURE]
    dropped = False
    start, position = len(SIGNATURE), len(SIGNATURE)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        is_critical = not kind[0] & 0x20
        if end > len(data) and is_critical:
            break
        if not is_critical and not _is_kept(kind, data[position + 4 : end]):
            kept.append(data[start:position])
            start = min(end, len(data))
            dropped = True
        position = end
        if kind == b"IEND":
            break
    return b"".join([*kept, data[start:]]) if dropped else data


def _is_kept(kind: bytes, chunk: bytes) -> bool:
    """Whether an ancillary chunk (from its kind to its checksum) is whole, and has something to say."""
    is_kept = kind in _NEEDED or (kind in _TEXTS and _is_wanted(kind, chunk[4:-4]))
    if not is_kept and not (kind == b"iCCP" and _unpacks(chunk[4:-4].partition(b"\0")[2][1:], _MAX_PROFILE)):
        return False
    return zlib.crc32(chunk[:-4]) == int.from_bytes(chunk[-4:], "big")


def _is_wanted(kind: bytes, content: bytes) -> bool:
    keyword, _, text = content.partition(b"\0")
    if keyword not in _KEYWORDS or len(content) > _MAX_TEXT:
        return False
    if kind == b"iTXt":
        is_compressed, text = text[:1] == b"\1", text[2:].split(b"\0", 2)[-1]
    else:
        is_compressed, text = kind == b"zTXt", text[1:]
    return not is_compressed or _unpacks(text, _MAX_TEXT)


def _unpacks(packed: bytes, most: int) -> bool:
    """Whether compressed bytes are whole, and no more than so many when unpacked."""
    try:
        stream = zlib.decompressobj()
        stream.decompress(packed, most)
        return stream.eof
    except zlib.error:
        return False
