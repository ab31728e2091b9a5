"""What a run knows beside the config: where it deploys to, and today's date."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Context:
    """Settled once, in the shell: flag first, then the config's own key, then the environment (or STS).

    `None` means that no one said it. Commands that derive names refuse that; `validate` warns.
    """

    region: str | None
    account: str | None
    today: date
