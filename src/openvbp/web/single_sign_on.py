"""OpenID Connect: people sign in where their organisation has its accounts; what they may see is told or listed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from openvbp.errors import Problem, UsageError

_KEYS = {"issuer", "client_id", "client_secret_variable", "claim", "covers"}


@dataclass(frozen=True)
class SingleSignOn:
    """How to reach the provider of identities."""

    issuer: str
    client_id: str
    client_secret: str
    claim: str = ""
    """Claim that lists what somebody may see; empty where ``covers`` tells."""
    covers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By e-mail address that the issuer has verified."""

    def client(self) -> Any:
        """Make the client: authorization code with a challenge (PKCE), state and nonce."""
        from authlib.integrations.starlette_client import OAuth

        registry = OAuth()
        return registry.register(
            "single",
            server_metadata_url=f"{self.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_id=self.client_id,
            client_secret=self.client_secret,
            client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
        )

    def covered_by(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Give what somebody may see: by the claim, or by an e-mail address that the issuer has verified."""
        if self.claim:
            told = claims.get(self.claim) or []
            return frozenset(str(one) for one in ([told] if isinstance(told, str) else told))
        if claims.get("email_verified") is not True:
            return frozenset()
        return self.covers.get(str(claims.get("email", "")).casefold(), frozenset())


def read_single_sign_on(path: Path) -> SingleSignOn:
    """Read the settings, a YAML file; the secret stands in a variable of the environment.

    Raises
    ------
    UsageError
        If a key is unknown or missing, or the variable is not set.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        unknown, missing = set(content) - _KEYS, {"issuer", "client_id", "client_secret_variable"} - set(content)
    except (OSError, TypeError, yaml.YAMLError) as error:
        raise UsageError(
            Problem("the settings cannot be read", str(path), "give a YAML file of keys and values")
        ) from error
    if unknown or missing or ("claim" in content) == ("covers" in content):
        raise UsageError(
            Problem(
                "the settings of the single sign-on are not whole",
                str(path),
                "give issuer, client_id, client_secret_variable, and either claim or covers",
                examples=tuple(sorted(str(one) for one in unknown | missing)),
            )
        )
    secret = os.environ.get(str(content["client_secret_variable"]))
    if not secret:
        where = f"variable {content['client_secret_variable']}"
        raise UsageError(Problem("the secret of the single sign-on is not set", where, "set it in the environment"))
    covers = {
        str(address).casefold(): frozenset(str(one) for one in listed)
        for address, listed in (content.get("covers") or {}).items()
    }
    return SingleSignOn(
        str(content["issuer"]), str(content["client_id"]), secret, str(content.get("claim", "")), covers
    )
