"""Vectors of one's own to codes: an estimator by scikit-learn's conventions, which need not be installed.

binarizer = transhash.Binarizer(bits=256).fit(vectors)  # float32 or float16 (N, F), also a mapped file
codes = binarizer.transform(vectors)                    # uint8 (N, 32)
index = transhash.HammingIndex(bits=256)
index.add(codes)
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from dataclasses import fields
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.codes import pack, whole
from transhash.errors import DataError, VectorsError
from transhash.plain import JsonObject, parsed
from transhash.shallow.functions import HashFunction, Labels, Linear
from transhash.shallow.ksh import Kernel
from transhash.shallow.learned import Perceptron
from transhash.shallow.of_vectors import EITHER, METHODS, SUPERVISED
from transhash.shallow.settings import generator, plain
from transhash.shallow.sh import Waves
from transhash.shallow.signs import signs_of
from transhash.shallow.similarity import check_labels
from transhash.shallow.vectors import Rows, chunks, rows_of
from transhash.system import replacing

if TYPE_CHECKING:
    from sklearn.utils import Tags

_FORMAT = "transhash binarizer 1"


_FUNCTIONS: dict[str, type[Linear] | type[Waves] | type[Kernel] | type[Perceptron]] = {
    kind.__name__: kind for kind in (Linear, Waves, Kernel, Perceptron)
}


class Binarizer:
    """Learns codes from vectors, and gives them: `fit`, `transform`, `save`, `load`.

    Follows scikit-learn's conventions: it can be cloned, searched over and put in a pipeline. Learned are
    `n_features_in_` and `function_`, the hash function, with `bits_` and `normalize_`, the settings that it was learned
    with: others that are set later hold from the next `fit` on.
    """

    n_features_in_: int
    function_: HashFunction
    bits_: int
    normalize_: bool

    def __init__(
        self,
        bits: int = 256,
        method: str = "itq",
        *,
        normalize: bool = True,
        sample: int = 10_000,
        random_state: int | None = 0,
        hidden: int = 0,
    ) -> None:
        """Choose how codes are learned.

        `bits`: a multiple of 8 up to 512. `method`: "itq" (rotated principal components, the best without labels in
        most cases), "lsh" and "rotation" (random directions; the latter at right angles), "sh", "ksh" and "bre" (these
        two learn from `y`), "learned" (the Bayesian loss of TransHash, from `y` if it is given), "median" and "sign" (a
        bit for each feature). `normalize`: vectors are brought to length 1 first, as for the cosine. `sample`: vectors
        that are learned from, at most, drawn at random. `random_state`: the seed; None for another one each time.
        `hidden`: units of a hidden layer in addition to the linear map of "learned".
        """
        self.bits = bits
        self.method = method
        self.normalize = normalize
        self.sample = sample
        self.random_state = random_state
        self.hidden = hidden

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from vectors (N, F), float32 or float16; of a mapped file only the sample is read.

        `y`: classes (N,) or multi-hot (N, C), for the methods that learn from labels. Raises `VectorsError` for vectors
        or settings that cannot be used.
        """
        self._forget()
        rows = rows_of(X)
        labels = self._labels(rows, y)
        if len(rows) > self.sample:
            chosen = np.sort(generator(self.random_state).choice(len(rows), self.sample, replace=False))
            rows, labels = rows[chosen], None if labels is None else labels[chosen]
        self._take(rows, labels)
        self._learn()
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Take some more vectors (n, F), float32 or float16, into the sample; codes are learned when they are needed.

        Raises `VectorsError` for vectors that cannot be used, and after `load`: a file holds no sample to go on from.
        """
        if hasattr(self, "function_") and not hasattr(self, "_sample"):
            raise VectorsError(
                "",
                "this Binarizer was loaded, and its file does not hold the vectors that it learned from",
                "call `fit` with all vectors, or keep one that is to go on with pickle instead of `save`",
            )
        rows = rows_of(X)
        self._take(rows, self._labels(rows, y))
        vars(self).pop("function_", None)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Packed codes of vectors (N, F): uint8 (N, bits/8), bit 0 the most significant of byte 0.

        A chunk is in memory at a time. Raises `VectorsError` before `fit`, and for vectors that cannot be used.
        """
        rows = self._fitting(X)
        function = self._fitted()
        if isinstance(function, Linear):
            return signs_of(function.head, rows, normalize=self.normalize_)
        codes = np.empty((len(rows), self.bits_ // 8), np.uint8)
        for where, some, lengths in chunks(rows):
            codes[where] = pack(self._scaled(some, lengths))
        return codes

    def fit_transform(self, X: ArrayLike, y: ArrayLike | None = None) -> NDArray[np.uint8]:
        """Learn from vectors (N, F), and give their codes: uint8 (N, bits/8). Raises `VectorsError`."""
        return self.fit(X, y).transform(X)

    def values(self, X: ArrayLike) -> NDArray[np.float32]:
        """Relaxed codes of vectors (N, F), float32 (N, bits): their signs are the bits. Raises as `transform` does."""
        rows = self._fitting(X)
        values = np.empty((len(rows), self.bits_), np.float32)
        for where, some, lengths in chunks(rows):
            values[where] = self._scaled(some, lengths)
            if self.normalize_:
                values[where] /= np.maximum(lengths, np.finfo(np.float32).tiny)
        return values

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what was learned to a file (NumPy's `.npz`, without pickle); raises `DataError` when it cannot."""
        arrays = {"format": np.array(_FORMAT), "about": np.array(self._about()), **self._arrays()}
        try:
            with replacing(path) as file:
                np.savez(file, allow_pickle=False, **arrays)
        except (OSError, TypeError, ValueError) as error:  # of what is no path, too
            reason = getattr(error, "strerror", None) or error
            raise DataError(path, f"cannot be written ({reason})", "choose another place") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """What `save` wrote; raises `DataError` when it is missing or something else."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                if str(arrays["format"]) != _FORMAT:
                    raise ValueError("not the format of a binarizer")
                about = parsed(str(arrays["about"]))
                kind = _FUNCTIONS[about.pop("function")]
                width = int(about.pop("features"))
                made = cls(**about)
                kept = {each.name: arrays[each.name] for each in fields(kind)}
            if "width" in kept:
                kept["width"] = float(kept["width"])
            made._settings, made.n_features_in_ = plain(made.get_params()), width
            made.function_, made.bits_, made.normalize_ = kind(**kept), made._settings["bits"], made.normalize
            if made.function_.values(np.zeros((1, width), np.float32)).shape != (1, made.bits_):
                raise ValueError(f"its function is not of {made.bits_} bits")
        except FileNotFoundError:
            raise DataError(path, "no such file", "check the path") from None
        except Exception as error:  # NumPy, zipfile and json raise errors of many kinds
            raise DataError(path, f"not a saved binarizer ({error})", "write it again with `Binarizer.save`") from error
        return made

    @property
    def fingerprint(self) -> str:
        """What tells its codes from all others, SHA-256 in hex; raises `VectorsError` before `fit`."""
        digest = hashlib.sha256(self._about().encode())
        for array in self._arrays().values():
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Names of the bytes of a code, objects (bits/8,); raises `VectorsError` before `fit`."""
        self._fitted()
        return np.array([f"binarizer{number}" for number in range(self.bits_ // 8)], object)

    def get_params(self, deep: bool = True) -> JsonObject:
        """The settings, by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **settings: object) -> Self:
        """Change settings; raises `VectorsError` for one that there is not."""
        known = self.get_params()
        for name, value in settings.items():
            if name not in known:
                raise VectorsError("", f"a Binarizer has no setting {name!r}", f"there are: {', '.join(known)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"Binarizer({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"

    def __sklearn_tags__(self) -> Tags:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        target = TargetTags(required=self.method in SUPERVISED, two_d_labels=True, multi_output=True)
        return Tags("transformer", target, TransformerTags(preserves_dtype=[]), input_tags=InputTags())

    # What is kept between calls: a sample of all vectors so far, and how many there were

    def _forget(self) -> None:
        for name in ("function_", "bits_", "normalize_", "n_features_in_", "_settings", "_sample", "_generator"):
            vars(self).pop(name, None)

    def _labels(self, rows: Rows, y: ArrayLike | None) -> Labels:
        """The labels, where the method learns from them. Raises `VectorsError` for settings that cannot be, too."""
        plain(self.get_params())
        if self.method not in (*SUPERVISED, *EITHER) or (y is None and self.method in EITHER):
            return None
        if y is None:
            raise VectorsError("", f"{self.method} requires y to be passed, but the target y is None", "give labels")
        try:
            return check_labels(y, len(rows), self.method)
        except DataError as error:
            raise VectorsError(error.where, error.reason, error.remedy) from error

    def _take(self, rows: Rows, labels: Labels) -> None:
        """Keep a sample of all vectors so far, in which each is as likely as any other."""
        self._check_width(rows)
        before, normalize = getattr(self, "_sample", None), bool(self.normalize)
        if before is not None and normalize is not self.normalize_:
            raise VectorsError(
                "",
                f"normalize is {normalize}, and was {self.normalize_} for the vectors before",
                "set it back, or call `fit` with all vectors",
            )
        try:
            for where, some, lengths in chunks(rows):
                new = np.divide(some, np.maximum(lengths, 1e-38), dtype=np.float32) if normalize else some
                self._take_chunk(new, None if labels is None else labels[where])
            self.n_features_in_, self.normalize_ = rows.shape[1], normalize
        except BaseException:  # in a later chunk: those before it were not taken either
            if before is not None:
                self._sample = before
            else:
                vars(self).pop("_sample", None)
            raise

    def _take_chunk(self, new: NDArray[np.float32], labels: Labels) -> None:
        kept_labels: Labels
        kept, kept_labels, seen = getattr(self, "_sample", (new[:0], None if labels is None else labels[:0], 0))
        if (labels is None) != (kept_labels is None):
            raise VectorsError(
                "", "some vectors came with labels and others without", "give labels for all or for none"
            )
        if labels is not None and kept_labels is not None and labels.shape[1:] != kept_labels.shape[1:]:
            forms = [f"{each.shape[1]} columns" if each.ndim == 2 else "classes" for each in (labels, kept_labels)]
            raise VectorsError(
                "", f"labels came as {forms[0]}, and as {forms[1]} before", "give all labels in the same form"
            )
        room = max(0, self.sample - len(kept))
        kept = np.concatenate([kept, new[:room]])
        if labels is not None and kept_labels is not None:
            kept_labels = np.concatenate([kept_labels, labels[:room]])
        if len(new) > room:
            if not hasattr(self, "_generator"):
                self._generator = generator(self.random_state)
            rest = np.arange(seen + room, seen + len(new))
            places = self._generator.integers(0, rest + 1)
            taken = places < self.sample  # of several for one place the last one stays, as if they came one by one
            kept[places[taken]] = new[room:][taken]
            if labels is not None and kept_labels is not None:
                kept_labels[places[taken]] = labels[room:][taken]
        self._sample = kept, kept_labels, seen + len(new)

    def _learn(self) -> None:
        settings, (sample, labels, _) = plain(self.get_params()), self._sample
        seed = whole(self.random_state)
        if seed is None:
            seed = int(generator(self.random_state).integers(2**31))
        try:
            more = {"hidden": settings["hidden"]} if "hidden" in settings else {}
            found = METHODS[settings["method"]](sample, labels, settings["bits"], seed=seed, **more)
        except DataError as error:
            of = f"n_samples = {len(sample)}, n_features = {sample.shape[1]}"
            raise VectorsError(error.where, f"{error.reason} ({of})", error.remedy) from error
        self._settings, self.bits_ = {**settings, "normalize": self.normalize_}, settings["bits"]
        self.function_ = Linear(found.head.astype(np.float32)) if isinstance(found, Linear) else found

    # Using it

    def _fitted(self) -> HashFunction:
        """The hash function, learned now if vectors came since."""
        if not hasattr(self, "function_"):
            if not hasattr(self, "_sample"):
                raise VectorsError("", "this Binarizer is not fitted yet", "call `fit` first")
            self._learn()
        return self.function_

    def _fitting(self, X: ArrayLike) -> Rows:
        self._fitted()
        rows = rows_of(X)
        self._check_width(rows)
        return rows

    def _check_width(self, rows: Rows) -> None:
        width = getattr(self, "n_features_in_", rows.shape[1])
        if rows.shape[1] != width:
            raise VectorsError(
                "",
                f"X has {rows.shape[1]} features, but Binarizer is expecting {width} features as input",
                "give vectors of the model that it was fitted to",
            )

    def _scaled(self, some: NDArray[np.float32], lengths: NDArray[np.float32]) -> NDArray[np.float32]:
        """Relaxed codes, float32 (n, bits), of vectors whose lengths are (n, 1).

        Of normalized ones these are times the lengths where the function is linear, which changes no sign and saves a
        copy of the vectors.
        """
        function = self._fitted()
        if isinstance(function, Linear):
            added = function.head[-1] * lengths if self.normalize_ else function.head[-1]
            values: NDArray[np.float32] = some @ function.head[:-1]
            values += added
            return values
        if not self.normalize_:
            return function.values(some)
        scale = np.maximum(lengths, np.finfo(np.float32).tiny)
        return function.values((some / scale).astype(np.float32)) * scale

    def _about(self) -> str:
        function = type(self._fitted()).__name__
        return json.dumps({**self._settings, "function": function, "features": self.n_features_in_})

    def _arrays(self) -> dict[str, NDArray[np.floating]]:
        function = self._fitted()
        return {
            each.name: np.asarray(getattr(function, each.name)) for each in fields(_FUNCTIONS[type(function).__name__])
        }
