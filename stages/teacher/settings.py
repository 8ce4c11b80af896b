"""Settings of a teacher: an endpoint that speaks OpenAI's API, and what may be spent on it."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from stages.shared.contract import Section


class BudgetSettings(Section):
    """The most that a step may spend, over all elements and attempts. A request that could exceed it is not sent."""

    requests: int | None = Field(default=None, ge=1)
    """Requests; null: no limit. This and the limits below count the answers that were paid for, not those reused."""
    tokens: int | None = Field(default=None, ge=1)
    """Tokens of prompts and answers."""
    cost: float | None = Field(default=None, gt=0)
    """Money, in the currency of the prices."""
    price_in: float = Field(default=0.0, ge=0)
    """Price of a million tokens of prompts."""
    price_out: float = Field(default=0.0, ge=0)
    """Price of a million tokens of answers."""

    @model_validator(mode="after")
    def _cost_needs_prices(self) -> BudgetSettings:
        if self.cost is not None and not (self.price_in or self.price_out):
            raise ValueError("a budget in money needs price_in and price_out, for example 2.5 and 10")
        return self


class TeacherSettings(Section):
    """An endpoint, how it is asked, and what may be spent."""

    url: str = Field(pattern=r"^https?://")
    """Base URL of the API, such as http://node7:8000/v1. It holds no key: it is written into records."""
    model: str = Field(min_length=1)
    """Name of the model, as the endpoint knows it."""
    key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key. Unset: no key is sent."""
    key_file: str | None = None
    """File that holds the key and that its owner alone may read (mode 0600); used before `key_env`."""
    concurrency: int = Field(default=32, ge=1, le=4096)
    """Requests under way at once, of each element."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Rate that all elements share; null: no limit but the endpoint's own."""
    timeout_s: float = Field(default=120.0, gt=0)
    """Seconds to wait for an answer."""
    attempts: int = Field(default=6, ge=1)
    """Attempts at a request that meets a busy or failing endpoint, with growing pauses."""
    unanswered: int = Field(default=0, ge=0)
    """Requests that may stay without an answer after all attempts. Each is counted; one more fails the unit."""
    budget: BudgetSettings = BudgetSettings()
    replay: bool = False
    """Use stored answers alone, and no network."""

    @field_validator("url")
    @classmethod
    def _url_has_no_secret(cls, value: str) -> str:
        parts = urlsplit(value)
        if "@" in parts.netloc or parts.query or parts.fragment or not parts.hostname:
            raise ValueError("a host and a path alone; a key belongs in key_file or key_env")
        return value

    @property
    def host(self) -> str:
        """Host of the endpoint, with its port."""
        return urlsplit(self.url).netloc


class WriterSettings(TeacherSettings):
    """A teacher whose answers stay in the run's folder, or go to another one."""

    answers: str | None = Field(default=None, pattern=r"^[/~]")
    """Folder of stored answers, such as that of an earlier run, from `/` or `~`; null: `answers/<section>` in the run's
    folder."""
