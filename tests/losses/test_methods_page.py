"""docs/methods.md says what is so, and its example works."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import torch

from transhash.errors import RecipeError
from transhash.losses import METHODS, HashLoss, Task, check_settings

PAGE = (Path(__file__).parents[2] / "docs" / "methods.md").read_text("utf-8")
ROWS = {
    row[0].strip("` "): row[1:]
    for row in re.findall(r"^\| (`(?!method`)\w+`) \|(.*)\|(.*)\|(.*)\|$", PAGE, re.MULTILINE)
}


@pytest.mark.parametrize("place", range(len(METHODS)), ids=METHODS)
def test_the_table_has_every_method_in_order(place: int) -> None:
    assert list(ROWS)[place : place + 1] == list(METHODS)[place : place + 1]


@pytest.mark.parametrize("method", METHODS)
def test_the_table_has_its_labels_and_defaults(method: str) -> None:
    _, labels, settings = ROWS[method]
    assert ("several" in labels) == (not getattr(METHODS[method], "single_label_only", False))
    parameters = inspect.signature(METHODS[method]).parameters.values()
    defaults = [(p.name, str(p.default)) for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert re.findall(r"`(\w+)` ([\w.]+)", settings) == defaults


def test_a_method_is_added_as_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, type[HashLoss]] = {}
    exec(example, names)
    monkeypatch.setitem(METHODS, "my", names["MyLoss"])
    check_settings("my", {"sharpness": 2.0})
    with pytest.raises(RecipeError, match="it has sharpness"):
        check_settings("my", {"sharp": 2.0})
    h = torch.randn(6, 16, dtype=torch.float64).requires_grad_()
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    loss = METHODS["my"](Task((16,), classes=3), sharpness=2.0)
    assert torch.autograd.gradcheck(lambda h: loss(h, labels), h)
    code = torch.eye(3).repeat_interleave(2, dim=0).repeat(1, 6)[:, :16] * 2 - 1
    assert loss(3 * code, labels) < loss(3 * code.flip(0)[[0, 2, 4, 1, 3, 5]], labels)
