"""Fields of a configuration on the command line: `--config_overrides hidden_size=64,hidden_act=relu`."""

import json


def parse_options(text: str | None) -> dict:
    """'a=1,b=x' → {'a': 1, 'b': 'x'}; numbers, true, false and null are recognised."""
    options = {}
    for item in filter(None, (text or "").split(",")):
        name, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"{item!r} is not of the form name=value")
        try:
            options[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            options[name.strip()] = value
    return options
