"""The parameters as the body of an HTTP request."""

from __future__ import annotations

from typing import Any

from pytest_soak.canonical import canonical_json
from pytest_soak.live.channels import ChannelFault, Context, Delivery, Present
from pytest_soak.live.http_client import HttpClient, http_client
from pytest_soak.live.original import Original, as_not_delivered
from pytest_soak.live.report_text import echo_in
from pytest_soak.live.sections import ParametersFields
from pytest_soak.store.reading import parse_json_strictly

_ABOUT_BLOCK = (
    "if it takes no other field beside the parameters: target.parameters.soak_block: false sends "
    "no block soak"
)


class ParameterUrl:
    """A writer (:class:`pytest_soak.live.channels.Writer`) that sends to one URL."""

    needs_process = True

    def __init__(
        self, client: HttpClient, method: str, context: Context, *, soak_block: bool = True
    ) -> None:
        self.place = client.endpoint.place
        self.destinations: tuple[str, ...] = (client.endpoint.canonical,)
        self._client = client
        self._method = method
        self._soak_block = soak_block
        self._original = Original(context.folder)

    def open(self) -> None:
        """Keep what a GET gives, if that is a JSON object; else there is no original."""
        if not self._original.is_kept:
            self._original.keep(self._present())

    def present(self) -> Present | None:
        return None

    def deliver(self, delivery: Delivery) -> dict[str, Any] | None:
        data = canonical_json(delivery.sent(soak_block=self._soak_block))
        with as_not_delivered():
            try:
                return echo_in(self._client.request(self._method, data))
            except ChannelFault as fault:
                if fault.name == "refused" and self._soak_block:
                    fault.details += (_ABOUT_BLOCK,)
                raise

    def restore(self) -> None:
        data = self._original.data()
        if data is None:
            text = "has no original to put back: at the begin, GET gave no JSON object"
            raise ChannelFault("not_delivered", self.place, text)
        with as_not_delivered():
            self._client.request(self._method, data)

    def _present(self) -> bytes | None:
        try:
            data = self._client.request("GET")
            return data if isinstance(parse_json_strictly(data), dict) else None
        except (ChannelFault, ValueError):
            return None


def make_http(fields: ParametersFields, context: Context) -> ParameterUrl:
    client = http_client(
        str(fields.http), fields.headers, fields.allow_hosts, fields.timeout_s, context
    )
    return ParameterUrl(client, fields.method, context, soak_block=fields.soak_block)
