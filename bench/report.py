"""What a figure prints: a table of what was measured, its reference, their ratio and the goal."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEAD = ("figure", "measured", "reference", "ratio", "goal", "verdict")


@dataclass(frozen=True, slots=True)
class Line:
    """One row. `ratio` is given where it is the median of pairs; else it is worked out."""

    figure: str
    measured: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    at_most: float | None = None  # the ratio's goal
    at_least: float | None = None  # the measured value's goal

    def cells(self) -> tuple[str, ...]:
        ratio = self.ratio
        if ratio is None and self.reference:
            ratio = self.measured / self.reference
        goal, met = "", None
        if self.at_most is not None and ratio is not None:
            goal, met = f"≤ {self.at_most:g} ×", ratio <= self.at_most
        elif self.at_least is not None:
            goal, met = f"≥ {self.at_least:g}{self.unit}", self.measured >= self.at_least
        return (
            self.figure,
            _number(self.measured, self.unit),
            "" if self.reference is None else _number(self.reference, self.unit),
            "" if ratio is None else f"{ratio:.2f} ×",
            goal,
            "" if met is None else ("ok" if met else "over" if self.at_most else "under"),
        )


def table(title: str, lines: Iterable[Line], notes: Sequence[str] = ()) -> str:
    rows = [HEAD, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    text = [title, ""]
    for number, row in enumerate(rows):
        first, *rest = (
            # numbers to the right, words to the left
            cell.ljust(width) if column in (0, 5) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        text.append("  ".join((first, *rest)).rstrip())
        if number == 0:
            text.append("  ".join("-" * width for width in widths))
    return "\n".join([*text, "", *notes])


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median_ratio(pairs: Iterable[tuple[float, float]]) -> float:
    return statistics.median(measured / reference for measured, reference in pairs)


def _number(value: float, unit: str) -> str:
    digits = 0 if value >= 1000 else 1 if value >= 100 else 2
    return f"{value:,.{digits}f}{unit}"
