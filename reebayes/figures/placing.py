"""Places of labels in a drawing: near what they name, and over no arrow and no other label."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reebayes.figures.columns import Point

type Obstacle = tuple[float, float, float]
"""A point that no label covers, and how far around it."""

ROOM = 4.0  # pixels around a label
_STEP = 8.0  # pixels between places that are tried
_COVERED, _OVERLAP = (
    1e3,
    1e6,
)  # what a covered point and a covered label cost, in pixels of distance
_WANTED = 0.35  # cost of a pixel from where a label is wanted, beside one from what it names


@dataclass(frozen=True, slots=True)
class Label:
    """A label that is to be placed.

    Parameters
    ----------
    wide, high : float
    named : (float, float)
        The point that it names.
    wanted : (float, float)
        Where its middle would be best.
    """

    wide: float
    high: float
    named: Point
    wanted: Point


def placed(
    labels: Sequence[Label], obstacles: Iterable[Obstacle], width: float, height: float, edge: float
) -> list[Point]:
    """Return the left upper corner of every label, the first ones placed first.

    A label lies where it covers least, and among such places near what it names; later ones
    keep off the lines that lead from earlier ones to what they name.

    Parameters
    ----------
    labels : sequence of Label
    obstacles : iterable of (x, y, radius)
    width, height : float
        Of the panel.
    edge : float
        Pixels to the left and right that are left free.
    """
    points = np.array([*obstacles], dtype=float).reshape(-1, 3)
    boxes: list[tuple[float, float, float, float]] = []
    found: list[Point] = []
    for label in labels:
        places = _places(label, width, height, edge)
        cost = _COVERED * _covered(places, label, points) + _OVERLAP * _overlaps(
            places, label, boxes
        )
        cost += _distance(places, label, label.named)
        middles = places + np.array([label.wide, label.high]) / 2
        cost += _WANTED * np.hypot(*(middles - np.array(label.wanted)).T)
        x, y = (float(value) for value in places[int(cost.argmin())])
        found.append((x, y))
        boxes.append((x, y, x + label.wide, y + label.high))
        lead = [(*point, 1.0) for point in led(boxes[-1], label.named)]
        points = np.vstack([points, np.array(lead).reshape(-1, 3)])
    return found


def led(box: tuple[float, float, float, float], named: Point) -> list[Point]:
    """Return points of the line from a label to what it names, from the nearest of its edge on."""
    left, top, right, bottom = box
    start = (min(max(named[0], left), right), min(max(named[1], top), bottom))
    count = max(int(math.dist(start, named) / _STEP), 1)
    return [
        (start[0] + n / count * (named[0] - start[0]), start[1] + n / count * (named[1] - start[1]))
        for n in range(count + 1)
    ]


def _places(label: Label, width: float, height: float, edge: float) -> NDArray[np.float64]:
    """Left upper corners on a grid within the panel, the wanted one among them."""
    most = max(width - edge - label.wide, edge), max(height - label.high, 0.0)
    wanted = (
        min(max(label.wanted[0] - label.wide / 2, edge), most[0]),
        min(max(label.wanted[1] - label.high / 2, 0.0), most[1]),
    )
    across, down = np.arange(edge, most[0] + 1e-9, _STEP), np.arange(0.0, most[1] + 1e-9, _STEP)
    grid = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    return np.vstack([[wanted], grid])


def _covered(
    places: NDArray[np.float64], label: Label, points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many points lie under a label at each place, or too near to it."""
    counts = np.zeros(len(places))
    for x, y, radius in points:
        around = radius + ROOM
        counts += (
            (places[:, 0] - around < x) & (x < places[:, 0] + label.wide + around)
            & (places[:, 1] - around < y) & (y < places[:, 1] + label.high + around)
        )  # fmt: skip
    return counts


def _overlaps(
    places: NDArray[np.float64], label: Label, boxes: Iterable[tuple[float, float, float, float]]
) -> NDArray[np.float64]:
    """How many labels that are placed lie under a label at each place, or too near to it."""
    counts = np.zeros(len(places))
    for left, top, right, bottom in boxes:
        counts += (
            (places[:, 0] - ROOM < right) & (left < places[:, 0] + label.wide + ROOM)
            & (places[:, 1] - ROOM < bottom) & (top < places[:, 1] + label.high + ROOM)
        )  # fmt: skip
    return counts


def _distance(places: NDArray[np.float64], label: Label, point: Point) -> NDArray[np.float64]:
    """How far a point lies from a label at each place; 0 inside."""
    x = np.maximum(places[:, 0] - point[0], point[0] - places[:, 0] - label.wide)
    y = np.maximum(places[:, 1] - point[1], point[1] - places[:, 1] - label.high)
    outside: NDArray[np.float64] = np.hypot(np.maximum(x, 0.0), np.maximum(y, 0.0))
    return outside
