"""Reports as the answers to a GET."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pytest_soak.live.channels import Context
from pytest_soak.live.http_client import HttpClient, http_client
from pytest_soak.live.report_text import parsed_report
from pytest_soak.live.sections import ReportFields


class ReportUrl:
    """A reader (:class:`pytest_soak.live.channels.Reader`) of one URL.

    Every answer is a new report: whether it has new figures is judged by what it says itself.
    """

    def __init__(
        self, client: HttpClient, every_s: float | None, sections: Collection[str] = ()
    ) -> None:
        self.place = client.endpoint.place
        self.sources: tuple[str, ...] = (client.endpoint.canonical,)
        self.every_s = every_s
        self._client = client
        self._has_answered = False
        self.raw = b""
        self._sections = sections

    def begin(self) -> None:
        """Nothing to note: an answer is made when it is requested."""

    def poll(self) -> dict[str, Any]:
        data = self._client.request("GET")
        self._has_answered, self.raw = True, data
        return parsed_report(data, self.place, sections=self._sections)

    def exists(self) -> bool:
        return self._has_answered


def make_http(fields: ReportFields, context: Context, every_s: float) -> ReportUrl:
    client = http_client(
        str(fields.http), fields.headers, fields.allow_hosts, fields.timeout_s, context
    )
    return ReportUrl(client, every_s, context.sections)
