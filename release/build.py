"""Build the wheel and the source of a release, twice, and say what is in them.

    make release                         # in an environment of its own, with build, hatchling and twine
    python -m release.build [--to dist]  # where these are installed

The source is built from the repository, and the wheel from the source. All times in them are those of the last commit
(or SOURCE_DATE_EPOCH), so that both builds must have the same bytes. `twine check` reads what an index would show. Next
to them: `transhash-VERSION.cdx.json`, the packages that an installation with `constraints.txt` has (CycloneDX 1.6),
and `SHA256SUMS`. Exit code 1 when the builds differ or the versions of the repository do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import uuid
from pathlib import Path

from release.pins import Component, components

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Build, compare and describe a release."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=ROOT / "dist")
    to = parser.parse_args().to
    if problems := version_problems(ROOT):
        sys.exit("\n".join(problems))
    with tempfile.TemporaryDirectory() as folder:
        builds = [build(ROOT, Path(folder) / name) for name in ("first", "second")]
        sums = [{path.name: sha256(path) for path in build} for build in builds]
        if sums[0] != sums[1]:
            sys.exit(f"two builds differ: {sums}")
        to.mkdir(parents=True, exist_ok=True)
        files = [Path(shutil.copy(path, to)) for path in builds[0]]
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, files)], check=True)
    version = project(ROOT)["version"]
    bill = to / f"transhash-{version}.cdx.json"
    bill.write_text(json.dumps(bill_of(str(version), components(ROOT)), indent=1) + "\n", "utf-8")
    lines = [f"{sha256(path)}  {path.name}\n" for path in sorted([*files, bill])]
    (to / "SHA256SUMS").write_text("".join(lines), "ascii")
    print("".join(lines), end="")


def build(root: Path, to: Path) -> list[Path]:
    """Build the source and, from it, the wheel; return both."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch(root)}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(to), str(root)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return sorted(to.iterdir())


def epoch(root: Path) -> str:
    """The time that all files of a release have, seconds since 1970: that of the last commit."""
    named = os.environ.get("SOURCE_DATE_EPOCH")
    command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    return named or subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def version_problems(root: Path) -> list[str]:
    """Places that name another version than pyproject.toml does, and a version that the changelog does not know."""
    version = str(project(root)["version"])
    places = {
        "src/transhash/__init__.py": rf'^__version__ = "{re.escape(version)}"$',
        "CITATION.cff": rf"^version: {re.escape(version)}$",
        "CHANGELOG.md": rf"^## {re.escape(version)}$",
    }
    return [
        f"{name} does not name version {version}, which pyproject.toml has"
        for name, pattern in places.items()
        if not re.search(pattern, (root / name).read_text("utf-8"), re.MULTILINE)
    ]


def project(root: Path) -> dict[str, object]:
    """What pyproject.toml says of the project."""
    found: dict[str, object] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def bill_of(version: str, parts: list[Component]) -> dict[str, object]:
    """A bill of materials, as CycloneDX 1.6 has it."""
    own = f"pkg:pypi/transhash@{version}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, own)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "transhash",
                "version": version,
                "purl": own,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [
            {
                "type": "library",
                "bom-ref": part.purl,
                "name": part.name,
                "version": part.version,
                "purl": part.purl,
                "scope": "required" if part.is_needed else "optional",
            }
            for part in parts
        ],
        "dependencies": [{"ref": own, "dependsOn": [part.purl for part in parts if part.is_needed]}],
    }


def sha256(path: Path) -> str:
    """The checksum of a file, hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
