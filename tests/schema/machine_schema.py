"""What `plugbay schema` prints, as Debian's python3-jsonschema understands it.

    machine_schema.py SCHEMA FILE...    says what the validator finds wrong in each machine file; status 1 if anything

The validator is a stock one and knows nothing of Plugbay; machine files have comments, which are taken out before.
"""

import json
import sys

import jsonschema


def without_comments(text):
    """Blanks in place of comments, so that what is left stays where it was."""
    result, at = [], 0
    while at < len(text):
        if text[at] == '"':
            end = at + 1
            while end < len(text) and text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            end += 1
            result.append(text[at:end])
        elif text.startswith("//", at):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
        elif text.startswith("/*", at):
            end = text.index("*/", at) + 2
            result.append(" " * (end - at))
        else:
            end = at + 1
            result.append(text[at])
        at = end
    return "".join(result)


def read_machine(path):
    with open(path, encoding="utf-8") as file:
        return json.loads(without_comments(file.read()))


def read_schema(path):
    """A validator, of a schema that is itself a good one of the draft that it names."""
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    kind = jsonschema.validators.validator_for(schema, default=None)
    if kind is None:
        raise SystemExit(f"the validator does not know {schema.get('$schema')}")
    kind.check_schema(schema)
    return kind(schema)


def mistakes(validator, machine):
    """Where and what, one a mistake."""
    found = sorted(validator.iter_errors(machine), key=lambda error: error.json_path)
    return [f"{error.json_path}: {error.message}" for error in found]


def main(arguments):
    if len(arguments) < 2:
        raise SystemExit(__doc__)
    validator = read_schema(arguments[0])
    wrong = False
    for path in arguments[1:]:
        for mistake in mistakes(validator, read_machine(path)):
            print(f"{path}: {mistake}")
            wrong = True
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
