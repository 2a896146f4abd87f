"""`python -m demos readme`: README's figures anew, from what is recorded."""

from demos.kit.runner import results


def main() -> None:
    """Write README. If something is not recorded, the program ends with one line."""
    text = results.README.read_text(encoding="utf-8")
    try:
        results.README.write_text(results.readme(text), encoding="utf-8")
    except ValueError as error:
        raise SystemExit(f"{error}") from None
