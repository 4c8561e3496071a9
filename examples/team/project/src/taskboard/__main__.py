"""`python -m taskboard`."""

from taskboard.cli import main

raise SystemExit(main())
