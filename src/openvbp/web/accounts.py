"""Local accounts of small installations: a file of names, hashed passwords and what each may see."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from openvbp.engine import cannot_write
from openvbp.errors import Problem, UsageError
from openvbp.web.viewer import ALL

SHORTEST_PASSWORD = 12
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_COVERED = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9_.-]*/[^/\s]+")


@dataclass(frozen=True)
class Account:
    """Somebody who may sign in."""

    name: str
    password_hash: str
    covers: frozenset[str]
    """``*``, or ``program/provider``, or ``contract/provider`` with the contract's own name."""


class Accounts:
    """The accounts of a file; a file that changes is read again, so that a removed account ends at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hasher = PasswordHasher()
        # Whoever has no account must not be told by a quicker answer.
        self._nobody = self._hasher.hash("nobody has this password")
        # Hashing takes much memory on purpose: few at a time.
        self._few = threading.Semaphore(2)
        self._read: tuple[int, dict[str, Account]] = (-1, {})
        self.all()

    def all(self) -> Mapping[str, Account]:
        """Give the accounts by name.

        Raises
        ------
        UsageError
            If the file is missing or is none of accounts.
        """
        try:
            changed = self.path.stat().st_mtime_ns
            if changed != self._read[0]:
                self._read = (changed, read_accounts(self.path))
        except OSError as error:
            what_to_do = "make it with 'openvbp accounts add NAME --file FILE'"
            raise UsageError(Problem("there is no file of accounts", str(self.path), what_to_do)) from error
        return self._read[1]

    def covers(self, name: str) -> frozenset[str] | None:
        """Give what an account may see; ``None`` where there is no such account any more."""
        found = self.all().get(name)
        return found.covers if found else None

    def is_right(self, name: str, password: str) -> bool:
        """Whether a password is that of an account; takes as long for names that have none."""
        found = self.all().get(name)
        with self._few:
            try:
                is_right = self._hasher.verify(found.password_hash if found else self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False
        return is_right and found is not None


def read_accounts(path: Path) -> dict[str, Account]:
    """Read a file of accounts.

    Raises
    ------
    UsageError
        If it is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Account(name, entry["password_hash"], frozenset(entry["covers"]))
            for name, entry in content["accounts"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            Problem("not a file of accounts", str(path), "make a new one with 'openvbp accounts add'")
        ) from error


def add_account(path: Path, name: str, password: str, covers: Sequence[str]) -> Account:
    """Add an account, or give one a new password and other providers.

    Raises
    ------
    UsageError
        If the name, the password or what it covers is not usable.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            Problem(f"'{name}' is not a usable name", "NAME", "use letters, digits, dot, dash, underscore or @")
        )
    if len(password) < SHORTEST_PASSWORD:
        raise UsageError(
            Problem("the password is too short", "the password", f"use {SHORTEST_PASSWORD} characters or more")
        )
    wrong = [one for one in covers if not _COVERED.fullmatch(one)]
    if wrong or not covers:
        what_to_do = "write program/provider or contract/provider, for example hvbp/010001, or * for all"
        raise UsageError(
            Problem(
                "it is not said whose results the account may see", "--covers", what_to_do, examples=tuple(wrong[:3])
            )
        )
    accounts = read_accounts(path) if path.is_file() else {}
    accounts[name] = Account(name, PasswordHasher().hash(password), frozenset(covers))
    _write(path, accounts)
    return accounts[name]


def remove_account(path: Path, name: str) -> None:
    """Remove an account; its open sessions end.

    Raises
    ------
    UsageError
        If there is none.
    """
    accounts = read_accounts(path) if path.is_file() else {}
    if name not in accounts:
        raise UsageError(Problem(f"there is no account '{name}'", str(path), "see 'openvbp accounts list'"))
    del accounts[name]
    _write(path, accounts)


def as_rows(accounts: Mapping[str, Account]) -> list[dict[str, Any]]:
    """Give accounts as rows, without their passwords."""
    return [
        {"name": one.name, "covers": "everything" if ALL in one.covers else " ".join(sorted(one.covers))}
        for one in accounts.values()
    ]


def _write(path: Path, accounts: Mapping[str, Account]) -> None:
    """Write under another name first; nobody but the owner may read it."""
    entries = {
        one.name: {"password_hash": one.password_hash, "covers": sorted(one.covers)} for one in accounts.values()
    }
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as target:
            json.dump({"accounts": entries}, target, indent=1)
        os.replace(partial, path)
    except OSError as error:
        raise cannot_write(path, error, "choose another --file") from error
