"""The API does what its description says, whatever is sent."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fake_model import FakeModel
from serving import API, Running, serving
from transhash import Library

# a filter or a picture may be no good although it is a text or a string of bytes
UNFIT = [positive_data_acceptance]
TOO_LARGE = 413


def test_no_answer_is_undocumented(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, writable=True) as server:
        schema = schemathesis.openapi.from_url(f"{server.url}{API}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        assert len(operations) > 15
        for operation in operations:
            check(operation)


def check(operation) -> None:
    @settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.data())
    def run(case) -> None:
        mode = case.draw(st.sampled_from(list(schemathesis.GenerationMode)))
        asked = case.draw(operation.as_strategy(generation_mode=mode))
        answer = asked.call()
        if answer.status_code != TOO_LARGE:  # which is refused before it is read, and described for every operation
            asked.validate_response(answer, excluded_checks=UNFIT)

    run()


def test_the_description_is_complete(server: Running) -> None:
    described = server.get("/openapi.json").json()

    for path, methods in described["paths"].items():
        assert path.startswith(API)
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert {"401", "413", "422", "429", "503"} <= set(operation["responses"])
