"""Who may talk to the review server: whoever has the link's token, from the server's own page.

The link's token is exchanged for a cookie that scripts cannot read. Every other request needs the cookie; one that
changes something must come from the same origin; on a loopback address the Host header must name a loopback address,
so that no other site's name can be pointed at the server. Answers forbid the page whatever the server does not serve.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_LOOPBACK_NAME = "localhost"


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered, with the HTTP status."""

    status: int
    reason: str


@dataclass(frozen=True)
class Guard:
    """Decides on requests to a server.

    Attributes:
        token: what the link carries. host, port: what the server listens on.
    """

    token: str
    host: str
    port: int

    @property
    def cookie(self) -> str:
        """Cookies know no ports: each server's has a name of its own."""
        return f"coc_review_{self.port}"

    @property
    def session(self) -> str:
        """The cookie's value; the token cannot be worked out from it."""
        return hmac.new(self.token.encode(), b"coc review session", hashlib.sha256).hexdigest()

    @property
    def link(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}/?token={self.token}"

    def opens(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token.encode())

    def refusal(self, request: Request) -> Refusal | None:
        """Why the request is refused, None where it is not."""
        host = request.headers.get("host", "")
        if is_loopback(self.host) and not is_loopback(_name_of(host)):
            return Refusal(421, f"This server answers to localhost alone, not to {host!r}.")
        presents_token = request.url.path == "/" and self.opens(request.query_params.get("token", ""))
        if not presents_token and not self._has_session(request):
            return Refusal(401, "Open the link that `coc review` printed; it carries the token.")
        if request.method not in _SAFE_METHODS and not _same_origin(request, host):
            return Refusal(403, "Only this server's own page may change anything.")
        return None

    def _has_session(self, request: Request) -> bool:
        try:
            cookies = SimpleCookie(request.headers.get("cookie", ""))
        except CookieError:
            return False
        return self.cookie in cookies and hmac.compare_digest(
            cookies[self.cookie].value.encode(), self.session.encode()
        )


class Guarded:
    """The application behind a guard; every answer carries the protective headers."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        refusal = self._guard.refusal(Request(scope))
        answer = JSONResponse({"error": refusal.reason}, refusal.status) if refusal else self._app
        return await answer(scope, receive, _with_headers(send))


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine and cannot be reached from another."""
    if host == _LOOPBACK_NAME:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            taken = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(pair for pair in own if pair[0] not in taken)]
        await send(message)

    return sending


def _same_origin(request: Request, host: str) -> bool:
    """Browsers say where a request that changes something comes from; whatever does not is no page of ours."""
    origin = request.headers.get("origin")
    return origin is not None and bool(host) and urlsplit(origin).netloc == host


def _name_of(host: str) -> str:
    """The name or address in a Host header, without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
