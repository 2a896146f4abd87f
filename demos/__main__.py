"""`python -m demos`: what there is to run."""

import ast
import pkgutil
from pathlib import Path

import demos


def main() -> None:
    """Print each demo's name and the first line of its docstring (read, not imported: listing needs no packages)."""
    print("python -m demos.NAME runs a demo (--quick: in seconds; --help: its options):\n")
    for module in pkgutil.iter_modules(demos.__path__):
        if not module.ispkg and not module.name.startswith("_"):
            source = Path(demos.__path__[0], f"{module.name}.py").read_text(encoding="utf-8")
            print(f"  {module.name:<12} {ast.get_docstring(ast.parse(source)).splitlines()[0]}")


if __name__ == "__main__":
    main()
