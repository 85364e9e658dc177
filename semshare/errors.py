"""The one exception for a user's mistake: the command line shows its message and no traceback."""


class UserError(Exception):
    """A mistake in what the user gave: the message names it, what was found and what was expected."""
