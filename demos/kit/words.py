"""Metrics in words: a template that names them in braces.

FINDING = "At least {modes, worst seed|>} of 8 modes, and {share within 3 std|%1} of the samples within 3 std"

{name}                         the metric, with at most three digits
{name|.2f}                     the metric in this format of Python
{name|>}, {name|<}             rounded down, for "at least"; up, for "at most": to two digits; >3: to three
{name|%}, {name|%1}            a share, as "97 %", "97.4 %"; >% and <% round it down and up
{name|lower}, {name|higher}    of a difference (Claim.compare), if lower or higher is better: "helps", "hurts", ...
{name ÷ other}                 their quotient
{{ and }}                      a brace, as in $n^{{-1}}$
"""

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from demos.kit.comparing import verdict
from demos.kit.rounding import at_least, at_most, percent

FIELD = re.compile(r"\{\{|\}\}|\{([^{}]+?)(?:\|([^{}| ]+))?\}")
BOUND = re.compile(r"([<>])(%?)(\d?)")
SHARE = re.compile(r"%(\d?)")


def say(template: str, metrics: Mapping[str, Any]) -> str:
    """The template with its metrics filled in. Raises ValueError for an unknown metric or format."""
    return FIELD.sub(lambda field: _filled(field[1], field[2] or "", metrics) if field[1] else field[0][0], template)


def names_in(*templates: str) -> list[str]:
    """The metrics that the templates name. Raises ValueError for an unknown format."""
    if stray := [template for template in templates if re.search("[{}]", FIELD.sub("", template))]:
        raise ValueError(f"{stray[0]!r} has a single brace; {{{{ and }}}} are braces")
    fields = [field for template in templates for field in FIELD.findall(template) if field[0]]
    for name, form in fields:
        _number(1.0, form, name, {})
    return [name for names, _ in fields for name in names.split(" ÷ ")]


def unknown(name: str, metrics: Mapping[str, Any]) -> str:
    """The error for a name that no metric has."""
    near = get_close_matches(name, [*metrics], 1)
    return f"there is no metric {name!r}; {f'did you mean {near[0]!r}?' if near else 'there are: ' + ', '.join(metrics)}"


def _filled(names: str, form: str, metrics: Mapping[str, Any]) -> str:
    for name in names.split(" ÷ "):
        if name not in metrics:
            raise ValueError(unknown(name, metrics))
    value, *divisors = (math.nan if metrics[name] is None else metrics[name] for name in names.split(" ÷ "))  # null: nan
    for divisor in divisors:
        value = value / divisor if divisor else math.nan
    if form in ("lower", "higher") and f"{names} low" not in metrics:
        raise ValueError(f"{{{names}|{form}}}: {names!r} is not a difference with an interval (Claim.compare)")
    return _number(value, form, names, metrics)


def _number(value: float, form: str, name: str, metrics: Mapping[str, Any]) -> str:
    if bound := BOUND.fullmatch(form):
        rounded = at_least if bound[1] == ">" else at_most
        return rounded(100 * value if bound[2] else value, int(bound[3] or 2)) + " %" * bool(bound[2])
    if share := SHARE.fullmatch(form):
        return percent(value, int(share[1] or 0))
    if form in ("lower", "higher"):
        return verdict(value, metrics.get(f"{name} low"), metrics.get(f"{name} high"), form)
    try:
        return format(value, form or ".3g")
    except ValueError:
        raise ValueError(f"{{{name}|{form}}}: unknown format {form!r}; demos/kit/words.py has a table") from None
