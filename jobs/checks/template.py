"""Checks of a site's own batch script: that it is a template, and that it keeps the launcher's two acts."""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import meta

from jobs.checks.finding import Finding
from jobs.plan.cluster import Cluster
from jobs.submit.render import batch_templates, job_template, template_text
from stages.shared.errors import StagecoachError

ABOUT = "the batch script"
ACTS = ("worker", "attempt_end")
"""Values whose words each script must hold."""
REMEDY = "See templates/sbatch/job.sh.j2; `launch.py plan RECIPE --sbatch` renders the script of each job."


def findings(cluster: Cluster) -> Iterator[Finding]:
    """Yield findings about the template of a cluster file; none if the launcher's own is used."""
    if cluster.template is None:
        return
    try:
        job_template(cluster)
    except StagecoachError as error:
        yield Finding(ABOUT, "fail", str(error), REMEDY)
        return
    text = batch_templates().parse(template_text(cluster.template))
    extends = any(True for _name in meta.find_referenced_templates(text))
    lost = [f"{{{{ {act} }}}}" for act in ACTS if act not in meta.find_undeclared_variables(text)]
    if lost and not extends:
        yield Finding(ABOUT, "fail", f"{cluster.template} lacks {' and '.join(lost)}", REMEDY)
    else:
        yield Finding(ABOUT, "ok", f"{cluster.template} {'extends the launcher’s' if extends else 'is whole'}")
