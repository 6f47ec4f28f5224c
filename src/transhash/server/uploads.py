"""Pictures that come with a request: the files of a form, or the body itself."""

from __future__ import annotations

from contextlib import aclosing

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from transhash.server.faults import Fault
from transhash.server.security import is_form, is_picture
from transhash.server.settings import Settings

FIELD = "pictures"
REMEDY = "send multipart/form-data, or a picture as the body with its Content-Type, such as image/jpeg"
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
                    },
                },
                "encoding": {FIELD: {"contentType": "application/octet-stream"}},
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class _InMemory(MultiPartParser):
    """Keeps files off the drive, which may be full, and where what people send has no business; bodies are bounded."""

    spool_max_size = 1 << 40


async def pictures(request: Request, settings: Settings) -> list[bytes]:
    """The pictures that were sent; raises a `Fault` when there are none, or too many."""
    if is_picture(request.headers):
        sent = [await request.body()]
    elif is_form(request.headers):
        most = settings.max_pictures
        try:
            async with aclosing(request.stream()) as stream:
                parser = _InMemory(request.headers, stream, max_files=most, max_fields=8, max_part_size=1 << 16)
                form = await parser.parse()
        except MultiPartException:
            remedy = f"send at most {most} files in the field {FIELD!r}"
            raise Fault(400, "form", "not a form with pictures", remedy) from None
        sent = [await each.read() for each in form.getlist(FIELD) if isinstance(each, UploadFile)]
    else:
        raise Fault(415, "type", "neither a form nor a picture", REMEDY)
    if not sent:
        raise Fault(422, "no-picture", "no picture", f"send it as a file in the field {FIELD!r}")
    return sent
