"""`python -m demos readme`: update README's numbers from the records in demos/results."""

from demos.kit.runner import results


def main() -> None:
    """Write README. Ends the program with one line if a record is missing."""
    text = results.README.read_text(encoding="utf-8")
    try:
        results.README.write_text(results.readme(text), encoding="utf-8")
    except ValueError as error:
        raise SystemExit(f"{error}") from None
