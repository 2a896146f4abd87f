"""The results of the engines' demo: a table on the terminal, in HTML, and as a picture."""

from collections import Counter
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from demos.checking.cases import CASES, FAMILIES
from demos.checking.verdicts import LEAK, MISSING, OK, RAISES, WRONG, Verdict
from demos.kit.runner.index_page import STYLE
from demos.kit.style import FAKE, OTHERS, slide

COLOURS = {MISSING: "#EEEEEE", OK: "#BBD9EC", RAISES: OTHERS[4], LEAK: OTHERS[1], WRONG: FAKE}
SIGNS = {MISSING: "", OK: "ok", RAISES: "raises", LEAK: "leak", WRONG: "wrong"}
LETTERS = {RAISES: "r", LEAK: "L", WRONG: "✗"}
MOST = 52  # the most ops whose names fit into the picture


def print_all(versions: dict[str, str], absent: dict[str, str], verdicts: list[Verdict]) -> None:
    """The counts of each engine; then every counterexample."""
    print(f"\n{'engine':<10}{'version':<12}" + "".join(f"{status:>16}" for status in COLOURS))
    for engine, version in versions.items():
        counts = Counter(v.status for v in verdicts if v.engine == engine)
        print(f"{engine:<10}{version:<12}" + "".join(f"{counts[status]:>16}" for status in COLOURS))
    for engine, why in absent.items():
        print(f"{engine:<10}left out: {why} (pip install {engine})")
    for v in verdicts:
        if v.status in (WRONG, LEAK, RAISES):
            print(f"\n{v.engine} {versions[v.engine]}, {v.case}: {v.status}: {v.words}", *v.line.splitlines(), sep="\n    ")


def write_html(path: Path, versions: dict[str, str], absent: dict[str, str], verdicts: list[Verdict]) -> None:
    """The whole table, ops by engines, with details in each cell's title; below it the examples."""
    found = {(v.case, v.engine): v for v in verdicts}
    head = "".join(f"<th>{engine} {escape(version)}</th>" for engine, version in versions.items())
    rows = []
    for case in CASES:
        cells = [found.get((case.name, engine)) for engine in versions]
        if any(cells):
            rows.append(f"<tr><td><code>{escape(case.name)}</code></td>{''.join(map(_cell, cells))}</tr>")
    lines = [
        f"<h3>{v.engine} {escape(versions[v.engine])}: {escape(v.case)}</h3><p>{escape(v.words)}</p><pre>{escape(v.line)}</pre>"
        for v in verdicts
        if v.status == WRONG
    ]
    out = [f"<p>{engine} is left out: {escape(why)}; <code>pip install {engine}</code></p>" for engine, why in absent.items()]
    path.write_text(
        f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Gradients of other engines</title><style>{STYLE}
pre {{ white-space: pre-wrap; background: #eee; padding: 0.4em }}</style><link rel="icon" href="data:,"></head>
<body><h1>Gradients, op by op and engine by engine</h1>
{"".join(out)}
<table><tr><th>op</th>{head}</tr>{"".join(rows)}</table>
<h2>The smallest example of each wrong gradient</h2>
{"".join(lines)}
</body></html>
""",
        encoding="utf-8",
    )


def _cell(v: Verdict | None) -> str:
    if v is None:
        return "<td></td>"
    colour = f' style="background: {COLOURS[v.status]}"' if v.status != MISSING else ""
    order = " to order 1" if v.status == OK and v.order == 1 else ""
    return f'<td{colour} title="{escape(v.words)}">{SIGNS[v.status]}{order}</td>'


def picture(versions: dict[str, str], verdicts: list[Verdict]) -> plt.Figure:
    """Above, all ops by family; below, by name, those with a wrong gradient in some engine."""
    statuses, engines = list(COLOURS), list(versions)
    found = {(v.case, v.engine): v.status for v in verdicts}
    asked = [case.name for case in CASES if any((case.name, e) in found for e in engines)]
    bad = [name for name in asked if any(found.get((name, e)) == WRONG for e in engines)][:MOST] or asked[:MOST]
    figure, panels = slide(2, 1, height_ratios=(1, 1))
    for axes, names in zip(panels, (asked, bad), strict=True):
        codes = np.array([[statuses.index(found.get((name, e), MISSING)) for name in names] for e in engines])
        colours = {"cmap": ListedColormap(COLOURS.values()), "vmin": -0.5, "vmax": len(statuses) - 0.5}
        axes.pcolormesh(codes, **colours, edgecolors="white", linewidth=0.3)
        axes.set_yticks(np.arange(len(engines)) + 0.5, [f"{e} {v.split('+')[0]}" for e, v in versions.items()])
        axes.invert_yaxis()
    edges = [sum(name in FAMILIES[family] for name in asked) for family in FAMILIES]
    starts = np.cumsum([0, *edges])
    panels[0].set_xticks((starts[:-1] + starts[1:]) / 2, list(FAMILIES))
    panels[0].tick_params(axis="x", length=0)
    for x in starts[1:-1]:
        panels[0].axvline(x, color="black", linewidth=1)
    panels[1].set_xticks(np.arange(len(bad)) + 0.5, bad, rotation=90, fontsize=11)
    for row, engine in enumerate(engines):
        for column, name in enumerate(bad):
            letter = LETTERS.get(found.get((name, engine)), "")
            panels[1].text(column + 0.5, row + 0.5, letter, ha="center", va="center", fontsize=12)
    handles = [Patch(color=colour, label=status) for status, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
