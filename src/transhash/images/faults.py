"""What Pillow's readers raise, and why a picture is refused."""

from __future__ import annotations

import struct
import zlib

UNLIKE = (SyntaxError, IndexError, TypeError, struct.error)  # how readers say that a file is not for them
_DAMAGE = (OSError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError, AssertionError, EOFError)
READER_ERRORS = (*UNLIKE, *_DAMAGE, zlib.error)  # what they raise on damaged files

# Reasons that may be gone the next time, though the file stays as it is: they say nothing of its content.
PASSING_REASONS = frozenset(
    {"no such file", "no permission to read it", "cannot be read", "not a regular file", "a folder, not a picture"}
    | {"not enough memory to decode it"}
)
