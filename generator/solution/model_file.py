"""A model file that a config lists, and the objects that it is copied to."""

from dataclasses import dataclass

from generator.facts.model_source import ModelSource

# What is behind the name of a file in that of its record.
RECORD = ".source.json"


@dataclass(frozen=True)
class ModelObject:
    """An object in a bucket."""

    bucket: str
    key: str

    @property
    def record(self) -> str:
        """The key of the record next to it: where the file comes from, its checksum, its license."""
        return f"{self.key}{RECORD}"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class ModelFile:
    """An entry of `models`.

    `path`: of the file in the models folder of a runtime. `sha256`: lowercase hexadecimal digits, where the
    config has it. `license`: as the config names it. `size`: bytes, about, where the config has it.
    `objects`: where it is copied to, one for each folder that is mounted as models. `runtimes`: the names of
    those that read it.
    """

    source: ModelSource
    type: str
    path: str
    sha256: str | None
    license: str | None
    size: int | None
    objects: tuple[ModelObject, ...]
    runtimes: tuple[str, ...]
