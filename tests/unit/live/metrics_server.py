"""A reader of metrics on a clock of the test, and the texts that it scrapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_soak.live.channels import ChannelFault
from pytest_soak.live.endpoint import endpoint_of
from pytest_soak.live.http_client import Answer, HttpClient
from pytest_soak.live.readers.prometheus import Needed, ReportMetrics
from pytest_soak.profile.kpi import Metric

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
EVERY_S = 5.0


class Scripted(HttpClient):
    """A client whose answers are given, one after another; a fault is raised."""

    def __init__(self, answers: Sequence[str | bytes | ChannelFault], kind: str = TEXT) -> None:
        super().__init__(endpoint_of("http://127.0.0.1:9/metrics", (), ("prometheus",)), {}, 1.0)
        self._answers = list(answers)
        self._kind = kind

    def exchange(self, method: str, body: bytes | None = None) -> Answer:
        answer = self._answers.pop(0)
        if isinstance(answer, ChannelFault):
            raise answer
        data = answer if isinstance(answer, bytes) else answer.encode()
        return Answer(data, self._kind, is_whole=True)


def scraped(
    metrics: Mapping[str, Metric],
    *texts: str | bytes | ChannelFault,
    kind: str = TEXT,
    every_s: float = EVERY_S,
) -> dict[str, Any]:
    """The report of a span in which these texts were scraped; the last one must be readable."""
    now = [100.0]
    needed = [Needed(("metrics", name), metric) for name, metric in metrics.items()]
    reader = ReportMetrics(Scripted(texts, kind), every_s, needed, 10.0, lambda: now[0])
    reader.begin()
    report: dict[str, Any] = {}
    for place, text in enumerate(texts):
        now[0] = 100.0 + place * every_s
        try:
            report = reader.poll()
        except ChannelFault:
            if text is texts[-1]:
                raise
    return report


def figure(metric: Metric, *texts: str | bytes | ChannelFault, kind: str = TEXT) -> float:
    report = scraped({"kpi": metric}, *texts, kind=kind)
    assert "metrics_missing" not in report, report
    return float(report["metrics"]["kpi"])


def reason(metric: Metric, *texts: str | bytes | ChannelFault, kind: str = TEXT) -> str:
    """Why there is no figure."""
    report = scraped({"kpi": metric}, *texts, kind=kind)
    assert report["metrics"] == {}
    return str(report["metrics_missing"]["kpi"])
