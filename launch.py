#!/usr/bin/env python3
"""The command line: parses a verb, finds or makes the environment, calls jobs.verbs.

Standard library alone until the environment exists; never imports torch. `launch.py --help` needs no environment. An
old Python (3.6, RHEL 8's) can run this file up to the point where it hands over to a newer one. The wheel installs the
same command as `stagecoach`.

    launch.py -> jobs/verbs.py -> jobs/submit/dispatch.py -> jobs/submit/render.py      from here to the sbatch text
"""

import argparse
import sys
from typing import Callable, NoReturn  # noqa: UP035  (Python 3.6 has no subscripts of collections.abc.Callable)

PROGRAM = "stagecoach" if sys.argv[0].endswith("/stagecoach") else "launch.py"
COMMAND = PROGRAM if PROGRAM == "stagecoach" else "python3 launch.py"
EPILOG = f"""\
start here:
  {COMMAND} demo                 the whole journey on a made-up web, here, in minutes
  {COMMAND} plan demo            the jobs of that journey, without running them
  {COMMAND} test                 all checks that CI runs

a run on a cluster:
  {COMMAND} doctor --cluster CLUSTER
  {COMMAND} run RECIPE --cluster CLUSTER [--set section.key=value ...]
  {COMMAND} status RUN --watch

Recipes are jobs/recipes/*.yaml, clusters envs/*.yaml; both may also be given as paths.
"""
TAKES = {"run": "name of the run", "recipe": "name in jobs/recipes, or path to a .yaml file"}
CLUSTER_HELP = "name in envs/, path, or `auto`: Slurm where it is installed, else local (default: %(default)s)"
WAIT_HELP = "on Slurm: follow the run to its end, as local runs do"
FAULT_HELP = "plant a fault that fires once (kill, fail, never), such as pretrain@120:kill, to see the run recover"
FAULT = ("--fault", "JOB[/UNIT][@PROGRESS]:KIND", FAULT_HELP)


class Parser(argparse.ArgumentParser):
    """A parser whose errors cannot steer the terminal."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with 2."""
        super().error("".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in message))


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = Parser(
        prog=PROGRAM,
        description="From raw Common Crawl files to a trained, evaluated language model, as Slurm job arrays.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, about: str, takes: str = "", **switches: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        if takes:
            made.add_argument(takes, help=TAKES[takes])
        made.add_argument("--runs", metavar="DIR", help="folder of runs (default: $STAGECOACH_RUNS or ./runs)")
        for flag, meaning in switches.items():
            made.add_argument("--" + flag, action="store_true", help=meaning)
        return made

    def recipe_verb(name: str, about: str, **switches: str) -> argparse.ArgumentParser:
        made = verb(name, about, "" if name == "demo" else "recipe", **switches)
        made.add_argument("--cluster", default="local" if name == "demo" else "auto", help=CLUSTER_HELP)
        repeated(made, "--set", "A.B=C", "override a setting of the recipe; may be repeated")
        made.add_argument("--name", help="name of the run (default: the recipe's, and the cluster's unless local)")
        return made

    def repeated(made: argparse.ArgumentParser, flag: str, form: str, meaning: str) -> None:
        made.add_argument(flag, action="append", default=[], metavar=form, help=meaning)

    def bell(made: argparse.ArgumentParser) -> None:
        made.add_argument("--command", help="shell command that calls people; the message is on its standard input")
        made.add_argument("--webhook-file", metavar="FILE", help="file of mode 0600 with a URL to POST the message to")

    made = recipe_verb("plan", "show the jobs, their resources and cost, what is reused and why; submit nothing")
    form = made.add_mutually_exclusive_group()
    form.add_argument("--sbatch", action="store_true", help="print the batch scripts instead")
    form.add_argument("--json", action="store_true", help="as JSON")
    yes = "ask nothing: neither about half-done work of other settings, nor before a large submission"
    about = "submit what is missing; calling it again does nothing twice"
    made = recipe_verb("run", about, wait=WAIT_HELP, yes=yes)
    repeated(made, *FAULT)
    bell(made)
    about = "evaluate new checkpoints every night, and call people when a task became worse"
    made = recipe_verb("nightly", about, once="one night, now", remove="end the nights of this run")
    made.add_argument("--at", default="02:00", metavar="HH:MM", help="time of the day (default: %(default)s)")
    made.add_argument("--by", choices=("scrontab", "cron", "slurm"), help="scheduler (default: the first that works)")
    bell(made)
    about = "submit failed and lost units again, and repair the jobs that wait for them"
    verify, unasked = "compare the files of all done units with their digests", "ask nothing before a large submission"
    bell(verb("heal", about, "run", verify=verify, wait=WAIT_HELP, yes=unasked))
    strays = "only what the queue holds of earlier settings, or twice"
    verb("cancel", "cancel queued and running jobs; finished units stay", "run", strays=strays)
    add_operations(verb)
    about = "list the files of earlier settings that a run no longer uses; remove them with --yes"
    verb("prune", about, "run", yes="remove them")
    about = "show what other thresholds of a web stage would keep, from stored measures; change nothing"
    repeated(verb("tune", about, "run"), "--set", "A.B=C", "another threshold; may be repeated")
    about = "serve a page, on this machine alone, on which people rank a run's candidates"
    repeated(verb("label", about, "run"), "--set", "A.B=C", "another setting of the page, such as label.port=8765")
    made = verb("chat", "serve a run's models, with OpenAI's API and a page to talk to them", "run")
    made.add_argument("section", nargs="?", help="section with models (default: the last one that trains)")
    repeated(made, "--set", "A.B=C", "another setting of the server, such as chat.port=8765")
    verb("report", "write the report of a run in its present state", "run")
    made = verb("budget", "show which model and how many tokens a budget buys, after Chinchilla")
    for flag, meaning in (("parameters", "7B"), ("tokens", "1.4T"), ("gpu-hours", "10k")):
        made.add_argument(f"--{flag}", metavar="N", help=f"what is given, such as {meaning}")
    made.add_argument("--factor", type=float, default=1.0, help="times Chinchilla's tokens (default: %(default)s)")
    made.add_argument("--gpu", default="h100-80gb", help="type of GPU (default: %(default)s)")
    made.add_argument("--mfu", type=float, default=0.4, help="share of its peak that is used (default: %(default)s)")
    made = verb("doctor", "check this machine or cluster, with a remedy for each problem")
    made.add_argument("--cluster", default="auto", help=CLUSTER_HELP)
    form = made.add_mutually_exclusive_group()
    form.add_argument("--propose", action="store_true", help="print a cluster file for this cluster instead")
    form.add_argument("--json", action="store_true", help="as JSON")
    verb("completion", f"print a script for the shell: source <({PROGRAM} completion)")
    repeated(recipe_verb("demo", "run the whole journey on the sample web and write its report"), *FAULT)
    about = "arguments for pytest, after `--`: only these tests"
    verb("test", "run all checks that CI runs").add_argument("pytest", nargs="*", help=about)
    return parser


def add_operations(verb: "Callable[..., argparse.ArgumentParser]") -> None:
    """Add the verbs that look at runs and that change what is in the queue; `verb` makes one."""
    watch = "again every few seconds until nothing runs or waits"
    verb("status", "show the state of a run and, if it needs you, what to do", "run", json="as JSON", watch=watch)
    as_lines, follow = "as JSON, one message a line", "go on as the log grows, until Ctrl-C"
    made = verb("logs", "print the newest log of a job or of one unit of it", "run", json=as_lines, follow=follow)
    made.add_argument("job", metavar="JOB[/UNIT]", help="such as web.filter or web.filter/3")
    made.add_argument("--rank", type=int, metavar="N", help="only messages of this rank")
    made.add_argument("--level", choices=("info", "warning", "error"), help="only messages of this level or above")
    made.add_argument("--since", metavar="TIME", help="only messages of the last 30s, 10m, 2h or 1d")
    made = verb("nodes", "show the nodes that a run has found bad and avoids", "run", json="as JSON")
    made.add_argument("--clear", action="append", default=[], metavar="NODE", help="forget a node's strikes")
    made = verb("cost", "show what a run has cost and wasted, by job: queue wait, core-hours, lost work", "run")
    form = made.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--csv", action="store_true", help="as CSV")
    form.add_argument("--html", action="store_true", help="as a page")
    verb("runs", "list all runs with their owners and how far they are", json="as JSON")
    made = verb("adjust", "change a run in the queue, and what it submits from now on", "run")
    made.add_argument("job", nargs="*", help="jobs or sections (default: all of the run)")
    made.add_argument("--throttle", type=int, metavar="N", help="elements of a job that may run at once")
    made.add_argument("--exclude", metavar="NODES", help="nodes to avoid, such as n[017-019]")
    made.add_argument("--partition", metavar="NAME", help="partition for what has not started")
    made.add_argument("--time", metavar="LIMIT", help="time limit: minutes, H:MM:SS or D-HH:MM:SS")
    form = made.add_mutually_exclusive_group()
    form.add_argument("--hold", action="store_true", help="nothing new starts")
    form.add_argument("--release", action="store_true", help="end the hold")
    made.add_argument("--reset", action="store_true", help="end all adjustments of what is submitted later")


def main(argv: "list[str] | None" = None) -> int:
    """Run one verb and return the exit code. Without `argv`: the verb on the process's command line."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files may be in no character set
            stream.reconfigure(errors="backslashreplace")
    if sys.version_info < (3, 10):  # noqa: UP036  (see the first lines of this file)
        from envs import bootstrap  # noqa: PLC0415  (as below)

        bootstrap.reexec("launcher", argv)
    parser = make_parser()
    if not argv:
        parser.print_help()
        return 0
    arguments = parser.parse_args(argv)
    arguments.parser = parser  # for `completion`
    return call(arguments, argv)


def call(arguments: argparse.Namespace, argv: "list[str]") -> int:
    """Run the verb and return its exit code. An error of the user, the cluster or the system is one line, and 2."""
    from envs import bootstrap  # noqa: PLC0415  (after --help has been answered)
    from stages.shared.errors import StagecoachError, system_error  # noqa: PLC0415
    from stages.shared.log import printable  # noqa: PLC0415

    try:
        bootstrap.reexec("test" if arguments.verb == "test" else "launcher", argv)
        from jobs import verbs  # noqa: PLC0415  (the environment exists only now)

        return int(getattr(verbs, arguments.verb)(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    except StagecoachError as error:
        sentence = str(error)
    except OSError as error:
        sentence = str(system_error(error))
    except UnicodeError as error:
        sentence = f"a text is in no character set that can be written here: {error}. Use UTF-8"
    print(printable(f"{PROGRAM} {arguments.verb}: {sentence}"), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
