"""What every answer carries and what no request may be: headers, hosts, lengths."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from openvbp.errors import Problem, UsageError

LONGEST_ADDRESS = 4_000
"""Bytes of path and query: a reform of some hundred parameters; beyond it the answer is 414."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; "
)
"""No script and no style within a page is run, nothing comes from another host."""


REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
"""Of reports that have their style within them: no script of any kind."""


def headers(*, is_embedded: bool, is_private: bool, is_report: bool = False) -> dict[str, str]:
    """Give the security headers of an answer.

    Parameters
    ----------
    is_embedded
        Whether the page is made to stand within others'.
    is_private
        Whether it shows what not everybody may see, or belongs to a session.
    is_report
        Whether it is a report that another command wrote, with its style within it.
    """
    ancestors = "*" if is_embedded else "'none'"
    found = {
        "Content-Security-Policy": f"{REPORT_POLICY if is_report else POLICY}frame-ancestors {ancestors}",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store" if is_private else "no-cache",
    }
    return found if is_embedded else {**found, "X-Frame-Options": "DENY"}


def is_too_long(request: Request) -> bool:
    """Whether an address is longer than any that a page makes."""
    path = request.scope.get("raw_path") or request.scope["path"].encode()
    return len(path) + len(request.scope["query_string"]) > LONGEST_ADDRESS


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def demand_safe_binding(host: str, *, has_sign_in: bool, has_encryption: bool, shows_all: bool) -> None:
    """Refuse to be reached from other machines without sign-in and encryption.

    Raises
    ------
    UsageError
        If the host is not the loopback and people cannot sign in, or passwords would travel unencrypted, or small
        counts are not withheld.
    """
    if is_loopback(host):
        return
    problems = []
    if not has_sign_in:
        problems.append(
            Problem(
                "pages that other machines can reach need people to sign in",
                f"--host {host}",
                "make accounts with 'openvbp accounts add' and give --accounts FILE, or leave --host out",
            )
        )
    if not has_encryption:
        problems.append(
            Problem(
                "passwords would travel unencrypted",
                f"--host {host}",
                "give --certificate and --certificate-key, or --behind-tls-proxy where a proxy encrypts",
            )
        )
    if shows_all:
        problems.append(
            Problem("small counts would be shown to everybody", "--unsuppressed", "leave it out, or leave --host out")
        )
    if problems:
        raise UsageError(problems)


Answer = Callable[[Request], Awaitable[Response]]
