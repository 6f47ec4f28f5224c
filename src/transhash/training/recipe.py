"""Every setting of a training run: one schema for recipe files, command line flags and the `run.yaml` of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from yaml.error import MarkedYAMLError

from transhash.data.augment import Augmentation
from transhash.errors import RecipeError
from transhash.losses import METHODS, Task, check_settings
from transhash.nn.mgvt import branch_bits, check_lengths
from transhash.plain import JsonObject

RANDOM = "random"  # the backbone that has learned nothing
MACHINE = ("device", "compile")  # settings that may change where a run goes on
ENOUGH_FOR_TWO = 32  # bits of a code from which on `groups: auto` means two streams


class Recipe(BaseModel):
    """The settings of a run. Defaults fine-tune a small pretrained ViT on a laptop's processor."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # data
    dataset: str = Field(
        "cifar10", description="data set: cifar10, imagenet100-64, …; folder for class folders of your own"
    )
    data: Path = Field(Path("data"), description="where the data set lies")
    protocol: str = Field(
        default_factory=lambda settings: settings.get("dataset", ""),
        description="which images are queries, training set and database; by default the data set's own",
    )
    split_seed: int = Field(0, ge=0, description="seed of the protocol's split")
    validation: float = Field(0.1, ge=0, lt=1, description="share of the training images held out to choose by")

    # network
    backbone: str = Field(
        "",
        description="what is trained further: a pretrained ViT (file, folder or hub id) or a model folder; empty: the "
        "model that comes with transhash; random: new weights",
    )
    heads: int = Field(0, ge=0, description="attention heads of the backbone; 0: as its checkpoint says")
    image_size: int = Field(
        0,
        ge=0,
        description="side of the network's input in pixels; 0: a model's own; of a checkpoint about 70, whole patches",
    )
    centre_crop: float = Field(
        1.0, gt=0, le=1, description="outside training: side of the central square, as a share of the shorter side"
    )
    bits: int = Field(64, gt=0, description="code length B")
    lengths: tuple[int, ...] = Field(
        (), description="all code lengths out of one pass, ascending, bits among them; empty: bits alone"
    )
    groups: int = Field(
        2,
        ge=0,
        description="K, groups of patches in the local stream; 0: no local stream; auto: 1, or 0 below 32 bits",
    )
    drop_remainder: bool = Field(False, description="leave out the patches that K does not divide")

    # loss
    method: str = Field("transhash", description="whose loss: transhash, or another of transhash.losses.METHODS")
    loss: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="the method's own hyper-parameters, where they are not to be its defaults"
    )

    likeness: float = Field(
        0.0, ge=0, description="weight of keeping how alike the backbone's own features find images; 0: labels alone"
    )

    # optimisation
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="SGD has momentum 0.9")
    learning_rate: float = Field(3e-4, gt=0, description="peak, of the streams (the last block)")
    head_rate: float = Field(3.0, gt=0, description="learning rate of the hash layers, as a multiple")
    layer_decay: float = Field(0.75, gt=0, le=1, description="learning rate of each block, relative to the next")
    weight_decay: float = Field(0.05, ge=0, description="on matrices; decoupled for adamw")
    clip: float = Field(1.0, ge=0, description="greatest norm of the gradient; 0: any")
    warmup_steps: int = Field(100, ge=0, description="steps in which the learning rate rises from 0")
    epochs: int = Field(20, gt=0, description="passes over the training images; cosine decay to 0")
    batch_size: int = Field(128, gt=1, description="images a step, over all processes")
    freeze: int = Field(0, ge=0, description="the embedding and this many lower blocks keep their weights")
    drop_path: float = Field(0.0, ge=0, lt=1, description="stochastic depth at the last block")
    average: float = Field(
        0.0, ge=0, lt=1, description="decay of the weight average that is kept as the model; 0: none"
    )

    # augmentation
    crop_scale: float = Field(0.5, gt=0, le=1, description="least share of the area that a random crop keeps")
    crop_scale_max: float = Field(1.0, gt=0, le=1, description="greatest share of the area that a random crop keeps")
    crop_ratio: float = Field(1.33, ge=1, description="greatest aspect ratio of a random crop")
    flip: bool = Field(True, description="mirror half of the images")
    jitter: float = Field(0.0, ge=0, lt=1, description="change of brightness, contrast and saturation")
    grey: float = Field(0.0, ge=0, le=1, description="share of the images that lose their colour")
    erase: float = Field(0.0, ge=0, le=1, description="share of the images with a blanked rectangle")
    coarse: float = Field(0.0, ge=0, le=1, description="share of the images that lose detail, as thumbnails have")

    # machine
    device: str = Field("auto", description="auto (a GPU where there is one), cpu, cuda, cuda:1 or mps")
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="compile the network with torch.compile; auto: on a CUDA device"
    )
    seed: int = Field(0, ge=0, lt=1 << 63, description="of weights, order and augmentation")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="of matrix products in training; auto: bfloat16 where that is fast, on a GPU without it float16",
    )
    cached_views: int = Field(
        0,
        ge=0,
        description="token cache: views of each image kept as tokens of the frozen blocks; 0: no cache",
    )

    @field_validator("groups", mode="before")
    @classmethod
    def _streams(cls, value: object, known: ValidationInfo) -> object:
        return int(known.data.get("bits", ENOUGH_FOR_TWO) >= ENOUGH_FOR_TWO) if value == "auto" else value

    @field_validator("compile", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value  # YAML reads off as false

    @model_validator(mode="after")
    def _agree(self) -> Recipe:
        check_lengths(self.lengths, self.bits)
        check_settings(self.method, self.loss)
        for bits in self.lengths or (self.bits,):
            METHODS[self.method](Task(branch_bits(bits, self.groups), classes=2, images=1), **self.loss)
        if self.cached_views and not self.freeze:
            raise RecipeError(
                "", "cached_views needs frozen blocks, which give the same tokens every time", "set freeze above 0"
            )
        return self

    @property
    def augmentation(self) -> Augmentation:
        """The augmentation settings by themselves."""
        scale = (self.crop_scale, max(self.crop_scale, self.crop_scale_max))
        return Augmentation(scale, self.crop_ratio, self.flip, self.jitter, self.grey, self.erase, self.coarse)

    @classmethod
    def build(cls, settings: JsonObject, where: str = "recipe") -> Recipe:
        """A recipe from plain values; raises `RecipeError` naming each setting that is unknown or out of range."""
        try:
            return cls(**settings)
        except RecipeError as error:
            at = f"{where}, {error.where}" if error.where else where
            raise RecipeError(at, error.reason, error.remedy) from error
        except ValidationError as error:
            problems = {  # of a hyper-parameter, which may be of several kinds, one
                ".".join(map(str, e["loc"][:2])) or "settings": _said(e["type"], e["msg"])
                if len(e["loc"]) < 3
                else "must be a finite number, a text, true or false"
                for e in error.errors()
                if e["type"] != "default_factory_not_called"  # which only follows from another
            }
            said = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
            raise RecipeError(where, said, "`transhash train --dump-recipe` prints every setting") from error

    @classmethod
    def read(cls, path: str | Path | None, /, **changes: object) -> Recipe:
        """The recipe of a YAML file with `changes` on top, such as `bits=32` or `**{"loss.gamma": 30}`.

        Raises `RecipeError` for a file that is not one.
        """
        settings: Any = None
        if path is not None:
            try:
                settings = from_yaml(Path(path).read_text("utf-8"), str(path))
            except OSError as error:
                raise RecipeError(
                    path, f"cannot be read ({error.strerror})", "give the path of a YAML recipe"
                ) from error
            except UnicodeDecodeError as error:
                raise RecipeError(path, f"not YAML ({error})", "correct the file") from error
        settings = {} if settings is None else settings  # an empty file changes nothing
        if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
            raise RecipeError(path or "recipe", "not a recipe", "write one `setting: value` a line")
        inner = {name.removeprefix("loss."): changes.pop(name) for name in list(changes) if name.startswith("loss.")}
        settings = {**settings, **changes}
        loss = settings.get("loss") or {}
        if inner and isinstance(loss, dict):
            settings["loss"] = {**loss, **inner}
        return cls.build(settings, str(path or "recipe"))

    def dump(self) -> str:
        """The recipe as YAML, each setting with what it means."""
        lines = []
        for name, value in self.model_dump(mode="json").items():
            setting = (
                f"{name}: {yaml.dump(value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=999)}"
            )
            setting = setting.removesuffix("...\n").strip()
            lines.append(f"{setting:<28}  # {type(self).model_fields[name].description}")
        return "\n".join(lines) + "\n"


def _said(kind: str, message: str) -> str:
    """What is wrong with a setting, in words for people who do not know pydantic."""
    return "no setting has this name" if kind == "extra_forbidden" else f"{message[:1].lower()}{message[1:]}"


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-4 is a number, as in YAML 1.2, and a name that stands twice in a mapping is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; raises `YAMLError` when two of its keys are equal."""
        names: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in names:
                raise MarkedYAMLError(problem=f"{key.value} stands twice", problem_mark=key.start_mark)
            names.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads: a text such as 1e-4 in quotes."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )


def from_yaml(text: str, where: str) -> Any:
    """What a text says; raises `RecipeError`."""
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that there is not
        reason = str(error).splitlines()[0]
        if isinstance(error, MarkedYAMLError) and error.problem_mark:
            reason = f"line {error.problem_mark.line + 1}: {error.problem}"
        raise RecipeError(where, f"not YAML ({reason})", "correct it") from error
