"""Kinds of picture files by their names: those that are read, and those that are not but that someone may look for."""

from __future__ import annotations

import codecs

# HEIC is among them so that it is named rather than passed over in silence
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".tif"}
    | {".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"}
    | {".avif", ".avifs", ".heic", ".heif", ".heics", ".heifs", ".hif"}
)

RAW_SUFFIXES = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw"}
    | {".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"}
)

UNREAD_SUFFIXES = RAW_SUFFIXES | frozenset(
    {".jxl", ".psd", ".psb", ".xcf", ".kra", ".svg", ".svgz", ".eps", ".ai", ".djvu", ".exr", ".hdr", ".dds", ".pcx"}
    | {".qoi", ".fits", ".dcm", ".wmf", ".emf", ".icns", ".sgi", ".jxr", ".wdp", ".bpg", ".cur", ".xbm", ".xpm"}
)

_LOOKED_AT = 4096  # bytes that tell a text

# What the files of formats begin with that are not read: so that they are named, whatever their names end in.
_SIGNATURES = (
    (b"8BPS", "a Photoshop file", "save it as PNG or JPEG"),
    (b"\xff\x0a", "JPEG XL", "convert it to JPEG (`djxl` does so without loss where it was one)"),
    (b"\0\0\0\x0cJXL \r\n", "JPEG XL", "convert it to JPEG (`djxl` does so without loss where it was one)"),
    (b"gimp xcf", "a GIMP file", "export it as PNG"),
    (b"%!PS", "PostScript", "convert it to PNG"),
    (b"%PDF", "PDF", "convert its pages to PNG"),
    (b"\x76\x2f\x31\x01", "OpenEXR", "convert it to PNG"),
    (b"#?RADIANCE", "Radiance HDR", "convert it to PNG"),
    (b"DDS ", "a DirectDraw surface", "convert it to PNG"),
    (b"qoif", "QOI", "convert it to PNG"),
    (b"SIMPLE  =", "FITS", "convert it to PNG"),
    (b"II\xbc\x01", "JPEG XR", "convert it to JPEG"),
    (b"BPG\xfb", "BPG", "convert it to JPEG"),
    (b"FUJIFILMCCD-RAW", "RAW", "export it as JPEG"),
    (b"II*\0\x10\0\0\0CR\2\0", "RAW", "export it as JPEG"),
    (b"IIU\0", "RAW", "export it as JPEG"),
    (b"IIRO", "RAW", "export it as JPEG"),
    (b"FOVb", "RAW", "export it as JPEG"),
)


def unread_kind(data: bytes) -> tuple[str, str] | None:
    """What a file that cannot be read is by its first bytes, and what to do with it; None for what is not known."""
    if data[4:12] == b"ftypcrx ":
        return "RAW", "export it as JPEG"
    if data[128:132] == b"DICM":
        return "DICOM", "convert it to PNG"
    if data[:1024].lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"<svg", b"<?xml")) and b"<svg" in data[:4096]:
        return "SVG", "convert it to PNG"
    return next(((kind, remedy) for start, kind, remedy in _SIGNATURES if data.startswith(start)), None)


def is_text(data: bytes) -> bool:
    """Whether a file holds readable characters and nothing else: a web page, for example, under a picture's name."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(data[:_LOOKED_AT], final=len(data) <= _LOOKED_AT)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text.removeprefix("\ufeff"))
