"""Made-up areas whose people are registered with practices: files of ``area-exposure.yaml``, with a known effect.

    python area_exposure.py FOLDER

300 areas, 60 practices, deaths from 2013 to 2016. From 2015 on, when a program begins, each point of a practice's
achievement lowers the death rate of its patients by one per cent. Of six practices achievement is not published.
"""

import csv
import math
import random
import sys
from pathlib import Path

AREAS, PRACTICES, UNPUBLISHED = 300, 60, 6
EFFECT = -0.01
"""On the log of the rate, per point of achievement, once the program is there."""


def main(folder: Path) -> None:
    """Write where people are registered, what practices achieve, and deaths of areas."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(1)  # noqa: S311 (no secret)
    achievement = {f"P{number:02}": draw.gauss(80, 8) for number in range(PRACTICES)}
    registered = {f"A{number:03}": registrations(number, draw) for number in range(AREAS)}
    published = [(one, f"{value:.2f}") for one, value in achievement.items() if one >= f"P{UNPUBLISHED:02}"]
    write(folder / "achievement.csv", ("practice", "points"), published)
    rows = [(area, one, persons) for area, found in registered.items() for one, persons in found.items()]
    write(folder / "registered.csv", ("area", "practice", "persons"), rows)
    write(
        folder / "deaths.csv", ("area", "country", "year", "deaths", "persons"), deaths(registered, achievement, draw)
    )


def registrations(number: int, draw: random.Random) -> dict[str, int]:
    """Give the people of an area to the practice next to it and to some farther off."""
    near = number * PRACTICES // AREAS
    persons: dict[str, int] = {}
    for _ in range(1600):
        practice = f"P{(near + round(draw.gauss(0, 1))) % PRACTICES:02}"
        persons[practice] = persons.get(practice, 0) + 1
    return persons


def deaths(
    registered: dict[str, dict[str, int]], achievement: dict[str, float], draw: random.Random
) -> list[tuple[str, str, int, int, int]]:
    """Draw the deaths of each area, two years before and two after."""
    rows = []
    for area, found in registered.items():
        persons = sum(found.values())
        exposure = sum(achievement[one] * count for one, count in found.items()) / persons
        level = draw.gauss(math.log(0.01), 0.1)
        for year in (2013, 2014, 2015, 2016):
            gain = EFFECT * (exposure - 80) if year >= 2015 else 0.0
            chance = math.exp(level + gain)
            rows.append((area, "all", year, sum(draw.random() < chance for _ in range(persons)), persons))
    return rows


def write(path: Path, header: tuple[str, ...], rows: list) -> None:
    """Write a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
