"""What a package refuses, it refuses with the error and the words of its table."""

import importlib
import pkgutil

import pytest

from tests.contracts import refusals

PACKAGES = [module.name for module in pkgutil.iter_modules(refusals.__path__)]
TABLES = {name: importlib.import_module(f"tests.contracts.refusals.{name}").REFUSED for name in PACKAGES}
ROWS = {f"{name}-{i}-{row[2][:40]}": row for name, rows in TABLES.items() for i, row in enumerate(rows)}


@pytest.mark.parametrize(("call", "error", "match"), ROWS.values(), ids=ROWS)
def test_it_is_refused_and_the_error_says_why(call, error, match):
    with pytest.raises(error, match=match):
        call()
