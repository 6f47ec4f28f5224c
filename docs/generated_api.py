"""Two pages of the reference that are made from the code: the REST API from its OpenAPI description, and filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generated import table

Schema = dict[str, Any]
EVERYWHERE = ("400", "401", "403", "408", "413", "421", "422", "429", "503")  # answers that every request may get


def rest() -> str:
    """Every request of the API: its parameters, its body and its answers; then every object."""
    from fastapi import FastAPI

    from transhash.server.routes import routers

    app = FastAPI()
    for router in routers:
        app.include_router(router)
    description = app.openapi()
    lines = [
        "# REST",
        "",
        "[Start a server](../serve.md) first. `/api/v1/openapi.json` describes the same for programs.",
    ]
    lines += ["Requests with a body send JSON, except where another type is named.", "", "## Requests"]
    faults: Schema = {}
    for path, methods in description["paths"].items():
        for method, request in methods.items():
            lines += ["", f"### {method.upper()} {path}", "", f"{request['summary']}. {request['description']}", ""]
            lines += _parameters(request.get("parameters", []))
            lines += _body(request.get("requestBody"))
            lines += _answers(request["responses"])
            faults |= request["responses"]
    lines += [
        "",
        "## Answers that are no success",
        "",
        f"Each is a {_named('Fault')}. Every request may get these:",
        "",
    ]
    lines += table(("status", "when"), [(status, faults[status]["description"]) for status in EVERYWHERE])
    lines += ["", "## Objects"]
    for name, schema in description["components"]["schemas"].items():
        needed = schema.get("required", [])
        lines += ["", f"### {name}", "", schema.get("description", "").split("\n\n")[0], ""]
        rows = [
            (f"`{field}`", _type(each), _default(each, field in needed), each.get("description", ""))
            for field, each in schema["properties"].items()
        ]
        lines += table(("field", "type", "default", "meaning"), rows)
    return "\n".join(lines)


def _parameters(parameters: list[Schema]) -> Iterator[str]:
    rows = [
        (
            f"`{each['name']}`",
            f"in the {each['in']}",
            _type(each["schema"]),
            _default(each["schema"], each.get("required", False)),
            each.get("description", ""),
        )
        for each in parameters
    ]
    if rows:
        yield from table(("parameter", "where", "type", "default", "meaning"), rows)
        yield ""


def _body(body: Schema | None) -> Iterator[str]:
    if body is None:
        return
    kinds = []
    for kind, content in body["content"].items():
        schema = content.get("schema", {})
        if "$ref" in schema:
            kinds.append(_type(schema))
        elif "properties" in schema:
            fields = ", ".join(f"`{name}` ({_type(each)})" for name, each in schema["properties"].items())
            kinds.append(f"`{kind}` with {fields}")
        else:
            kinds.append(f"`{kind}`")
    yield f"Body: {', or '.join(kinds)}."
    yield ""


def _answers(responses: Schema) -> Iterator[str]:
    said = []
    for status, answer in sorted(responses.items()):
        if status in EVERYWHERE:
            continue
        contents = answer.get("content", {})
        kinds = [
            _type(each["schema"]) if "$ref" in each.get("schema", {}) else f"`{kind}`"
            for kind, each in contents.items()
        ]
        what = ", or ".join(kinds) if status < "400" else answer["description"].rstrip(".")
        said.append(f"`{status}` {what or 'without a body'}")
    yield f"Answers: {'; '.join(said)}."


def _default(schema: Schema, needed: bool) -> str:
    if needed:
        return "required"
    return "" if schema.get("default") is None else f"`{schema['default']}`"


def _named(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _type(schema: Schema) -> str:
    """A JSON schema in a few words."""
    if "$ref" in schema:
        return _named(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    kind = "file" if schema.get("format") == "binary" else str(schema.get("type", "value"))
    low, high = schema.get("minimum"), schema.get("maximum")
    longest = f", at most {schema['maxLength']:,} characters" if "maxLength" in schema else ""
    if high is not None and high < 2**62:
        return f"{kind} from {low:,} to {high:,}"
    return f"{kind}{'' if low is None else f', {low} or more'}{longest}"


SAMPLES = {  # a value of each kind of column
    "PATH": "'pets/cat*'",
    "TEXT": "'tabby'",
    "NUMBER": "800",
    "BYTES": "2MB",
    "DATE": "'2024-05'",
    "BOOLEAN": "true",
}
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "like", "not like", "in", "not in", "is null", "is not null")


def filters() -> str:
    """The filter language: columns, what each kind can be compared with, values, and limits."""
    from transhash.library.catalogue import where
    from transhash.library.catalogue.kinds import BUILT_IN, Kind

    lines = [
        "# Filters",
        "",
        "A filter is the `--where` of `transhash search`, the `where` of `Library.search` and of the REST API.",
    ]
    lines += ["[Examples and your own columns](../catalogue.md#filters).", "", "## Columns", ""]
    lines += table(
        ("column", "kind"),
        [*((f"`{name}`", str(kind)) for name, kind in BUILT_IN.items()), ("your own", "text, number, date or boolean")],
    )
    lines += ["", "## Comparisons", ""]
    rows = []
    for kind, value in SAMPLES.items():
        allowed = [each for each in OPERATORS if _parses(_condition(each, value), Kind[kind])]
        rows.append((str(Kind[kind]), f"`{value}`", " ".join(f"`{each}`" for each in allowed)))
    lines += table(("kind", "a value", "operators"), rows)
    lines += ["", "## Grammar", "", "```text", GRAMMAR.strip(), "```", ""]
    lines += ["Words are read in capital or small letters. A picture without a value passes only `is null`.", ""]
    lines += ["## Limits", "", f"At most {where.MAX_CONDITIONS} conditions, {where.MAX_LITERALS:,} values, and"]
    lines += [f"{where.MAX_NESTING} parentheses and `not` inside one another. A filter that cannot be read raises"]
    lines += ["`FilterError`, which has the character (`position`, from 1) and what was expected there."]
    return "\n".join(lines)


GRAMMAR = """
filter     = and-part {"or" and-part}
and-part   = part {"and" part}
part       = "not" part | "(" filter ")" | condition
condition  = column operator value
           | column ["not"] "like" text
           | column ["not"] "in" "(" value {"," value} ")"
           | column "is" ["not"] "null"
operator   = "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">="
column     = a word, or any name "in double quotes" (a quote inside is written twice)
value      = text | date | number | size | "true" | "false"
text       = 'in single quotes' (a quote inside is written twice); in like, * and % stand for any characters
date       = '2024' | '2024-05' | '2024-05-01' | '2024-05-01 12:30' | '2024-05-01 12:30:15'
size       = a number, then nothing, B, kB, MB, GB, TB (powers of 1,000), KiB, MiB, GiB or TiB (powers of 1,024)
"""


def _condition(operator: str, value: str) -> str:
    if operator.endswith("null"):
        return f"it {operator}"
    return f"it {operator} ({value})" if operator.endswith("in") else f"it {operator} {value}"


def _parses(text: str, kind: Any) -> bool:
    from transhash.errors import FilterError
    from transhash.library.catalogue.where import parse

    try:
        parse(text, {"it": kind})
    except FilterError:
        return False
    return True
