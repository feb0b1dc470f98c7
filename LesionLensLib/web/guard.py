"""Lets only the reader who was given the address see the page, and lets the page ask nobody else for anything."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Vue compiles its templates in the browser, hence `unsafe-eval`; `connect-src` names the server's own socket.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' ws://{host}; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'self'"
)


class Guard:
    """An aiohttp middleware: the token in the address becomes a cookie, and without it nothing is answered.

    Requests under another host name (DNS rebinding) or from pages of another origin are refused.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(24)
        # Cookies do not know ports: two pages at once need two names.
        self._cookie = f"lesionlens-{secrets.token_hex(4)}"

    def install(self, application: web.Application) -> None:
        """Put the guard before everything that the application serves; before it starts."""

        @web.middleware  # type: ignore[untyped-decorator]
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._answer(request, handler)

        application.middlewares.insert(0, answer)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        own = request.transport.get_extra_info("sockname") if request.transport else None
        hosts = {f"{name}:{own[1]}" for name in ("127.0.0.1", "localhost")} if own else set()
        origin = request.headers.get("Origin")
        if request.host not in hosts or (origin is not None and origin != f"http://{request.host}"):
            raise web.HTTPForbidden(text="This page is for this computer only.")
        if self._is_token(request.query.get("token", "")):
            # Off the address bar, out of the history.
            answer = web.HTTPSeeOther("/index.html")
            answer.set_cookie(self._cookie, self.token, httponly=True, samesite="Strict", path="/")
            raise answer
        if not self._is_token(request.cookies.get(self._cookie, "")):
            raise web.HTTPForbidden(text="Use the whole address that lesionlens view has printed.")
        response = await handler(request)
        if not response.prepared:  # a socket is open by now
            response.headers["Content-Security-Policy"] = POLICY.format(host=request.host)
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Cache-Control"] = "no-store"
        return response

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.token.encode())
