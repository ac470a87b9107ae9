"""The parameters as values in a YAML file, of which nothing else is changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import ChannelFault, Context, Delivery, Present, plain_value
from pytest_soak.live.destination_file import DestinationFile
from pytest_soak.live.files import canonical_name, file_place
from pytest_soak.live.sections import ParametersFields
from pytest_soak.live.yaml_numbers import YamlError, scalars_at, with_values
from pytest_soak.messages import nearest, shown
from pytest_soak.profile.parameter import Outer

LARGEST_YAML = 1_000_000
"""Bytes; reading a larger file takes seconds."""


class ParameterYaml:
    """A writer (:class:`pytest_soak.live.channels.Writer`) of a file that the bot's user wrote.

    The file has no place for the number of a delivery.
    """

    needs_process = False

    def __init__(
        self,
        place: Path,
        keys: Mapping[str, tuple[str, ...]],
        folder: Path,
        words: Collection[str] = (),
    ) -> None:
        """``keys`` has for each parameter the path of its value in the file.

        ``words`` are the parameters whose values are switches or texts.
        """
        self.place = str(place)
        self.destinations: tuple[str, ...] = (canonical_name(place),)
        self._keys = keys
        self._words = words
        self._file = DestinationFile(place, folder, max_bytes=LARGEST_YAML)

    def open(self) -> None:
        self.present()
        self._file.keep_original()

    def present(self) -> Present:
        try:
            scalars = scalars_at(self._text(), self._keys, self._words)
        except YamlError as error:
            raise self._fault(str(error)) from None
        return Present(0, {parameter: scalar.value for parameter, scalar in scalars.items()})

    def deliver(self, delivery: Delivery) -> None:
        text = self._text()
        try:
            changed = with_values(text, self._keys, self._values(delivery), self._words)
        except YamlError as error:
            raise self._fault(str(error)) from None
        data = changed.encode("utf-8")
        self._file.replace(data)
        if self._file.data() != data:
            raise self._fault("was read back with other bytes: another process writes this file")

    def restore(self) -> None:
        self._file.restore()

    def _text(self) -> str:
        data = self._file.data()
        if data is None:
            raise self._fault("does not exist; a YAML file is changed, and not made")
        try:
            return data.decode("utf-8")  # with its byte order mark, if there is one
        except UnicodeDecodeError as error:
            raise self._fault(f"is not UTF-8 (byte {error.start})") from None

    def _values(self, delivery: Delivery) -> dict[str, Outer]:
        for parameter in self._keys:
            if plain_value(delivery.values.get(parameter)) is None:
                raise self._fault(f"needs a value of {parameter}, and the delivery has none")
        return {parameter: delivery.values[parameter] for parameter in self._keys}

    def _fault(self, text: str) -> ChannelFault:
        return ChannelFault("not_delivered", self.place, text)


def make_yaml(fields: ParametersFields, context: Context) -> ParameterYaml:
    place = file_place(str(fields.yaml), context, ("yaml",))
    keys = checked_keys(fields.keys, context.paths)
    return ParameterYaml(place, keys, context.folder, context.words)


def checked_keys(
    keys: Mapping[str, str], parameters: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """``keys`` with split paths. Raises WrongValueError unless each parameter has one of its own.

    A parameter without a path would be tuned without any effect.
    """
    places: dict[str, str] = {}
    for parameter, path in keys.items():
        where = ("keys", parameter)
        if parameter not in parameters:
            problem = f"there is no such parameter{nearest(parameter, parameters)}"
            raise WrongValueError(where, problem)
        if not all(path.split(".")):
            raise WrongValueError(where, f"{shown(path)} is no path of keys, as in 'risk.spread'")
        if path in places:
            raise WrongValueError(where, f"{path} is the path of {places[path]} already")
        places[path] = parameter
    missing = [parameter for parameter in parameters if parameter not in keys]
    if missing:
        problem = f"has no path for {', '.join(missing)}; without one it would not reach the target"
        raise WrongValueError(("keys",), problem)
    return {parameter: tuple(path.split(".")) for parameter, path in keys.items()}
