"""The application: pages, health, metrics."""

import logging
import os
import random
import time
import uuid

from flask import Flask, Response, g, jsonify, render_template, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client import REGISTRY

from . import __version__, logs
from .config import load

# With PROMETHEUS_MULTIPROC_DIR these live in files that all workers share.
REQUESTS = Counter("http_requests_total", "Requests by method and status.", ["method", "status"])
DURATION = Histogram("http_request_duration_seconds", "Time to answer.", ["method"])

log = logging.getLogger("hello")

# Operators look here; the failure switch must not touch it.
OPERATIONS = ("/healthz", "/metrics")


def create_app() -> Flask:
    cfg = load()
    logs.setup(cfg.log_level)
    app = Flask(__name__)
    app.secret_key = cfg.secret_key

    @app.before_request
    def begin():
        g.started = time.perf_counter()
        g.request_id = request.headers.get("X-Request-ID", "")[:64] or uuid.uuid4().hex
        if request.path in OPERATIONS:
            return None
        if cfg.slow_share and random.random() < cfg.slow_share:
            time.sleep(cfg.slow_ms / 1000)
        if cfg.fail_share and random.random() < cfg.fail_share:
            return jsonify(error="the failure switch is on"), 500
        return None

    @app.after_request
    def finish(response: Response) -> Response:
        seconds = time.perf_counter() - g.started
        response.headers["X-Request-ID"] = g.request_id
        if request.path not in OPERATIONS:
            REQUESTS.labels(request.method, str(response.status_code)).inc()
            DURATION.labels(request.method).observe(seconds)
            log.info("request", extra={"fields": {
                "method": request.method, "path": request.path, "status": response.status_code,
                "duration_ms": round(seconds * 1000, 1), "request_id": g.request_id}})
        return response

    @app.get("/")
    def index():
        return render_template("index.html", greeting=cfg.greeting, name="world", version=__version__)

    @app.get("/greet/<name>")
    def greet(name: str):
        return render_template("index.html", greeting=cfg.greeting, name=name, version=__version__)

    @app.get("/basket")
    def basket():
        return render_template("basket.html", items=["apples", "pears"])

    @app.get("/healthz")
    def healthz():
        return jsonify(status="ok", version=__version__)

    @app.get("/metrics")
    def metrics():
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        else:
            registry = REGISTRY
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return app
