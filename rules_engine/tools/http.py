"""`run --http`: /health, /status and /metrics for those who watch the daemon from outside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

#: A page: its status code, content type and body.
Page = tuple[int, str, bytes]


class StatusServer:
    """Serves pages in a thread of its own. Raises `ValueError` for an address that cannot be had."""

    def __init__(self, address: str, pages: dict[str, Callable[[], Page]]) -> None:
        host, colon, port = address.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 65_535:
            raise ValueError("it is no HOST:PORT")
        try:
            self._server = ThreadingHTTPServer((host.strip("[]") or "127.0.0.1", int(port)), _handler(pages))
        except OSError as error:
            raise ValueError(f"cannot listen there: {error.strerror or error}") from None
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="rules-engine http", daemon=True).start()

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`."""
        return ":".join(map(str, self._server.server_address[:2]))

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def json_page(document: Any, *, ok: bool = True) -> Page:
    """A JSON document; 503 if all is not well."""
    return (
        (200 if ok else 503),
        "application/json",
        orjson.dumps(document, option=orjson.OPT_INDENT_2, default=str),
    )


def metrics_page(status: dict[str, Any], health: dict[str, Any]) -> Page:
    """The numbers in the text format of Prometheus."""
    lines = [
        *_metric("up", "gauge", [("", int(health["ok"]))]),
        *_metric("log_rows", "counter", [("", status["log"]["head"])]),
        *_metric("rows_decided_total", "counter", [("", health["rows"])]),
        *_metric("step_failures_total", "counter", [("", health["step_failures"])]),
        *_metric("actions", "gauge", [(f'state="{k}"', v) for k, v in status["actions"].items()]),
        *_metric("dead_letters", "gauge", [("", status["dead_letters"])]),
        *_metric("reload_ok", "gauge", [("", int((status["rules"]["last_reload"] or {"ok": True})["ok"]))]),
        *_metric(
            "reader_lag_rows", "gauge", [(f'reader="{r["name"]}"', r["lag"]) for r in status["readers"]]
        ),
        *_metric(
            "firings_total",
            "counter",
            [(f'loop="{one["loop"]}"', one["fired"]) for one in status["rules"]["loops"]],
        ),
    ]
    return 200, "text/plain; version=0.0.4", ("\n".join(lines) + "\n").encode()


def _metric(name: str, kind: str, samples: list[tuple[str, int]]) -> list[str]:
    full = f"rules_engine_{name}"
    return [
        f"# TYPE {full} {kind}",
        *(f"{full}{{{label}}} {value}" if label else f"{full} {value}" for label, value in samples),
    ]


def _handler(pages: dict[str, Callable[[], Page]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            try:
                code, kind, body = page() if page else json_page({"pages": sorted(pages)}, ok=True)
            except Exception as error:  # noqa: BLE001 - a page that fails must not end the daemon
                code, kind, body = json_page({"error": f"{type(error).__name__}: {error}"}, ok=False)
            self.send_response(code if page else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not logged."""

    return Handler
