"""A certificate made by itself, for servers in tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

OPENSSL = shutil.which("openssl")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the name photos.example, and its key."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    subprocess.run(
        f"{OPENSSL} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=photos.example"
        f" -addext subjectAltName=DNS:photos.example,IP:127.0.0.1 -keyout {key} -out {chain}".split(),
        check=True,
        capture_output=True,
    )
    return chain, key
