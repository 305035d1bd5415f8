"""Sessions in signed cookies, tokens of forms, and a limit to failed attempts."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer

SESSION_SECONDS = 8 * 3600
FORM_SECONDS = 3600
COOKIE = "openvbp_session"
FORM_COOKIE = "openvbp_form"


@dataclass(frozen=True)
class Session:
    """Somebody who has signed in."""

    name: str
    session_id: str
    covers: frozenset[str] | None
    """What a single sign-on told; ``None`` where the file of accounts tells."""


class Sessions:
    """Sessions of one process: its key is made when it starts, so a restart ends them all."""

    def __init__(self) -> None:
        key = secrets.token_bytes(32)
        self._sessions = URLSafeTimedSerializer(key, salt="session")
        self._forms = URLSafeTimedSerializer(key, salt="form")
        self._ended: set[str] = set()
        self.key = secrets.token_urlsafe(32)
        """Key of the cookie that a single sign-on needs on its way."""

    def begin(self, name: str, covers: frozenset[str] | None = None) -> str:
        """Give the cookie of a new session."""
        told = sorted(covers) if covers is not None else None
        return self._sessions.dumps([name, secrets.token_urlsafe(16), told])

    def read(self, cookie: str | None) -> Session | None:
        """Read a cookie; ``None`` if it is forged, too old or ended."""
        if not cookie:
            return None
        try:
            name, session_id, covers = self._sessions.loads(cookie, max_age=SESSION_SECONDS)
        except (BadSignature, ValueError, TypeError):
            return None
        if session_id in self._ended:
            return None
        return Session(name, session_id, frozenset(covers) if covers is not None else None)

    def end(self, session: Session) -> None:
        """End a session, whoever still holds its cookie."""
        self._ended.add(session.session_id)

    def token(self, of: str) -> str:
        """Give the token that a form of this session, or of this browser, must send."""
        return self._forms.dumps(of)

    def is_token(self, token: str, of: str) -> bool:
        """Whether a form was made for this session, or this browser, and not long ago."""
        try:
            return bool(of) and secrets.compare_digest(str(self._forms.loads(token, max_age=FORM_SECONDS)), of)
        except (BadSignature, TypeError):
            return False


class Attempts:
    """Failed attempts of late, by whatever they are counted by.

    Parameters
    ----------
    most
        Failures within the time after which no more are taken.
    seconds
        The time.
    """

    def __init__(self, most: int, seconds: float = 900, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._now = most, seconds, now
        self._failures: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def wait(self, of: str) -> float:
        """Seconds until the next attempt is taken; 0 if it is taken now."""
        with self._lock:
            failures = self._recent(of)
            return failures[-self._most] + self._seconds - self._now() if len(failures) >= self._most else 0.0

    def failed(self, of: str) -> None:
        """Note a failure."""
        with self._lock:
            self._recent(of).append(self._now())
            if len(self._failures) > 10_000:
                for one in list(self._failures):
                    if not self._recent(one):
                        del self._failures[one]

    def _recent(self, of: str) -> deque[float]:
        failures = self._failures.setdefault(of, deque())
        while failures and failures[0] <= self._now() - self._seconds:
            failures.popleft()
        return failures
