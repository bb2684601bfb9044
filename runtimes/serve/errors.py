"""Every error as an answer: one line of JSON with what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gazeclip.errors import BundleError, ConfigError, MissingDependencyError
from runtimes.serve.lines import JSON, encode_line
from runtimes.serve.refusal import BAD_REQUEST, FAULT, Refusal

# Nobody is there to read the answer; nginx gives it this number in its logs.
_GONE = 499
_PATHS_REMEDY = "GET /openapi.json tells all paths and methods"


def answer_line(
    value: Any, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer of one line of JSON."""
    return Response(encode_line(value), status, headers, JSON)


def add_error_answers(app: FastAPI) -> None:
    """Let the application answer its errors."""
    app.add_exception_handler(Refusal, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _answer_wrong_parameter)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(ConfigError, _answer_own_error)
    app.add_exception_handler(MissingDependencyError, _answer_own_error)
    app.add_exception_handler(BundleError, _answer_own_error)
    app.add_exception_handler(Exception, _answer_fault)


async def _answer_refusal(_: Request, error: Any) -> Response:
    return answer_line(error.to_dict(), error.status, error.headers)


async def _answer_wrong_parameter(_: Request, error: Any) -> Response:
    first = error.errors()[0]
    remedy = f"Correct the parameter '{first['loc'][-1]}'"
    refusal = Refusal(BAD_REQUEST, f"{first['loc'][-1]}: {first['msg']}", remedy)
    return answer_line(refusal.to_dict(), refusal.status)


async def _answer_http_error(_: Request, error: Any) -> Response:
    """No such path, or not with this method."""
    refusal = Refusal(error.status_code, str(error.detail), _PATHS_REMEDY)
    return answer_line(refusal.to_dict(), error.status_code, error.headers)


async def _answer_nobody(_: Request, __: Any) -> Response:
    return Response(status_code=_GONE)


async def _answer_own_error(_: Request, error: Any) -> Response:
    """What a request asks for and this server has not (400), or what its bundle lacks (500)."""
    status = FAULT if isinstance(error, BundleError) else BAD_REQUEST
    refusal = Refusal(status, error.message, error.remedy or "Ask whoever runs this server")
    return answer_line(refusal.to_dict(), status)


async def _answer_fault(_: Request, __: Any) -> Response:
    """A fault of the program. Its message may hold parts of a file, and is told nobody."""
    what = "this is a fault of the program"
    refusal = Refusal(FAULT, what, "Report it to whoever runs this server")
    return answer_line(refusal.to_dict(), FAULT)
