"""The review server: routes over a desk, behind a guard."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import resources as package_files
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from coc_assets.report.page import content_policy, report_path
from coc_assets.review.desk import Desk, UnknownLabel
from coc_assets.review.edits import EditError
from coc_assets.review.pictures import Pictures
from coc_assets.review.security import Guard, Guarded
from coc_assets.sources.video import VideoError

_STATIC = package_files.files("coc_assets.review") / "static"
_ASSETS = {"review.css": "text/css", "review.js": "text/javascript", "icon.svg": "image/svg+xml"}
_BODY_BYTES = 262_144
_KEPT_BY_BROWSER = {"cache-control": "private, max-age=3600"}


def create_app(desk: Desk, pictures: Pictures, guard: Guard, say: Callable[[str], None] = lambda _: None) -> ASGIApp:
    """The whole server as an ASGI application.

    Args:
        say: told what went wrong where no page hears it: edits that are not labels when the server stops.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        problem = await run_in_threadpool(desk.publish)
        if problem:
            say(problem)

    views = _Views(desk, pictures, guard)
    routes = [
        Route("/", views.page),
        Route("/static/{name}", views.asset),
        Route("/report", views.report),
        Route("/api/queue", views.queue),
        Route("/api/labels/{label_id}", views.label),
        Route("/api/labels/{label_id}/review", views.decide, methods=["POST"]),
        Route("/media/{label_id}/segment.mp4", views.segment),
        Route("/media/{label_id}/frames/{number:int}.jpg", views.frame),
    ]
    handlers: Mapping[Any, Any] = {
        UnknownLabel: _told(410),
        VideoError: _told(404),
        EditError: _problems,
        OSError: _told(500),
    }
    return Guarded(Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan), guard)


class _Views:
    """What is answered; functions that are not `async` run in threads, for they read files."""

    def __init__(self, desk: Desk, pictures: Pictures, guard: Guard) -> None:
        self._desk, self._pictures, self._guard = desk, pictures, guard

    def page(self, _: Request) -> Response:
        page = HTMLResponse((_STATIC / "review.html").read_text(encoding="utf-8"))
        page.set_cookie(self._guard.cookie, self._guard.session, httponly=True, samesite="strict", path="/")
        return page

    def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSETS:
            return JSONResponse({"error": f"no asset {name!r}"}, 404)
        return Response((_STATIC / name).read_bytes(), media_type=_ASSETS[name])

    def report(self, _: Request) -> Response:
        """The store's quality report; its own style and script alone may run, as this version writes them."""
        path = report_path(self._desk.workspace.store)
        try:
            page = path.read_bytes()
        except FileNotFoundError:
            store = self._desk.workspace.store.root
            return JSONResponse({"error": f"No report at {path}. Write it: coc report --store {store}"}, 404)
        return HTMLResponse(page, headers={"content-security-policy": f"{content_policy()}; frame-ancestors 'none'"})

    def queue(self, _: Request) -> Response:
        return JSONResponse(self._desk.queue())

    def label(self, request: Request) -> Response:
        return JSONResponse(self._desk.page(request.path_params["label_id"]))

    async def decide(self, request: Request) -> Response:
        said = _read_answer(await _body(request))
        review = await run_in_threadpool(self._desk.decide, request.path_params["label_id"], said)
        told = review.model_dump(include={"decision", "reviewed_at", "edited_label_id"})
        return JSONResponse(told, background=BackgroundTask(self._desk.publish_of, review.label_id))

    def segment(self, request: Request) -> Response:
        path = self._pictures.segment(*self._desk.of_pictures(request.path_params["label_id"]))
        return FileResponse(path, media_type="video/mp4", headers=_KEPT_BY_BROWSER)

    def frame(self, request: Request) -> Response:
        frames = self._pictures.frames(*self._desk.of_pictures(request.path_params["label_id"]))
        number = request.path_params["number"]
        if number >= len(frames):
            raise VideoError("no_frame", f"There are {len(frames)} frames, and none with number {number}.")
        return Response(frames[number], media_type="image/jpeg", headers=_KEPT_BY_BROWSER)


async def _body(request: Request) -> bytes:
    """What was sent, up to a bound."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _BODY_BYTES:
            raise EditError({"note": f"all of it takes more than {_BODY_BYTES} bytes; say it shorter"})
    return bytes(body)


def _read_answer(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise EditError({"decision": "the request is no JSON object"})
    return said


def _told(status: int) -> Callable[[Request, Exception], Response]:
    def answer(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": error.hint if isinstance(error, VideoError) else str(error)}, status)

    return answer


def _problems(_: Request, error: Exception) -> Response:
    assert isinstance(error, EditError), "the handler of edits that are not valid"
    return JSONResponse({"error": str(error), "problems": error.problems}, 422)
