"""Completion for bash and zsh: `source <(launch.py completion)`. A script made of the parser: no call at each TAB."""

from __future__ import annotations

import argparse

SCRIPT = r"""# Completion of Stagecoach's commands: source <(@program@ completion)
[ -n "${ZSH_VERSION:-}" ] && autoload -Uz bashcompinit && bashcompinit
_stagecoach() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb= each found=
  for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " @verbs@ " in *" $each "*) verb=$each; break ;; esac
  done
  case "$before" in
    --cluster) found='@clusters@' ;;
    --runs | --to | --webhook-file) COMPREPLY=($(compgen -f -- "$word")); return ;;
    *)
      case "$verb" in
        '') found='@verbs@' ;;
@cases@
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$found" -- "$word"))
}
_stagecoach_runs() {
  local folder
  for folder in "${STAGECOACH_RUNS:-./runs}"/*/run.json; do
    [ -e "$folder" ] && folder=${folder%/run.json} && printf '%s ' "${folder##*/}"
  done
}
complete -o default -F _stagecoach @program@ stagecoach ./launch.py
"""


def script(parser: argparse.ArgumentParser, program: str, recipes: list[str], clusters: list[str]) -> str:
    """Return the script. Names of recipes and clusters are those of now; runs are looked up at each TAB."""
    verbs = next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    cases = []
    for name, verb in verbs.items():
        flags = [flag for action in verb._actions for flag in action.option_strings if flag.startswith("--")]
        takes = {action.dest for action in verb._actions if not action.option_strings}
        words = [*flags, *(recipes if "recipe" in takes else ())]
        runs = ' $(_stagecoach_runs)"' if "run" in takes else '"'
        cases.append(f'        {name}) found="{" ".join(words)}{runs} ;;')
    values = {
        "program": program,
        "verbs": " ".join(verbs),
        "clusters": " ".join(clusters),
        "cases": "\n".join(cases),
    }
    text = SCRIPT
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
