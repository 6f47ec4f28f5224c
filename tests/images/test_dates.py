"""When a picture was taken: wherever that is written, and however."""

from __future__ import annotations

import io
from datetime import datetime

import pytest
from PIL import Image

from image_files import encoded, photo, png_chunk
from transhash.images import load_picture
from transhash.images.metadata import parsed

MAY = datetime(2024, 5, 1, 12, 30, 45)
XMP = (
    '<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    'syntax-ns#"><rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    "%s</rdf:RDF></x:xmpmeta>"
)
AS_ATTRIBUTE = XMP % 'exif:DateTimeOriginal="2024-05-01T12:30:45.12+02:00"/>'
AS_ELEMENT = XMP % "><xmp:CreateDate>2024-05-01T12:30:45Z</xmp:CreateDate></rdf:Description>"


def taken(data: bytes) -> datetime | None:
    return load_picture(data, 20).taken


def with_exif(kind: str, original: str = "", digitized: str = "", changed: str = "", **more: object) -> bytes:
    exif = Image.Exif()
    inner = {tag: text for tag, text in ((0x9003, original), (0x9004, digitized)) if text}
    if inner:
        exif.get_ifd(0x8769).update(inner)
        exif[0x8769] = 0  # where it will be: Pillow puts that in, but writes none that is not there
    if changed:
        exif[0x0132] = changed
    return encoded(photo(), kind, exif=exif, **more)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_first_date_that_is_one(kind: str) -> None:
    may, june, none = "2024:05:01 12:30:45", "2024:06:01 00:00:00", "0000:00:00 00:00:00"
    assert taken(with_exif(kind, may, june, june)) == MAY
    assert taken(with_exif(kind, none, may, june)) == MAY
    assert taken(with_exif(kind, "", may, june)) == MAY
    assert taken(with_exif(kind, none, none, may)) == MAY
    assert taken(with_exif(kind, "", "", may)) == MAY
    assert taken(with_exif(kind)) is None


@pytest.mark.parametrize("packet", [AS_ATTRIBUTE, AS_ELEMENT], ids=["attribute", "element"])
def test_dates_in_xmp(packet: str) -> None:
    for kind in ("JPEG", "WEBP", "AVIF"):
        assert taken(encoded(photo(), kind, xmp=packet.encode())) == MAY
    assert taken(encoded(photo(), "TIFF", tiffinfo={700: packet.encode()})) == MAY
    assert taken(with_png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet.encode())) == MAY
    june = with_exif("JPEG", "", "", "2024:06:01 00:00:00", xmp=packet.encode())
    assert taken(june) == datetime(2024, 6, 1)  # EXIF comes before XMP


def with_png_chunk(kind: bytes, content: bytes) -> bytes:
    data = encoded(photo(), "PNG")
    return data[:33] + png_chunk(kind, content) + data[33:]


def test_dates_of_png() -> None:
    assert taken(with_png_chunk(b"tEXt", b"Creation Time\0Wed, 01 May 2024 12:30:45 +0200")) == MAY
    assert taken(with_png_chunk(b"tEXt", b"Creation Time\x002024-05-01T12:30:45+02:00")) == MAY
    assert taken(with_png_chunk(b"tEXt", b"Comment\x002024-05-01T12:30:45+02:00")) is None


def test_a_date_at_the_end_of_a_png() -> None:
    data = with_exif("PNG", "2024:05:01 12:30:45")
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    moved = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert taken(moved) == MAY
    assert Image.open(io.BytesIO(moved)).size == (60, 40)


@pytest.mark.parametrize(
    "text",
    [
        "2024:05:01 12:30:45",
        "2024-05-01 12:30:45",
        "2024/05/01 12:30:45",
        "2024.05.01 12.30.45",
        "2024-05-01T12:30:45",
        "2024-05-01T12:30:45.123456+02:00",
        "2024-05-01T12:30:45Z",
        "2024:05:01  12:30:45\0",
        "2024:5:1 12:30:45",
        "2024:05:01 12:30:45 PM",
        "20240501T123045",
        "20240501 123045",
        "20240501123045",
        "Wed, 01 May 2024 12:30:45 +0200",
        "Wed May  1 12:30:45 2024",
    ],
)
def test_forms_of_a_date(text: str) -> None:
    assert parsed(text) == MAY


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024:05:01 12:30", datetime(2024, 5, 1, 12, 30)),
        ("2024:05:01  8:03:09", datetime(2024, 5, 1, 8, 3, 9)),
        ("2024:05:01 11:30:45 pm", datetime(2024, 5, 1, 23, 30, 45)),
        ("2024:05:01 12:30:45 am", datetime(2024, 5, 1, 0, 30, 45)),
        ("2024:05:01 12:30:60", datetime(2024, 5, 1, 12, 30, 59)),
        ("2024:05:01", datetime(2024, 5, 1)),
        ("1888-10-14", datetime(1888, 10, 14)),
        ("2300:05:01 12:30:45", datetime(2300, 5, 1, 12, 30, 45)),
    ],
)
def test_parts_of_a_date(text: str, date: datetime) -> None:
    assert parsed(text) == date


@pytest.mark.parametrize(
    "text",
    [
        *("", "noon", "    :  :     :  :  ", "0000:00:00 00:00:00", "0001:01:01 00:00:00", "1904:01:01 00:00:00"),
        *("1970:01:01 00:00:00", "1980:01:01 00:00:00", "1899-12-30", "2024:13:01 12:30:45", "2024:02:30 12:30:45"),
        *("2024:05:01 25:30:45", "2024", "2024-05", "2024:05:01x", "1500:05:01 12:30:45", "99999999", "\0\0\0"),
        *("1 Jan 99999999999999999999 10:00:00", f"1 Jan {'9' * 5000} 10:00:00"),
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parsed(text) is None
