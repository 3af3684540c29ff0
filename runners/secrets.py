"""Reading ``config.yaml``: YAML, taken strictly, with secrets filled in.

    !secret name   the whole value; from the credential of that name, from ``secrets.yaml`` beside
                   the configuration, then from the environment variable DARKSTAR_<NAME>
    ${NAME}        inside a text; the same, from the environment: NAME, then DARKSTAR_<NAME>

Credentials are files that systemd puts into ``$CREDENTIALS_DIRECTORY`` for one service alone
(``LoadCredential=``). Among them a file ``secrets.yaml`` takes the place of the one beside the
configuration, which may then be root's alone. A credential's last line break is no part of it.

A ``${NAME}`` inside a URL is percent-quoted where that is decoded again (login, path, query), so
that the database gets the secret to the letter. In ``secrets.yaml`` every value is text as it is
written: ``0123456`` and ``no`` are no numbers or truth values there.

Every value that came from either is a ``pydantic.SecretStr``: it prints as asterisks wherever it
goes, until the one place that opens the connection asks for it. Stricter than YAML: a key twice in
a mapping is refused, with both lines. The reader is libyaml's where it is there (ten times faster).
"""

import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from pydantic import SecretStr

from runners.errors import ConfigError, Problem, shown

__all__ = ["SECRETS_FILE", "Secrets", "read_config_yaml", "secrets_in_use"]

SECRETS_FILE = "secrets.yaml"
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_MERGE_TAG = "tag:yaml.org,2002:merge"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOGIN = re.compile(r"[^:/]*(?::[^@]*)?@")  # of a URL, after ://; as SQLAlchemy takes it apart
_MAX_BITS = 63
_SECRET_MISUSED = f"!secret takes one name, and has no place in {SECRETS_FILE}; write the value"
_QUOTE_IT = "is no `name: value` line of YAML; put single quotes around the value here"


@dataclass(slots=True, kw_only=True)
class Secrets:
    """Looks secrets up and collects those that are missing.

    Attributes:
        stored: what ``secrets.yaml`` holds, as text.
        environment: variables by name.
        credentials: folder of files, one a secret; None: there is none.
        problems: one for each secret that was asked for and not found.
    """

    stored: Mapping[str, str] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    credentials: Path | None = None
    problems: list[Problem] = field(default_factory=list)

    def tagged(self, name: str, line: int) -> SecretStr:
        """Return the secret of a ``!secret name`` on a line of the configuration."""
        found = self._find(name, (f"DARKSTAR_{name.upper()}",), f"line {line}", f"!secret {name}")
        return SecretStr(found)

    def expanded(self, text: str, line: int) -> str | SecretStr:
        """Return ``text`` with each ``${NAME}`` filled in; a SecretStr if there was one."""
        if "${" not in text:
            return text

        def fill(match: re.Match[str]) -> str:
            name = match.group(1)
            variables = (name, f"DARKSTAR_{name.upper()}")
            found = self._find(name, variables, f"line {line}", match.group(0))
            return _in_url(found, text, match.start())

        return SecretStr(_REFERENCE.sub(fill, text))

    def _find(self, name: str, variables: tuple[str, ...], key: str, reference: str) -> str:
        """Look in all places, in their order; note a problem where it is in none of them."""
        if not _NAME.fullmatch(name):
            want = "a secret is named by letters, digits and _; correct the name"
            self.problems.append(Problem(key, reference, want))
            return ""
        if self.credentials is not None and (self.credentials / name).exists():
            return _read_text(self.credentials / name, "check LoadCredential=").removesuffix("\n")
        if name in self.stored:
            return self.stored[name]
        for variable in variables:
            if variable in self.environment:
                return self.environment[variable]
        places = " or ".join(variables)
        message = (
            f"this secret is missing; add `{name}: ...` to {SECRETS_FILE} beside the "
            f"configuration, or set the environment variable {places}"
        )
        self.problems.append(Problem(key, reference, message))
        return ""


def _in_url(secret: str, text: str, place: int) -> str:
    """Return a secret as it must stand at ``place`` of ``text``, so that decoding gives it back.

    Scheme, host and port are never decoded. A path is by SQLAlchemy 2.1 and not by 2.0, so there
    only the two characters that would be misread are quoted.
    """
    scheme, separator, rest = text.partition("://")
    inside = place - len(scheme) - len(separator)
    if not separator or inside < 0:
        return secret
    login = _LOGIN.match(rest)
    login_end = login.end() if login else 0
    before = rest[login_end:inside]
    if inside < login_end or "?" in before:
        return quote(secret, safe="")
    return secret.replace("%", "%25").replace("?", "%3F") if "/" in before else secret


class _Loader(_Base):  # type: ignore[misc]
    """A safe loader that refuses double keys and knows secrets."""

    secrets: Secrets | None = None

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problems: list[Problem] = []

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - the signature of yaml
        """Note values that YAML takes for a date or a number, and Python does not."""
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, LookupError, AttributeError) as err:
            fault = f"{err}; correct it" if isinstance(err, ValueError) else "is no such value"
            return self._refuse(node, fault)
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            return self._refuse(node, "more than any key takes; write a number of fewer digits")
        return value

    def _refuse(self, node: yaml.Node, message: str) -> None:
        """Note a value that cannot be used."""
        line = f"line {node.start_mark.line + 1}"
        self.problems.append(Problem(line, shown(node.value), message))

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - the signature of yaml
        """Note every key that a mapping has twice."""
        self.problems += _double_keys(node)
        return super().construct_mapping(node, deep=deep)


def _double_keys(node: yaml.Node) -> Iterator[Problem]:
    """Yield a problem for every key that a mapping has twice."""
    lines: dict[object, int] = {}
    for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE_TAG:
            continue
        line = key_node.start_mark.line + 1
        if key_node.value in lines:
            message = f"the key is already on line {lines[key_node.value]}; keep one of the two"
            yield Problem(f"line {line}", key_node.value, message)
        lines.setdefault(key_node.value, line)


def _construct_secret(loader: _Loader, node: yaml.Node) -> SecretStr:
    """Look up what a ``!secret`` names."""
    line = node.start_mark.line + 1
    if loader.secrets is None or not isinstance(node, yaml.ScalarNode):
        loader.problems.append(Problem(f"line {line}", "!secret", _SECRET_MISUSED))
        return SecretStr("")
    return loader.secrets.tagged(node.value, line)


def _construct_text(loader: _Loader, node: yaml.ScalarNode) -> str | SecretStr:
    """Fill in ``${NAME}``."""
    if loader.secrets is None:
        return str(node.value)
    return loader.secrets.expanded(str(node.value), node.start_mark.line + 1)


_Loader.add_constructor("!secret", _construct_secret)
_Loader.add_constructor("tag:yaml.org,2002:str", _construct_text)


def read_config_yaml(path: Path, *, secrets_file: Path | None = None) -> dict[str, Any]:
    """Return the mapping in a configuration file, secrets filled in.

    Args:
        path: the file.
        secrets_file: its secrets; None: ``secrets.yaml`` beside it.

    Raises:
        ConfigError: no such file, no YAML, a double key, a missing secret, or no mapping.
    """
    text = _read_text(path, "run `darkstar init` to write one, or name yours with --config")
    credentials = os.environ.get(_CREDENTIALS)
    folder = Path(credentials) if credentials else None
    stored = _all_stored(secrets_file or path.parent / SECRETS_FILE, folder)
    secrets = Secrets(stored=stored, environment=os.environ, credentials=folder)
    raw = _mapping(path, text, secrets)
    if not raw:
        message = "the file is empty; run `darkstar init --force` to write one that works"
        raise ConfigError(str(path), [Problem("", "", message)])
    return raw


def secrets_in_use(config: Path) -> Path:
    """Return where ``secrets.yaml`` is, if it is: the credential, else beside the configuration."""
    credentials = os.environ.get(_CREDENTIALS)
    if credentials and (given := Path(credentials) / SECRETS_FILE).exists():
        return given
    return config.parent / SECRETS_FILE


def _all_stored(beside: Path, credentials: Path | None) -> dict[str, str]:
    """Return what ``secrets.yaml`` holds: the credential, else the one beside the configuration."""
    if credentials is not None and (given := credentials / SECRETS_FILE).exists():
        return _stored(given, _read_text(given, "check LoadCredential="))
    if not beside.exists():
        return {}
    stored = _stored(beside, _read_text(beside, "check its rights"))
    _warn_if_open(beside)
    return stored


def _warn_if_open(path: Path) -> None:
    """Warn on stderr of secrets that are not their owner's alone; rights as POSIX has them."""
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        sys.stderr.write(f"{path} can be read by others; run: chmod 600 {path}\n")


def _read_text(path: Path, hint: str) -> str:
    """Read a file, or say why not."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(str(path), [Problem("", "", f"no such file; {hint}")]) from None
    except UnicodeDecodeError as err:
        message = f"byte {err.start} is no UTF-8; save the file as UTF-8"
        raise ConfigError(str(path), [Problem("", "", message)]) from None
    except OSError as err:
        raise ConfigError(str(path), [Problem("", "", f"{err.strerror}; {hint}")]) from None


def _stored(path: Path, text: str) -> dict[str, str]:
    """Return ``secrets.yaml``: names to values, as they are written; messages quote no value.

    A name without a value is left out, so that the environment is asked.
    """
    try:
        problems = _odd_secrets(text)
        root = yaml.compose(text, Loader=_Base)
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        key = f"line {mark.line + 1}" if mark else ""
        raise ConfigError(str(path), [Problem(key, "", _QUOTE_IT)]) from None
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        problems.append(Problem("", "", "holds no mapping, want `name: value` lines"))
        raise ConfigError(str(path), problems)
    problems += _double_keys(root)
    for name, value in root.value:
        if not (isinstance(name, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)):
            line = f"line {name.start_mark.line + 1}"
            message = "a secret is one text; write `name: value`, and put quotes around the value"
            problems.append(Problem(line, "", message))
    if problems:
        raise ConfigError(str(path), problems)
    return {name.value: value.value for name, value in root.value if value.value or value.style}


def _odd_secrets(text: str) -> list[Problem]:
    """Return a problem for each value that YAML takes for a tag, an anchor or an alias."""
    problems: list[Problem] = []
    for event in yaml.parse(text, Loader=_Base):
        tag = getattr(event, "tag", None)
        if tag is not None or getattr(event, "anchor", None) is not None:
            message = _SECRET_MISUSED if tag == "!secret" else _QUOTE_IT
            line = f"line {event.start_mark.line + 1}" if event.start_mark else ""
            problems.append(Problem(line, "", message))
    return problems


def _mapping(path: Path, text: str, secrets: Secrets) -> dict[str, Any]:
    """Parse YAML into its top-level mapping."""
    loader = _Loader(text)
    loader.secrets = secrets
    try:
        raw = loader.get_single_data()
    except yaml.YAMLError as err:
        raise ConfigError(str(path), [_syntax(err, text)]) from None
    except RecursionError:
        message = "sections within sections, too deep to read; remove the innermost"
        raise ConfigError(str(path), [Problem("", "", message)]) from None
    finally:
        loader.dispose()
    problems = loader.problems + secrets.problems
    if raw is not None and not isinstance(raw, dict):
        message = f"holds a {type(raw).__name__}, want `key: value` lines at the top"
        problems.append(Problem("", "", message))
    if problems:
        raise ConfigError(str(path), problems)
    return {str(key): value for key, value in (raw or {}).items()}


def _syntax(err: yaml.YAMLError, text: str) -> Problem:
    """Say in which line YAML stopped, and why that usually happens."""
    mark = getattr(err, "problem_mark", None)
    if mark is None:
        return Problem("", "", f"is no YAML ({err}); remove the odd characters")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    key = f"line {mark.line + 1}, column {mark.column + 1}"
    value = shown(line.strip())
    if "\t" in line:
        return Problem(key, value, "a tab; YAML is indented with spaces, replace it by spaces")
    what = getattr(err, "problem", None) or "a syntax error"
    return Problem(
        key, value, f"{what}; check indentation, the colon and quotes here and in the line before"
    )
