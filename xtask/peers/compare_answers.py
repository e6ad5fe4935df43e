"""Compares answers with the expected ones: same rows in the same order, numbers equal to the published precision. Exits 1 when not.

usage: compare_answers.py OUR_DIR EXPECTED_DIR
"""

import csv
import pathlib
import sys
from decimal import Decimal, InvalidOperation

ours_dir, published_dir = map(pathlib.Path, sys.argv[1:])
wrong = []


def rows(path, delimiter):
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))[1:]


def same(ours, published):
    if ours == published:
        return True
    try:
        left, right = Decimal(ours), Decimal(published)
    except InvalidOperation:
        # A time of midnight after a date, and padding blanks, say nothing.
        return ours.removesuffix("T00:00:00").strip() == published.strip()
    # Sums are exact. An average of decimals has as many digits as the engine gives it: it may differ in its last one, from the fourth on.
    last = left.as_tuple().exponent
    rounding = Decimal(1).scaleb(last) if last <= -4 else Decimal(0)
    return abs(left - right) <= max(rounding, abs(right) * Decimal("1e-12"))


published_files = sorted(published_dir.glob("q*.csv")) if published_dir.is_dir() else []
for file in published_files:
    want, have = rows(file, "|"), rows(ours_dir / file.name, ",")
    if len(want) != len(have):
        wrong.append(f"{file.stem}: {len(have)} rows, {len(want)} were expected")
        continue
    for index, (w, h) in enumerate(zip(want, have)):
        if len(w) != len(h) or not all(same(a, b) for a, b in zip(h, w)):
            wrong.append(f"{file.stem}: row {index + 1} is {h}, {w} was expected")
            break
print("\n".join(wrong) if wrong else f"{len(published_files)} answers equal the expected ones")
sys.exit(1 if wrong else 0)
