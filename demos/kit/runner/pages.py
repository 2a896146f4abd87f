"""The pages of the recorded results: demos/CHAPTER/README.md, and the tables in demos/README.md and README.md."""

import html
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from demos import catalogue
from demos.kit.runner import results
from demos.kit.words import say

ROOT = catalogue.FOLDER.parent
KINDS = ("True: ", "True, but ", "Not here: ", "Not reached at this size: ")  # a verdict begins with one of them
WORDS = "[What the verdicts and words mean](../README.md#the-verdicts)"
THUMBNAIL = 160  # pixels
ROWS = 8  # of a demo's table; no record misses more bounds
SHOWN = {  # the demo of each chapter that README shows
    **{"gradients": "detach", "the_game": "gan", "training": "collapse", "generative_models": "vae"},
    **{"architectures": "cgan", "wasserstein": "earth_mover", "adversarial_examples": "fgsm"},
    **{"the_slides": "errata", "checking": "engines", "performance": "speed"},
}
TABLE = re.compile(r"(<!-- (chapters|demos): python -m demos readme -->\n).*?(<!-- end -->)", re.DOTALL)


def write() -> None:
    """Write all pages. Raises ValueError with one line if a record or a picture is missing, or contradicts a verdict."""
    pages = {catalogue.FOLDER / chapter / "README.md": chapter_page(chapter) for chapter in catalogue.CHAPTERS}
    for path in (ROOT / "README.md", catalogue.FOLDER / "README.md"):
        pages[path] = with_tables(path)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")


def chapter_page(chapter: str) -> str:
    """A chapter in Markdown: for each demo the slide's sentence, the verdict, the picture, the finding, and the numbers."""
    title, *text = catalogue.docstring(catalogue.FOLDER / chapter / "__init__.py").split("\n\n")
    parts = [f"# {title.rstrip('.')}", WORDS, *text, *map(entry, catalogue.demos_in(chapter))]
    return "\n\n".join([*parts, "[All chapters](../README.md). Written by `python -m demos readme`."]) + "\n"


def entry(name: str) -> str:
    """A demo's part of the page."""
    about, slide = catalogue.described(catalogue.file_of(name))
    record = results.recorded(name)
    if not (results.FOLDER / f"{name}.png").is_file():
        raise ValueError(f"{results.FOLDER}/{name}.png is missing: python -m demos {name} --record writes it")
    parts = [f"## [{name}]({name}.py)", about]
    parts += [f"> {slide}"] if slide else []
    image = f'<img src="../results/{name}.png" width="{results.WIDTH}" alt="{html.escape(about)}">'
    parts += [f"**{verdict(name, record)}**", image]
    parts += [_said(name, "finding", record), *numbers(record)]
    return "\n\n".join([*parts, f"`python -m demos {name}`: {record['cpu_seconds']:,.0f} seconds of CPU time"])


def verdict(name: str, record: dict[str, Any]) -> str:
    """The demo's verdict on the slide's claim. Raises ValueError if it has no known beginning, or contradicts the record."""
    text = _said(name, "verdict", record)
    kind = kind_of(text)
    missed = [metric for metric, holds in record["holds"].items() if not holds]
    if not kind:
        raise ValueError(f"{name}: VERDICT is {text!r}; it begins with one of: {', '.join(KINDS)}")
    if (kind == "True: " and missed) or (kind == "Not reached at this size: " and not missed):
        raise ValueError(f"{name}: VERDICT is {text!r}; bounds that the record misses: {', '.join(missed) or 'none'}")
    return text


def kind_of(verdict: str) -> str:
    """The beginning of a verdict, of KINDS; "" if it has another."""
    return next((kind for kind in KINDS if verdict.startswith(kind)), "")


def numbers(record: dict[str, Any]) -> list[str]:
    """The judged metrics as a table, at most ROWS of them, those that miss their bounds first; [] if there are none."""
    judged = sorted(record["holds"].items(), key=lambda item: item[1])
    rows = []
    for name, holds in judged[:ROWS]:
        value, expected = _number(record["metrics"][name]), record["expected"][name]
        rows.append(f"| {_cell(name)} | {value} | {_cell(expected)} | {'✓' if holds else '✗'} |")
    if not rows:
        return []
    more = [f"and {len(judged) - ROWS} more, which hold"] if len(judged) > ROWS else []
    return ["\n".join(["| | measured | expected | |", "|---|---|---|---|", *rows]), *more]


def with_tables(path: Path) -> str:
    """The text of a file; what it has between the marks of a table is replaced."""
    make = {"chapters": chapter_rows, "demos": demo_rows}
    return TABLE.sub(lambda table: f"{table[1]}{make[table[2]]()}\n{table[3]}", path.read_text(encoding="utf-8"))


def chapter_rows() -> str:
    """README's table: for each chapter the picture and the verdict of one demo, and how many have which verdict."""
    wide = "&nbsp;" * (THUMBNAIL // 4)  # a browser would make the column of the pictures narrow
    rows = [f"| {wide} | chapter | a claim, and the verdict |", "|---|---|---|"]
    for chapter, name in SHOWN.items():
        title = catalogue.described(catalogue.FOLDER / chapter / "__init__.py")[0].rstrip(".")
        about, slide = catalogue.described(catalogue.file_of(name))
        image = f'<img src="demos/results/{name}.png" width="{THUMBNAIL}" alt="{html.escape(about)}">'
        kinds = [kind_of(verdict(demo, results.recorded(demo))) for demo in catalogue.demos_in(chapter)]
        counts = " · ".join(f"{kinds.count(kind)} {kind.strip(' :,').lower()}" for kind in KINDS if kind in kinds)
        claim = f"{slide or about}<br>**{verdict(name, results.recorded(name))}**"
        rows.append(f"| {image} | [{title}](demos/{chapter}/README.md): {counts} | {_cell(claim)} |")
    return "\n".join(rows)


def demo_rows() -> str:
    """The table of demos/README.md: each demo with its verdict."""
    rows = ["| demo | verdict | s |", "|---|---|---|"]
    for chapter in catalogue.CHAPTERS:
        for name in catalogue.demos_in(chapter):
            record, link = results.recorded(name), f"[`{name}`]({chapter}/README.md#{name})"
            rows.append(f"| {link} | {_cell(verdict(name, record))} | {record['cpu_seconds']:,.0f} |")
    return "\n".join(rows)


def declared(name: str) -> Any:
    """The demo's declaration, with `verdict` and `finding`."""
    return import_module(catalogue.module_name(name)).main


def _said(name: str, words: str, record: dict[str, Any]) -> str:
    try:
        return say(getattr(declared(name), words), record["metrics"])
    except ValueError as error:
        raise ValueError(f"{name}: {words.upper()}: {error}") from None


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"
