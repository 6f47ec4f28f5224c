"""transhash models: the models that ship with the package."""

from __future__ import annotations

from transhash.cli.common import JsonOption, print_json


def models(as_json: JsonOption = False) -> None:
    """List the models that ship with the package."""
    from transhash.model import DEFAULT, load, pretrained

    for name in pretrained():
        model = load(name)
        facts = {
            "name": name,
            "bits": model.bits,
            "image_size": model.image_size,
            "fingerprint": model.fingerprint,
            "default": name == DEFAULT,
        }
        if as_json:
            print_json(facts)
        else:
            default = "  (default)" if name == DEFAULT else ""
            print(f"{name}  {model.bits} bits, {model.image_size} pixels, {model.fingerprint[:12]}{default}")
