"""Prints the settings that coverage itself reads in the current folder, as JSON. Loads no plugin, traces nothing.

Run as `python -I coverage_settings.py` with an empty environment, so that `${NAME}` in a settings file finds no secret.
"""

from __future__ import annotations

import json
import sys

OPTIONS = {
    "branch": "run:branch",
    "source": "run:source",
    "run_omit": "run:omit",
    "run_include": "run:include",
    "report_omit": "report:omit",
    "report_include": "report:include",
    "exclude_lines": "report:exclude_lines",
    "exclude_also": "report:exclude_also",
    "partial_branches": "report:partial_branches",
    "partial_branches_always": "report:partial_branches_always",
    "plugins": "run:plugins",
    "fail_under": "report:fail_under",
}


def main() -> int:
    import coverage
    from coverage.exceptions import CoverageException

    try:
        settings = coverage.Coverage(data_file=None, config_file=True)
    except CoverageException as error:
        sys.stdout.write(json.dumps({"problem": str(error)}))
        return 0
    sys.stdout.write(json.dumps({name: settings.get_option(option) for name, option in OPTIONS.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
