"""What pydantic finds wrong in ``config.yaml``, as lines that tell a person what to mend."""

import difflib
import re
import typing
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from runners.errors import Problem, shown

__all__ = ["did_you_mean", "validation_problems"]

_STORE_URL = ("store", "url")
_TOKENS = (("home_assistant", "token"), ("publish", "token"))
_MIRROR_LOGIN = (("mirror", "user"), ("mirror", "password"))
_SENSORS = "input_sensors"


def validation_problems(
    err: ValidationError, model: type[BaseModel], raw: dict[str, Any]
) -> list[Problem]:
    """Return one problem for each fault pydantic found; one for all sensors in a wrong place."""
    problems: dict[Problem, None] = {}
    for found in err.errors(include_url=False):
        loc = found["loc"]
        lost = found["type"] == "extra_forbidden" and _is_lost_sensor(model, loc)
        problem = _lost_sensors(loc) if lost else _problem(dict(found), model, raw)
        problems[problem] = None
    return list(problems)


def _is_lost_sensor(model: type[BaseModel], loc: tuple[int | str, ...]) -> bool:
    """Return whether an unknown key of ``home_assistant`` is one of ``input_sensors``."""
    if loc[-2:-1] != ("home_assistant",):
        return False
    sensors = _model_at(model, (*loc[:-2], _SENSORS))
    return loc[-1] == _SENSORS or (sensors is not None and loc[-1] in sensors.model_fields)


def _lost_sensors(loc: tuple[int | str, ...]) -> Problem:
    key = ".".join(str(part) for part in (*loc[:-1], _SENSORS))
    message = (
        "stands inside home_assistant, want it beside; indent `input_sensors:` as deep as "
        "`home_assistant:`, and its entities two deeper"
    )
    return Problem(key, "", message)


def _problem(found: dict[str, Any], model: type[BaseModel], raw: dict[str, Any]) -> Problem:
    """Translate one pydantic error."""
    path = _written_path(found["loc"], raw)
    key, given = ".".join(str(part) for part in path if part != "[key]"), found.get("input")
    owner = _model_at(model, found["loc"][:-1])
    if isinstance(given, SecretStr) and not (
        _is_secret(found["loc"]) and found["type"] == "refused"
    ):
        message = (
            "a secret is allowed in store.url, token and the mirror's user and password alone; "
            "write the value itself"
        )
        return Problem(key, "(secret)", message)
    kind = found["type"]
    if kind == "extra_forbidden":
        known = tuple(owner.model_fields) if owner else ()
        return Problem(key, "", f"unknown key; {_key_fix(str(path[-1]), known)}")
    help_text = _description(owner, found["loc"])
    if kind == "missing":
        return Problem(key, "", f"missing; add {help_text or 'it'}")
    hidden = isinstance(given, dict | BaseModel) or _is_secret(found["loc"])
    value = "" if hidden else shown(given)
    return Problem(key, value, _message(found, given, help_text))


def _is_secret(loc: tuple[int | str, ...]) -> bool:
    """Return whether a key holds a secret, however it was written."""
    return loc == _STORE_URL or loc[-2:] in _TOKENS or loc in _MIRROR_LOGIN


def _message(found: dict[str, Any], given: object, help_text: str) -> str:
    """Say what is wrong with a value, and what would be right."""
    kind, context = found["type"], found.get("ctx", {})
    if kind == "refused":
        return str(found["msg"])
    if found["loc"][-1] == "[key]":
        return "a key here is text of 1 to 64 characters (EUR for a currency); put quotes around it"
    fault = f"{found['msg'][:1].lower()}{found['msg'][1:]}"
    for name, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most")):
        if name in context:
            fault = f"must be {words} {context[name]:g}"
    want = f"want {help_text}" if help_text else "correct it"
    return f"{_wrong_type(kind, given) or fault}; {want}"


def _wrong_type(kind: str, given: object) -> str:
    """Say what is wrong where something else than wanted was written."""
    if given is None:
        return "nothing is written here; remove the key, or write a value"
    if isinstance(given, bool):
        return "YAML reads yes, no, on, off and true as truth values; put quotes around a text"
    if kind in {"model_type", "dict_type"}:
        return "is no section; write `key: value` lines under this key"
    if kind == "list_type":
        return "is no list; write lines that begin with `- ` under this key"
    if kind in {"float_type", "int_type"} and isinstance(given, str):
        plain = given.replace(",", ".").split(" ")[0]
        number = re.fullmatch(r"[+-]?\d+(\.\d*)?", plain)
        return f"is no number; write {plain if number else 'a number, without unit or quotes'}"
    return ""


def did_you_mean(got: str, known: tuple[str, ...]) -> str:
    """Return the fix for an unknown name: the nearest one, or all there are."""
    near = difflib.get_close_matches(got, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"


def _key_fix(got: str, known: tuple[str, ...]) -> str:
    """Return the fix for an unknown key, which a newer Darkstar may know."""
    return f"{did_you_mean(got, known)} (Or was this written for a newer Darkstar?)"


def _written_path(loc: tuple[int | str, ...], raw: object) -> list[int | str]:
    """Return the part of ``loc`` that the file really has; the rest is how it was normalised."""
    path: list[int | str] = []
    for part in loc:
        if not isinstance(raw, dict | list):
            break
        if isinstance(part, int) and isinstance(raw, dict) and part not in raw:
            continue  # one mapping, taken as a list of one
        path.append(part)
        try:
            raw = raw[part]  # type: ignore[call-overload,index,unused-ignore]
        except (KeyError, IndexError, TypeError):
            break
    return path


def _model_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the model that reads the mapping at ``loc``."""
    found: type[BaseModel] | None = model
    for part in loc:
        if found is None:
            return None
        field = found.model_fields.get(str(part))
        if field is not None:
            found = _model_in(field.annotation)
    return found


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the first model inside an annotation such as ``list[Plane] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(part) for part in typing.get_args(annotation))
    return next((model for model in inner if model is not None), None)


def _description(owner: type[BaseModel] | None, loc: tuple[int | str, ...]) -> str:
    """Return what the field at ``loc`` wants, in the words of its description."""
    field = owner.model_fields.get(str(loc[-1])) if owner and loc else None
    return (field.description or _words(field.annotation)) if field else ""


def _words(annotation: object) -> str:
    """Return the description inside an annotation such as ``CurrencyCode | None``."""
    for part in typing.get_args(annotation):
        words = part.description if isinstance(part, FieldInfo) else _words(part)
        if words:
            return words
    return ""
