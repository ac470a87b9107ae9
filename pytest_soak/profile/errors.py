"""The errors of a bad profile."""

from __future__ import annotations


class ProfileError(ValueError):
    """A profile cannot be used. The message names file, key path, value and what would be right."""


class Invalid(Exception):  # noqa: N818 - it becomes a ProfileError when the file is known
    """A fault at a key path; :meth:`at` adds the file of the chain that has it."""

    def __init__(self, path: tuple[str, ...], problem: str) -> None:
        super().__init__(problem)
        self.path = path
        self.problem = problem

    def at(self, label: str) -> ProfileError:
        where = ".".join(self.path)
        return ProfileError(
            f"{label}: {where}: {self.problem}" if where else f"{label}: {self.problem}"
        )
