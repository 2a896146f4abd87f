"""Print a pip constraint for every lower bound in pyproject.toml: numpy>=2.0 becomes numpy==2.0."""

import re
import tomllib
from pathlib import Path

settings = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))
project = settings["project"]
extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
for requirement in [*settings["build-system"]["requires"], *project["dependencies"], *extras]:
    if not requirement.startswith("minigan["):  # another extra
        print(re.sub(r"\[.*\]", "", requirement).replace(">=", "=="))  # pip's constraints have no extras
