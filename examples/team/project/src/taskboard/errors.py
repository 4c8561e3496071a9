"""What can go wrong, each with a sentence for the person who typed the command."""


class TaskboardError(Exception):
    """Any expected failure; its text is shown as it is."""


class UnknownTaskError(TaskboardError):
    def __init__(self, number: int) -> None:
        super().__init__(f"there is no task #{number}")
        self.number = number


class StatusError(TaskboardError):
    """The task is in a status from which the requested step is not possible."""


class DateError(TaskboardError):
    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is not a date: use today, tomorrow, a weekday, +3d, +2w or YYYY-MM-DD"
        )


class RepeatError(TaskboardError):
    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is not a repeat: use daily, weekly, monthly or 'every 3 days|weeks|months'"
        )


class QueryError(TaskboardError):
    """A query that cannot be read; `column` is where, counted from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"{message} (column {column})")
        self.column = column


class StoreError(TaskboardError):
    """The file cannot be read or written, or holds something else than tasks."""
