"""YAML in which no key may stand twice: plain YAML lets the last of two win without a word."""

from __future__ import annotations

from typing import Any

import yaml

# `<<`: what it brings may be given again, that is what it is for.
_MERGE = "tag:yaml.org,2002:merge"
# What PyYAML's constructors raise where a tag says what its value is not: `!!map a`, `!!bool x`.
_MISTAGGED = (TypeError, AttributeError, LookupError)


class _StrictLoader(yaml.SafeLoader):
    """Looks at each mapping as it is written, before merge keys bring others into it."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            name = self.construct_object(key)  # type: ignore[no-untyped-call]
            line = key.start_mark.line + 1
            if name in lines:
                where = f"lines {lines[name]} and {line}" if line != lines[name] else f"line {line}"
                raise yaml.YAMLError(f"the key '{name}' stands twice, in {where}")
            lines[name] = line
        return node


def load_yaml(text: str) -> Any:
    """The value of one YAML document, of plain types only.

    Raises:
        yaml.YAMLError: it is not YAML, or a mapping has a key twice (named, with both lines).
    """
    try:
        return yaml.load(text, _StrictLoader)
    except ValueError as error:  # a date that no calendar has
        raise yaml.YAMLError(str(error)) from error
    except RecursionError as error:
        raise yaml.YAMLError("lists or mappings within each other, too many to be read") from error
    except _MISTAGGED as error:
        raise yaml.YAMLError(f"a tag (!!) does not fit its value ({error})") from error
