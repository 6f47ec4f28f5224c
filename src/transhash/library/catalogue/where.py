"""The filter language of `--where`: from text to a tree of conditions.

    width >= 800 and (label = 'cat' or folder like 'pets*') and not taken < '2020'

Columns of pictures and users' own (`"in double quotes"` when a name is no plain word); `= != < <= > >=`, `like` (* or %
stand for any characters; letters of ASCII match in either case), `in (...)`, `is null`, `is not null`; `and`, `or`,
`not`, parentheses. Texts and dates stand in single quotes, sizes may have a unit (2MB). A date is all the time that it
names: `taken = '2024'` is any moment of that year. A picture that has no value for a column passes no condition on it
but `is null`.

`not` is carried down to the conditions, so that no tree contains one. Texts are compared in both forms that Unicode has
for letters with marks: a Mac stores the names of files in the longer one, keyboards write the shorter.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import NamedTuple, NoReturn, TypeAlias

from transhash.errors import FilterError
from transhash.library.catalogue.kinds import BUILT_IN, Kind, period

MAX_CONDITIONS = 500  # SQLite's limit on the depth of expressions is 1,000
MAX_LITERALS = 10_000  # and 32,766 on parameters, of which a date may take two
MAX_NESTING = 100

Literal: TypeAlias = "str | int | float | tuple[int, int]"  # a date is the seconds [first, end) that it spans

_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "like": "not like", "in": "not in"}
_OPPOSITE |= {"not like": "like", "not in": "in", "null": "not null", "not null": "null"}
_ALIKE: dict[str, tuple[str, str | None]] = {
    "=": ("in", None),
    "in": ("in", None),
    "!=": ("not in", None),
    "not in": ("not in", None),
}
_ALIKE |= {"like": ("like", "or"), "not like": ("not like", "and")}  # with several texts: operator, how to join them
_SPELLINGS = {"==": "=", "<>": "!="}
_KEYWORDS = {"and", "or", "not", "like", "in", "is", "null", "true", "false"}
_UNITS = {"b": 1}
_UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}
_UNITS |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)}
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<quoted>\"(?:[^\"]|\"\")+\")"
    r"|(?P<number>[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?P<unit>[^\W\d]*))"
    r"|(?P<word>[^\W\d]\w*)|(?P<sign><=|>=|<>|!=|==|[=<>(),]))",
    re.DOTALL,
)
_SLASHES = re.compile(r":/{2,}")  # of an address that is an id, a stored path has one slash
_EXAMPLES = {
    Kind.NUMBER: "a number, such as 800",
    Kind.BYTES: "a size, such as 2MB",
    Kind.DATE: "a date in single quotes, such as '2024' or '2024-05-01'",
    Kind.BOOLEAN: "true or false",
    Kind.TEXT: "a text in single quotes",
    Kind.PATH: "a text in single quotes",
}


class Condition(NamedTuple):
    """A column compared with literals: one, or for `in` several, or for `null` none."""

    column: str
    kind: Kind
    operator: str  # a key of _OPPOSITE
    literals: tuple[Literal, ...]


class Junction(NamedTuple):
    """`and` or `or` of two or more conditions."""

    word: str
    parts: tuple[Tree, ...]


Tree: TypeAlias = "Condition | Junction"


class _Token(NamedTuple):
    kind: str  # text, quoted, number, word, sign, end
    text: str
    start: int
    unit: str = ""


def parse(text: str, own: Mapping[str, Kind]) -> Tree:
    """The conditions of a filter over the built-in columns and users' own; raises `FilterError`."""
    return _Parser(text, {**own, **BUILT_IN}).parse()


class _Parser:
    """Recursive descent, a method for each rule of the grammar."""

    def __init__(self, text: str, columns: Mapping[str, Kind]) -> None:
        self._text = text
        self._columns = columns
        self._by_lower = {name.lower(): name for name in columns}
        self._tokens = self._split()
        self._at = 0
        self._depth = self._conditions = self._literals = 0

    def parse(self) -> Tree:
        tree = self._or(positive=True)
        if self._token.kind != "end":
            self._expected("`and`, `or` or the end")
        return tree

    def _split(self) -> list[_Token]:
        tokens, at = [], 0
        while found := _TOKEN.match(self._text, at):
            kind = "number" if found["number"] else str(found.lastgroup)
            tokens.append(_Token(kind, found[kind], found.start(kind), found["unit"] or ""))
            at = found.end()
        rest = self._text[at:]
        start = at + len(rest) - len(rest.lstrip())
        end = _Token("end", "", start)
        if rest.strip():
            quote = self._text[start]
            self._tokens, self._at = [end], 0
            self._expected(f"a closing {quote}" if quote in "'\"" else "a column, an operator or a literal")
        return [*tokens, end]

    @property
    def _token(self) -> _Token:
        return self._tokens[self._at]

    def _expected(self, what: str) -> NoReturn:
        raise FilterError(self._text, self._token.start + 1, what)

    def _next(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _took(self, *words: str) -> str | None:
        """The next token, taken if it is one of these keywords or signs."""
        token = self._token
        word = token.text.lower() if token.kind == "word" else token.text if token.kind == "sign" else ""
        if word not in words:
            return None
        self._at += 1
        return word

    def _or(self, positive: bool) -> Tree:
        return self._junction("or", self._and, positive)

    def _and(self, positive: bool) -> Tree:
        return self._junction("and", self._unary, positive)

    def _junction(self, word: str, rule: Callable[[bool], Tree], positive: bool) -> Tree:
        parts = [rule(positive)]
        while self._took(word):
            parts.append(rule(positive))
        if not positive:
            word = "or" if word == "and" else "and"
        return Junction(word, tuple(parts)) if len(parts) > 1 else parts[0]

    def _unary(self, positive: bool) -> Tree:
        self._depth += 1
        if self._depth > MAX_NESTING:
            self._expected(f"at most {MAX_NESTING} parentheses and `not` inside one another")
        if self._took("not"):
            tree = self._unary(not positive)
        elif self._took("("):
            tree = self._or(positive)
            if not self._took(")"):
                self._expected("`and`, `or` or `)`")
        else:
            tree = self._condition(positive)
        self._depth -= 1
        return tree

    def _condition(self, positive: bool) -> Tree:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            self._expected(f"at most {MAX_CONDITIONS} conditions")
        column = self._column()
        kind = self._columns[column]
        operator, literals = self._comparison(kind)
        return _in_both_forms(Condition(column, kind, operator if positive else _OPPOSITE[operator], literals))

    def _column(self) -> str:
        token = self._token
        name = token.text
        if token.kind == "quoted":
            name = name[1:-1].replace('""', '"')
        elif token.kind != "word" or name.lower() in _KEYWORDS:
            self._expected("a column, `not` or `(`")
        column = name if name in self._columns else self._by_lower.get(name.lower())
        if column is None:
            self._expected(f"a column, of which there are {', '.join(sorted(self._columns))}")
        self._at += 1
        return column

    def _comparison(self, kind: Kind) -> tuple[str, tuple[Literal, ...]]:
        if self._took("is"):
            operator = "not null" if self._took("not") else "null"
            if not self._took("null"):
                self._expected("`null`" if operator == "not null" else "`null` or `not null`")
            return operator, ()
        negated = "not " if self._took("not") else ""
        if self._token.text.lower() == "like" and kind not in (Kind.TEXT, Kind.PATH):
            self._expected(f"=, <, `in` or the like, for the column holds a {kind}")
        if self._took("like"):
            return f"{negated}like", (self._literal(kind),)
        if self._took("in"):
            if not self._took("("):
                self._expected("`(`")
            literals = [self._literal(kind)]
            while self._took(","):
                literals.append(self._literal(kind))
            if not self._took(")"):
                self._expected("`,` or `)`")
            return f"{negated}in", tuple(literals)
        if negated:
            self._expected("`like` or `in`")
        if kind == Kind.BOOLEAN and self._token.text in ("<", "<=", ">", ">="):
            self._expected("= or !=, for the column holds true and false")
        operator = self._took("=", "==", "!=", "<>", "<", "<=", ">", ">=") or ""
        if not operator:
            self._expected("an operator (=, !=, <, <=, >, >=, like, in, is null)")
        return _SPELLINGS.get(operator, operator), (self._literal(kind),)

    def _literal(self, kind: Kind) -> Literal:
        self._literals += 1
        self._conditions += kind == Kind.DATE  # each is one of its own
        if self._literals > MAX_LITERALS:
            self._expected(f"at most {MAX_LITERALS} literals")
        value = self._value(self._token, kind)
        if value is None:
            self._expected(_EXAMPLES[kind])
        self._at += 1
        return value

    def _value(self, token: _Token, kind: Kind) -> Literal | None:
        """What a token stands for; None when it is not of this kind."""
        if token.kind == "text":
            text = token.text[1:-1].replace("''", "'")
            if kind == Kind.PATH:
                text = _SLASHES.sub(":/", text)
            if kind in (Kind.TEXT, Kind.PATH):
                return text if "\0" not in text and _is_kept(text, kind) else None
            return period(text) if kind == Kind.DATE else None
        if token.kind == "number" and kind in (Kind.NUMBER, Kind.BYTES):
            unit = _UNITS.get(token.unit.lower()) if kind == Kind.BYTES and token.unit else None if token.unit else 1
            return None if unit is None else _number(token.text.removesuffix(token.unit), unit)
        if token.kind == "word" and kind == Kind.BOOLEAN and token.text.lower() in ("true", "false"):
            return int(token.text.lower() == "true")
        return None


def _in_both_forms(condition: Condition) -> Tree:
    """The condition on texts, whichever of Unicode's forms their letters have."""
    if condition.kind not in (Kind.TEXT, Kind.PATH) or condition.operator not in _ALIKE:
        return condition
    forms = dict.fromkeys(
        form
        for text in map(str, condition.literals)
        for form in (text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text))
    )
    if len(forms) == len(set(condition.literals)):
        return condition
    operator, word = _ALIKE[condition.operator]
    if word is None:
        return condition._replace(operator=operator, literals=tuple(forms))
    return Junction(word, tuple(condition._replace(literals=(form,)) for form in forms))


def _number(text: str, unit: int) -> float:
    """A number that SQLite can take: whole ones beyond 64 bits become real ones."""
    try:
        whole = int(text) * unit if len(text) < 20 else None
    except ValueError:
        whole = None
    return float(text) * unit if whole is None or not -(2**63) <= whole < 2**63 else whole


def _is_kept(text: str, kind: Kind) -> bool:
    """Whether a text, or a path, can be in a catalogue: a path need not be UTF-8, but has bytes."""
    try:
        os.fsencode(text) if kind == Kind.PATH else text.encode()
    except UnicodeEncodeError:
        return False
    return True
