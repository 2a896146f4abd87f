"""Results on one page, of all demos or of one experiment: the expected and the measured values, the pictures. One file."""

import base64
import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from demos.kit.runner.results import NOT_JUDGED, summary_of

STYLE = """
body { font: 17px/1.5 sans-serif; max-width: 1280px; margin: 2em auto; padding: 0 1em; color: #111; background: #fff }
h2 { margin-top: 2.5em; border-bottom: 2px solid #0072B2 }
h3 { margin-top: 2em }
blockquote { margin: 0.6em 0; padding-left: 1em; border-left: 4px solid #56B4E9; font-style: italic }
img { width: 100%; border: 1px solid #ccc; margin: 0.6em 0 }
table { border-collapse: collapse; margin: 0.6em 0 }
td, th { padding: 0.15em 0.8em; text-align: left; border-bottom: 1px solid #ddd }
td.number { text-align: right; font-variant-numeric: tabular-nums }
code { background: #eee; padding: 0 0.2em }
@media print { body { font-size: 11pt; margin: 0 } img, tr { break-inside: avoid } h2, h3 { break-after: avoid } }
"""
SIGNS = {name: f"&{name};" for name in ("alpha", "beta", "theta", "eta", "epsilon", "lambda", "gamma", "sigma")}
SIGNS |= {"vert": "|", "mp": "&mp;", "log": "log&nbsp;", ",": "&thinsp;"}


def write(out: Path, chapters: Mapping[str, Sequence[tuple[str, str, str, str]]], seed: int, quick: bool) -> Path:
    """Write out/index.html. `chapters`: by title, the (name, first line, slide, command) of each demo."""
    heading = "minigan: QUICK RUN, too short to conclude from" if quick else "minigan: results of the demos"
    body, links = [], []
    for number, (title, demos) in enumerate(chapters.items(), 1):
        links.append(f'<li><a href="#chapter{number}">{html.escape(title)}</a></li>')
        body.append(f'<h2 id="chapter{number}">{html.escape(title)}</h2>')
        body += [entry(out / name, name, *texts) for name, *texts in demos]
    about = [f"seeds from {seed} on", *versions(out / name for demos in chapters.values() for name, *_ in demos)]
    return page(out, heading, about, f"<ol>{''.join(links)}</ol>\n{''.join(body)}")


def write_own(out: Path, name: str, shows: str, command: str) -> None:
    """Write the page of one experiment, whose results are in `out`: out/index.html."""
    settings = [f"{setting} = {value}" for setting, value in summary_of(out)["settings"].items()]
    page(out, html.escape(name), [*settings, *versions([out])], f"<p>{html.escape(shows)}</p>\n{run(out, command)}")


def page(out: Path, heading: str, about: Sequence[str], body: str) -> Path:
    """Write out/index.html with this heading, and return its path."""
    text = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{heading}</title><style>{STYLE}</style>
<link rel="icon" href="data:,"></head>
<body><h1>{heading}</h1>
<p>{html.escape("; ".join(about))}</p>
{body}
</body></html>
"""
    path = out / "index.html"
    path.write_text(text, encoding="utf-8")
    return path


def entry(folder: Path, name: str, shows: str, slide: str, command: str) -> str:
    """One demo's part of the page."""
    lines = [f'<h3 id="{name}">{name}</h3>', f"<p>{html.escape(shows)}</p>"]
    lines += [f"<blockquote>{html.escape(slide)}</blockquote>"] if slide else []
    if summary_of(folder):
        return "\n".join([*lines, run(folder, command)])
    return "\n".join([*lines, f"<p><strong>It did not finish:</strong> see {html.escape(name)}/output.txt.</p>"])


def run(folder: Path, command: str) -> str:
    """A finished run: its finding, the judged metrics, the pictures, the command and its seconds."""
    summary = summary_of(folder)
    lines = [f"<p><strong>Found:</strong> {formulas(finding)}</p>"] if (finding := summary.get("found")) else []
    lines += [table(summary)]
    lines += [picture(folder / f"{stem}.png", title) for stem, title in summary.get("pictures", {}).items()]
    return "\n".join([*lines, f"<p><code>{html.escape(command)}</code>: {summary['seconds']:,.0f} seconds</p>"])


def versions(folders: Iterable[Path]) -> list[str]:
    """The versions that the runs used: "numpy 2.1.0", ...; several of a package, if they differ."""
    return list(dict.fromkeys(f"{of} {v}" for folder in folders for of, v in summary_of(folder).get("versions", {}).items()))


def table(summary: dict) -> str:
    """The judged metrics, with expected and measured values; a short run does not judge all of them."""
    rows = []
    for name, value in summary["metrics"].items():
        expected, *unjudged = summary["expected"].get(name, "").split(NOT_JUDGED)
        if (holds := summary["holds"].get(name)) is not None or unjudged:
            verdict = "not judged" if unjudged else "✓ holds" if holds else "✗ does not hold"
            cells = f'<td>{html.escape(expected)}</td><td class="number">{number(value)}</td><td>{verdict}</td>'
            rows.append(f"<tr><td>{html.escape(name)}</td>{cells}</tr>")
    return f"<table><tr><th>metric</th><th>expected</th><th>measured</th><th></th></tr>{''.join(rows)}</table>"


def number(value: float | None) -> str:
    """A metric as text; `None` was nan or infinite."""
    return "not finite" if value is None else f"{value:,.4g}"


def picture(path: Path, title: str) -> str:
    """A picture inside the page, with at most 256 colours, which makes it three times smaller."""
    if not path.is_file():
        return ""
    small = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    data = base64.b64encode(small.getvalue()).decode()
    return f'<img alt="{html.escape(title, quote=True)}" src="data:image/png;base64,{data}">'


def formulas(text: str) -> str:
    """Markdown with `code` and simple $formulas$ as HTML."""
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))
    return re.sub(r"\$([^$]*)\$", lambda formula: f"<i>{_formula(formula[1])}</i>", text)


def _formula(text: str) -> str:
    text = re.sub(r"\\([a-zA-Z]+|,) ?", lambda name: SIGNS.get(name[1], name[1]), text)
    text = re.sub(r"_(?:\{([^}]*)\}|(\w))", lambda sub: f"<sub>{sub[1] or sub[2]}</sub>", text)
    text = re.sub(r"\^(?:\{([^}]*)\}|(.))", lambda sup: f"<sup>{sup[1] or sup[2]}</sup>", text)
    return text.replace("{", "").replace("}", "")
