"""What a server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from . import events as ev

SECONDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)


class Metrics:
    """A registry of its own, so that two servers in one process do not count for each other."""

    CONTENT_TYPE = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.sessions = Gauge("cleans2s_sessions", "Sessions in progress", registry=registry)
        self.begun = Counter("cleans2s_sessions_begun", "Sessions that began", registry=registry)
        self.refused = Counter("cleans2s_refused", "Connections that were refused", ["reason"], registry=registry)
        self.messages = Counter("cleans2s_messages", "Messages of clients", registry=registry)
        self.turns = Counter("cleans2s_turns", "Turns of users", registry=registry)
        self.ignored = Counter("cleans2s_ignored", "Sounds that were no turn", ["reason"], registry=registry)
        self.replies = Counter("cleans2s_replies", "Replies by how they ended", ["ending"], registry=registry)
        self.failures = Counter("cleans2s_failures", "Failures of engines", ["stage"], registry=registry)
        self.reply_s = Histogram(
            "cleans2s_reply_seconds",
            "From the user's last speech frame to the reply's first sound",
            buckets=SECONDS,
            registry=registry,
        )
        self.stage_s = Histogram(
            "cleans2s_stage_seconds", "Runs of engines", ["stage"], buckets=(0.01, 0.03, *SECONDS), registry=registry
        )

    def note(self, event: ev.Event) -> None:
        match event:
            case ev.TurnEnded():
                self.turns.inc()
            case ev.Ignored():
                self.ignored.labels(event.reason).inc()
            case ev.ReplyStarted():
                if event.latency.reply_ms is not None:
                    self.reply_s.observe(event.latency.reply_ms / 1000)
            case ev.ReplyEnded():
                self.replies.labels(event.ending).inc()
            case ev.StageRan():
                self.stage_s.labels(event.stage).observe(event.ended_s - event.started_s)
            case ev.Failed():
                self.failures.labels(event.stage).inc()
            case _:
                pass

    def text(self) -> bytes:
        return generate_latest(self.registry)
