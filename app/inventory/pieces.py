"""What shapes of hosts.yaml are made of: checked texts, numbers and lists; contributed shapes use them as well."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from app.inventory import address
from app.inventory.address import check_name


def checked(check: Callable[[str], object]) -> AfterValidator:
    """A check that raises ValueError in words, as pydantic takes it; the text itself stays as it was."""

    def run(value: str) -> str:
        try:
            check(value)
        except ValueError as error:
            raise PydanticCustomError("words", "{words}", {"words": str(error)}) from None
        return value

    return AfterValidator(run)


def plain(what: str, pattern: str) -> Callable[[str], None]:
    """A check that a text matches a pattern; ``what`` says why not."""
    expression = re.compile(pattern)

    def check(value: str) -> None:
        if not expression.fullmatch(value):
            raise ValueError(what)

    return check


def _check_ordered(pair: list[float]) -> list[float]:
    if len(pair) == 2 and pair[0] > pair[1]:
        words = "out of order: the warning comes first and must not be above the critical value"
        raise PydanticCustomError("words", "{words}", {"words": words})
    return pair


def shape(value: Any) -> str:
    """Which of a value's allowed shapes is meant; what fits none is said of the text."""
    for kind, name in ((bool, "true or false"), (dict, "mapping"), (list, "list"), (BaseModel, "mapping")):
        if isinstance(value, kind):
            return name
    return "text"


Name = Annotated[str, checked(check_name)]
Host = Annotated[str, checked(address.check_host)]
User = Annotated[str, checked(address.check_user)]
Where = Annotated[str, checked(address.parse)]
Jump = Annotated[str, checked(address.check_jump)]
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, Field(min_length=1)]
Pattern = Annotated[str, Field(min_length=1, description="a name, a glob, @tag or !without, separated by commas")]
Percent = Annotated[float, Field(ge=0, le=100)]
Levels = Annotated[
    list[Percent],
    Field(min_length=2, max_length=2, description="warning and critical, in percent"),
    AfterValidator(_check_ordered),
]
OneOrMany = Annotated[
    Annotated[Text, Tag("text")] | Annotated[list[Text], Tag("list")],
    Discriminator(shape),
]
Seconds = Annotated[float, Field(ge=0.2, le=86400, description="seconds")]


class Strict(BaseModel):
    """No unknown keys, no guessing of types."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)
