"""The application: its paths and parameters. The work is in `service.py`."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig

from gazeclip import __version__
from gazeclip.errors import BundleError
from runtimes.serve.body import declared_size, read_body
from runtimes.serve.door import LIVE, READY, VERIFY, Door
from runtimes.serve.errors import add_error_answers, answer_line
from runtimes.serve.gate import Gate
from runtimes.serve.guard import TokenGuard
from runtimes.serve.metrics import CONTENT_TYPE, Metrics
from runtimes.serve.openapi import describe_body, describe_errors
from runtimes.serve.refusal import BAD_REQUEST, FORBIDDEN, TOO_LATE, UNAUTHORIZED, Refusal
from runtimes.serve.schemas import State, VerifyAnswer
from runtimes.serve.service import Service, Wish
from runtimes.serve.settings import Settings
from runtimes.serve.strangers import StrangerCheck
from runtimes.serve.uploads import check_content_type
from runtimes.verifier import Verifier

OK = {"status": "ok"}
# A fake probability in digits, neither 0 nor 1: short enough that it is not rounded to 1.
_PROBABILITY = r"0?\.\d{0,6}[1-9]\d{0,6}"
# Every library that reports its use is told not to (gazeclip/system/privacy.py); this one here too.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def create_app(verifier: Verifier, settings: Settings) -> Door:
    """The application around a verifier whose self-test has passed."""
    metrics = Metrics(verifier)
    service = Service(verifier, settings.limits, metrics)
    gate = Gate(settings.limits)
    metrics.watch("requests_inside", "requests that are read or judged", lambda: gate.inside)
    metrics.watch("queue_images", "images that wait", lambda: service.batcher.waiting)

    @contextlib.asynccontextmanager
    async def live(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="GazeCLIP Edge",
        version=__version__,
        description="Is this face real, and if not, what made it?",
        lifespan=live,
        openapi_url=None,  # below, behind the token; no page that loads scripts from elsewhere
        telemetry=_NO_TELEMETRY,
    )
    add_error_answers(app)
    guards = [] if settings.token is None else [Depends(TokenGuard(settings.token))]
    _add_verify(app, service, gate, settings, guards)
    _add_states(app, service)
    _add_reports(app, metrics, guards)
    strangers = StrangerCheck(settings.hosts) if settings.token is None else None
    return Door(app, gate, metrics.count_answer, strangers)


def _add_verify(
    app: FastAPI, service: Service, gate: Gate, settings: Settings, guards: Sequence[Any]
) -> None:
    points = service.verifier.bundle.operating_points
    pattern = rf"^({'|'.join(map(re.escape, points))}|{_PROBABILITY})$"
    limits = settings.limits

    @app.post(
        VERIFY,
        dependencies=guards,
        response_class=JSONResponse,
        responses={200: {"model": VerifyAnswer}, **describe_errors()},
        openapi_extra=describe_body(limits),
        summary="Judge one image or several files",
    )
    async def verify(
        request: Request,
        threshold: str = Query(
            settings.threshold, pattern=pattern, description="an operating point or a probability"
        ),
        prior: float = Query(
            settings.prior, gt=0, lt=1, description="how probable a forgery is beforehand"
        ),
        crop: Literal["whole", "face"] = Query(
            settings.crop, description="`face` finds the faces in a photograph"
        ),
        embedding: bool = Query(False, description="give each verdict's embedding as well"),
    ) -> Response:
        deadline = asyncio.get_running_loop().time() + limits.seconds
        _refuse_odd_parameters(request, {"threshold", "prior", "crop", "embedding"})
        headers = request.headers
        content_type = headers.get("content-type")
        check_content_type(content_type, headers.get("content-encoding"))
        rule = service.verifier.judge.make_rule(threshold, prior)
        with gate.admit(declared_size(headers.get("content-length"), limits)):
            body = await read_body(request.stream(), limits, deadline)
            wish = Wish(rule, crop, embedding, deadline)
            return answer_line(await service.answer(content_type, body, wish))


def _refuse_odd_parameters(request: Request, known: set[str]) -> None:
    """A parameter with a wrong name, or all but one of the same name, would be heeded nowhere."""
    names = [name for name, _ in request.query_params.multi_items()]
    unknown = sorted(set(names) - known)
    if unknown:
        remedy = f"Known: {', '.join(sorted(known))}"
        raise Refusal(BAD_REQUEST, f"unknown parameter '{unknown[0]}'", remedy)
    repeated = sorted(name for name in known if names.count(name) > 1)
    if repeated:
        raise Refusal(BAD_REQUEST, f"parameter '{repeated[0]}' is repeated", "Give it once")


def _add_states(app: FastAPI, service: Service) -> None:
    @app.get(LIVE, response_model=State, summary="Is the process up?")
    async def show_health() -> Response:
        return answer_line(OK)

    @app.get(
        READY,
        response_model=State,
        responses=describe_errors(TOO_LATE),
        summary="Did the golden self-test pass, and do inferences succeed?",
    )
    async def show_readiness() -> Response:
        try:
            await service.check_engine()
        except BundleError as error:
            remedy = error.remedy or "Start it again"
            raise Refusal(TOO_LATE, error.message, remedy, {"Retry-After": "10"}) from error
        return answer_line(OK)


def _add_reports(app: FastAPI, metrics: Metrics, guards: Sequence[Any]) -> None:
    @app.get(
        "/metrics",
        dependencies=guards,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **describe_errors(UNAUTHORIZED if guards else FORBIDDEN),
        },
        response_class=Response,
        summary="Counters for Prometheus",
    )
    async def show_metrics() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    @app.get("/openapi.json", dependencies=guards, include_in_schema=False)
    async def show_schema() -> Response:
        return answer_line(app.openapi())
