"""Why something of a contract is not translated."""


class NotTranslatedError(Exception):
    """It has no expression in the engine that is proven to say the same; with reason and fix."""

    def __init__(self, reason: str, fix: str) -> None:
        self.reason = reason
        self.fix = fix
        super().__init__(f"{reason}. {fix}")
