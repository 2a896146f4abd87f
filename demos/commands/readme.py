"""`python -m demos readme`: write the chapters' pages and README's tables from the records in demos/results."""

from demos.kit.runner import pages


def main() -> None:
    """Write them. Ends the program with one line if a record is missing, or a verdict contradicts it."""
    try:
        pages.write()
    except ValueError as error:
        raise SystemExit(f"{error}") from None
