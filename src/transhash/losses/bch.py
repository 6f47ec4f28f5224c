"""Codewords of binary BCH codes: many codes far apart, where Hadamard's matrix has too few rows.

Bose and Ray-Chaudhuri, "On A Class of Error Correcting Binary Group Codes", Information and Control 1960.

    codes = codewords(100, 16, random)  # ±1, float (100, 16)
    distance(100, 16)                   # 6: bits in which any two of them differ, or more
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class _Code:
    """A BCH code with a bit of parity, cut to a length: messages are shorter than they could be, and checks are cut."""

    generator: int  # polynomial over GF(2), a bit each coefficient
    checks: int  # its degree
    message: int  # bits of a message
    cut: int  # checks that are cut
    distance: int  # designed: no two codewords are nearer


def codewords(classes: int, bits: int, random: torch.Generator) -> Tensor:
    """Codewords of the code of `distance`, drawn at random, ±1: float (classes, bits)."""
    code = _best(classes, bits)
    assert code is not None, "ask for the distance first"
    messages = torch.randperm(1 << code.message, generator=random)[:classes]
    chosen = messages[:, None] >> torch.arange(code.message) & 1
    return (chosen.float() @ _rows(code)) % 2 * 2 - 1


def distance(classes: int, bits: int) -> int:
    """Bits in which any two of `codewords` differ, or more; 0 where there are no so many codewords of this length."""
    code = _best(classes, bits)
    return code.distance if code else 0


@cache
def _best(classes: int, bits: int) -> _Code | None:
    """Of the BCH codes of the next power of two the one that is furthest apart when it is cut to `bits`."""
    needed = max(1, (classes - 1).bit_length())
    power = max(2, (bits - 1).bit_length())
    codes = []
    for generator, designed in _generators(power):
        checks = generator.bit_length() - 1
        longest = (1 << power) - 1 - checks
        if longest < needed:
            break
        spare = (1 << power) - bits
        shortened = min(spare, longest - needed)
        cut = spare - shortened
        if cut <= checks and designed > cut:
            codes.append(_Code(generator, checks, longest - shortened, cut, designed - cut))
    return max(codes, key=lambda code: (code.distance, -code.message), default=None)


def _rows(code: _Code) -> Tensor:
    """The codeword of each bit of a message, of which others are sums: float (message, bits) of 0 and 1."""
    rows = []
    for place in range(code.message):
        word = rest = 1 << (code.checks + place)
        while rest.bit_length() > code.checks:
            rest ^= code.generator << (rest.bit_length() - 1 - code.checks)
        whole = [(word | rest) >> bit & 1 for bit in range(code.checks + code.message)]
        rows.append([*whole, sum(whole) % 2][code.cut :])
    return torch.tensor(rows).float()


def _generators(power: int) -> Iterator[tuple[int, int]]:
    """Generator polynomials of the BCH codes of length 2^m - 1, with the distance that a bit of parity gives them.

    A code's polynomial has successive powers of a primitive element as roots: their number is the distance, less 1.
    """
    n = (1 << power) - 1
    exponents = _field(power)
    logarithms = {element: exponent for exponent, element in enumerate(exponents)}
    generator, roots = 1, {0}
    yield 1, 2
    for first in range(1, n, 2):
        if first in roots:
            continue
        conjugates = {(first << bit) % n for bit in range(power)}
        minimal = [1]  # its coefficients in the field, the lowest first
        for root in conjugates:
            times = [exponents[(logarithms[c] + root) % n] if c else 0 for c in minimal]
            minimal = [a ^ b for a, b in zip([*times, 0], [0, *minimal], strict=True)]
        generator = _product(generator, sum(c << place for place, c in enumerate(minimal)))
        roots |= conjugates
        designed = next((place for place in range(1, n) if place not in roots), n)
        yield generator, designed + designed % 2


def _field(power: int) -> list[int]:
    """The powers of a primitive element of GF(2^m), its elements being polynomials with a bit each coefficient."""
    for polynomial in range((1 << power) + 1, 2 << power, 2):
        elements = [1]
        while (following := _reduced(elements[-1] << 1, polynomial, power)) != 1 and len(elements) < 1 << power:
            elements.append(following)
        if len(elements) == (1 << power) - 1:
            return elements
    raise AssertionError("every field has a primitive element")


def _reduced(element: int, polynomial: int, power: int) -> int:
    return element ^ polynomial if element >> power else element


def _product(one: int, other: int) -> int:
    """Of two polynomials over GF(2)."""
    total = 0
    for place in range(one.bit_length()):
        if one >> place & 1:
            total ^= other << place
    return total
