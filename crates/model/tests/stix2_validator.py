"""Asks stix2-validator (PyPI) about STIX, one JSON value a line on standard input.

Each answer is one JSON line: {"valid": bool, "errors": [...], "warnings": n}. With `--examples` it
prints the example bundles that the package ships instead, one a line. Used by stix2_validator.rs.
"""

import json
import os
import pathlib
import sys

import stix2validator
from stix2validator import ValidationOptions, validate_parsed_json


def verdict(value):
    options = ValidationOptions(version="2.1")
    try:
        result = validate_parsed_json(value, options)
        if isinstance(result, list):
            result = result[0]
        errors = [str(error) for error in result.errors]
        return {"valid": result.is_valid, "errors": errors, "warnings": len(result.warnings)}
    except Exception as error:  # what it cannot read at all it raises
        return {"valid": False, "errors": [f"raised {type(error).__name__}: {error}"], "warnings": 0}


def main():
    # Its notices would stand between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if sys.argv[1:] == ["--examples"]:
        folder = pathlib.Path(stix2validator.__file__).parent / "schemas-2.1" / "examples"
        for path in sorted(folder.rglob("*.json")):
            answers.write(json.dumps(json.loads(path.read_text(encoding="utf-8"))) + "\n")
        return
    for line in sys.stdin:
        answers.write(json.dumps(verdict(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
