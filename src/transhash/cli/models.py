"""transhash models: the models that ship with the package."""

from __future__ import annotations

from transhash.cli.options import JsonOption
from transhash.cli.output import print_json

EXAMPLES = """\
  transhash models
  transhash models --json
"""


def models(as_json: JsonOption = False) -> None:
    """List the models that come with transhash.

    With their code lengths, sizes, fingerprints, and what was measured when they were made.
    """
    from transhash.model import DEFAULT, load, pretrained

    for name in pretrained():
        model = load(name)
        facts = {
            "name": name,
            "bits": model.bits,
            "lengths": model.lengths,
            "bytes": model.size,
            "measured": model.measured,
            "image_size": model.image_size,
            "fingerprint": model.fingerprint,
            "default": name == DEFAULT,
        }
        if as_json:
            print_json(facts)
        else:
            default = "  (default)" if name == DEFAULT else ""
            lengths = " ".join(map(str, model.lengths))
            print(
                f"{name}  {lengths} bits, {model.image_size} pixels, {model.size / 1e6:.0f} MB, "
                f"{model.fingerprint[:12]}{default}"
            )
            for what, figure in model.measured.items():
                print(f"  {what}: {figure}")
