"""A Dockerfile's stages and their instructions, as far as ours goes."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from environments import ROOT

FILE = ROOT / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Instruction:
    """COPY, and everything after it as it is written."""

    keyword: str
    text: str

    @property
    def words(self) -> list[str]:
        """Of the JSON form, else as a shell splits them."""
        if self.text.startswith("["):
            found: list[str] = json.loads(self.text)
            return found
        return shlex.split(self.text)


@dataclass(slots=True)
class Stage:
    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def of(self, keyword: str) -> list[Instruction]:
        return [each for each in self.instructions if each.keyword == keyword]

    def last(self, keyword: str) -> Instruction:
        return self.of(keyword)[-1]

    def variables(self) -> dict[str, str]:
        """What ENV sets, unexpanded."""
        pairs = [word.split("=", 1) for each in self.of("ENV") for word in each.words]
        return dict(pairs)

    def health_command(self) -> list[str]:
        [check] = self.of("HEALTHCHECK")
        return Instruction("CMD", check.text.partition("CMD ")[2]).words


def read(file: Path = FILE) -> list[Stage]:
    """The last one is the image."""
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        keyword, _, text = line.partition(" ")
        if keyword == "FROM":
            base, _, name = text.partition(" AS ")
            stages.append(Stage(name, base))
        elif stages:
            stages[-1].instructions.append(Instruction(keyword, text.strip()))
    return stages
