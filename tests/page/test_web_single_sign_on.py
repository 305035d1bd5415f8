"""Signing in with OpenID Connect, against a small provider of identities that runs beside the server."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.testclient import TestClient

from openvbp.web.app import create_app
from openvbp.web.sessions import COOKIE
from openvbp.web.sign_in import SignIn
from openvbp.web.single_sign_on import SingleSignOn
from openvbp.web.site import Site

KEY = RSAKey.generate_key(2048, {"kid": "one"})
CLAIMS: dict[str, Any] = {
    "sub": "42",
    "email": "Ann@clinic.example",
    "email_verified": True,
    "covers": ["mncm/CLINIC-A"],
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider of identities that lets everybody in as Ann."""
    app, asked = FastAPI(), {}

    @app.get("/.well-known/openid-configuration")
    def settings(request: Request) -> dict[str, Any]:
        base = str(request.base_url).rstrip("/")
        return {
            "issuer": base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    @app.get("/authorize")
    def authorize(request: Request) -> RedirectResponse:
        asked.update(request.query_params)
        return RedirectResponse(f"{asked['redirect_uri']}?code=letter&state={asked['state']}")

    @app.post("/token")
    async def token(request: Request) -> JSONResponse:
        form = await request.form()
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
        now = int(time.time())
        content = {"iss": str(request.base_url).rstrip("/"), "aud": "openvbp", "iat": now, "exp": now + 60}
        content |= {"nonce": asked["nonce"], **CLAIMS}
        id_token = jwt.encode({"alg": "RS256", "kid": "one"}, content, KEY)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": id_token})

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        return {"keys": [KEY.as_dict(private=False)]}

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True


def _client(single: SingleSignOn, tmp_path: Path) -> TestClient:
    site = Site({}, sign_in=SignIn(tmp_path / "access.jsonl", single_sign_on=single))
    return TestClient(create_app(site), base_url="http://localhost", follow_redirects=False)


def _come_back(client: TestClient) -> Any:
    import httpx2

    there = client.get("/sign-in/single?next=/law/hvbp")
    assert there.status_code == 302
    assert parse_qs(urlsplit(there.headers["location"]).query)["code_challenge_method"] == ["S256"]
    back = httpx2.get(there.headers["location"]).headers["location"]
    parts = urlsplit(back)
    return client.get(f"{parts.path}?{parts.query}")


def test_claim_tells_what_may_be_seen(issuer: str, tmp_path: Path) -> None:
    client = _client(SingleSignOn(issuer, "openvbp", "secret", claim="covers"), tmp_path)
    answer = _come_back(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/law/hvbp")
    assert "Ann@clinic.example" in client.get("/law/hvbp").text
    sign_in: SignIn = client.app.state.site.sign_in  # type: ignore[attr-defined]
    session = sign_in.sessions.read(client.cookies[COOKIE])
    assert session is not None
    assert session.covers == {"mncm/CLINIC-A"}


def test_listed_address_counts_only_if_it_is_verified(
    issuer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = SingleSignOn(issuer, "openvbp", "secret", covers={"ann@clinic.example": frozenset({"*"})})
    assert _come_back(_client(single, tmp_path)).status_code == 303
    monkeypatch.setitem(CLAIMS, "email_verified", False)
    client = _client(single, tmp_path)
    answer = _come_back(client)
    assert answer.status_code == 403
    assert COOKIE not in client.cookies


def test_answer_that_was_not_asked_for_is_refused(issuer: str, tmp_path: Path) -> None:
    client = _client(SingleSignOn(issuer, "openvbp", "secret", claim="covers"), tmp_path)
    answer = client.get("/sign-in/return?code=letter&state=invented")
    assert answer.status_code == 403
    assert COOKIE not in client.cookies
    assert json.dumps("invented") not in answer.text
