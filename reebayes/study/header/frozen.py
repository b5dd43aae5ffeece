"""Tables of ``study.toml`` as mappings that cannot be changed."""

from collections.abc import Iterator, Mapping
from typing import Any


class Settings(Mapping[str, Any]):
    """A table of ``study.toml``: a read-only mapping; lists in it are tuples, tables Settings."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any] | None = None) -> None:
        self._items = {key: _frozen(value) for key, value in (items or {}).items()}

    def __getitem__(self, key: str) -> Any:
        """Return the value of a setting."""
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the settings."""
        return iter(self._items)

    def __len__(self) -> int:
        """Return the number of settings."""
        return len(self._items)

    def __hash__(self) -> int:
        """Hash of the contents: a study, which holds settings, is hashable."""
        return hash(repr(sorted(self._items.items())))

    def __repr__(self) -> str:
        """Show the settings as a dictionary."""
        return f"Settings({self._items!r})"

    @property
    def plain(self) -> dict[str, Any]:
        """A copy as dictionaries and lists, such as JSON can hold."""
        return {key: _plain(value) for key, value in self._items.items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Settings(value)
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.plain
    return list(map(_plain, value)) if isinstance(value, tuple) else value
