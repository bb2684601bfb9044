"""Lets in who carries the token, and tells OpenAPI that it is needed."""

from __future__ import annotations

from fastapi.requests import HTTPConnection
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from runtimes.serve.refusal import UNAUTHORIZED, Refusal
from runtimes.serve.token import VARIABLE, holds_token


class TokenGuard(HTTPBearer):
    """A dependency of paths that need the token."""

    def __init__(self, token: str) -> None:
        super().__init__(scheme_name="token", description=f"--token-file or {VARIABLE}")
        self._token = token

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        """Pass, or refuse the request.

        Raises:
            Refusal: 401.
        """
        if holds_token(request.headers.get("authorization"), self._token):
            return None
        raise Refusal(
            UNAUTHORIZED,
            "the token is missing or wrong",
            "Send the header: Authorization: Bearer TOKEN",
            {"WWW-Authenticate": "Bearer"},
        )
