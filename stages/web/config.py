"""The web stage's config: from WARC files to clean, deduplicated documents. The settings are in settings.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.shared.contract import InputFile, StagePlan
from stages.shared.errors import ConfigError
from stages.web.plan import Load, make_steps, make_units, outputs, unit_files
from stages.web.settings import WebSettings
from stages.web.urls.lists import KINDS_OF_LIST

UNKNOWN_MB = 1000.0
"""Estimated size of an input file of unknown size: a file of Common Crawl."""


class WebConfig(WebSettings):
    """RefinedWeb's chain, from WARC files to deduplicated documents."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps; those that read, filter and write pages have one unit for each group of files."""
        groups = unit_files(inputs["inputs"], self.files_per_unit)
        if not groups:
            raise ConfigError("inputs", self.inputs, "at least one WARC or WET file")
        self._check_lists(inputs.get("url_lists", ()))
        mb = sum(file.mb or UNKNOWN_MB for file in inputs["inputs"]) / len(groups)
        load = Load(make_units(groups), mb, has_choice=self.language.languages is not None)
        return StagePlan(steps=make_steps(self, load), outputs=outputs(self, load))

    @staticmethod
    def _check_lists(files: Sequence[InputFile]) -> None:
        for file in files:
            if file.source not in KINDS_OF_LIST:
                wanted = f"a mapping whose keys are of {', '.join(KINDS_OF_LIST)} (for example blocked: mine.txt)"
                raise ConfigError("url_lists", file.source, wanted)


Config = WebConfig
