"""The web stage's config: from WARC files to clean, deduplicated documents. The settings are in settings.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.shared.contract import InputFile, StagePlan
from stages.shared.errors import ConfigError
from stages.web.plan import Load, make_steps, make_units, outputs, unit_files
from stages.web.read.names import check_names
from stages.web.seen_settings import check_seen
from stages.web.settings import WebSettings
from stages.web.urls.lists import KINDS_OF_LIST, read_list

UNKNOWN_MB = 1000.0
"""Estimated size of an input file of unknown size: a file of Common Crawl."""


class WebConfig(WebSettings):
    """RefinedWeb's chain, from WARC files to deduplicated documents."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps; those that read, filter and write pages have one unit for each group of files.

        Reads the user's lists and the settings of indexes: what they hold decides whether the run can succeed.
        """
        groups = unit_files(inputs["inputs"], self.files_per_unit)
        if not groups:
            raise ConfigError("inputs", self.inputs, "at least one WARC or WET file")
        check_names(inputs["inputs"])
        self._check_lists(inputs.get("url_lists", ()))
        check_seen([file for file in inputs.get("seen", ()) if not file.section], self.dedup)
        mb = sum(file.mb or UNKNOWN_MB for file in inputs["inputs"]) / len(groups)
        load = Load(make_units(groups), mb, has_choice=self.language.languages is not None)
        return StagePlan(steps=make_steps(self, load), outputs=outputs(self, load))

    @staticmethod
    def _check_lists(files: Sequence[InputFile]) -> None:
        for file in files:
            if file.source not in KINDS_OF_LIST:
                wanted = f"a mapping whose keys are of {', '.join(KINDS_OF_LIST)} (for example blocked: mine.txt)"
                raise ConfigError("url_lists", file.source, wanted)
            if file.path.exists():
                read_list(file.path, file.source)


Config = WebConfig
