#!/usr/bin/env bash
# What the action runs. Its inputs come as DAG_* variables, most of which `dag` reads by itself.
set -euo pipefail

if ! command -v dag >/dev/null; then
  into=$(mktemp -d)
  python3 -m venv "$into"
  "$into/bin/pip" install --quiet --disable-pip-version-check "${DAG_CLIENT:-$GITHUB_ACTION_PATH/../../../libs/client}"
  PATH="$into/bin:$PATH"
fi

# In a setting $NAME or ${NAME} is the variable's value, whatever is in it, and $$ a dollar.
filled() {
  local rest=$1 name
  local variable='^([^$]*)[$]([$]|[A-Za-z_][A-Za-z0-9_]*|[{][A-Za-z_][A-Za-z0-9_]*[}])?(.*)$'
  setting=""
  while [[ "$rest" =~ $variable ]]; do
    setting+=${BASH_REMATCH[1]}
    name=${BASH_REMATCH[2]//[\{\}]/}
    rest=${BASH_REMATCH[3]}
    if [[ -z "$name" || "$name" == '$' ]]; then
      setting+='$'
    elif [[ -n "${!name+set}" ]]; then
      setting+=${!name}
    else
      echo "The input set names \$$name, which is not set; nothing was deployed." >&2
      exit 2
    fi
  done
  setting+=$rest
}

arguments=("$DAG_CHART")
if [[ -n "$DAG_VALUES_FILE" ]]; then
  arguments+=(--values-file "$DAG_VALUES_FILE")
fi
while IFS= read -r line; do
  if [[ -n "$line" ]]; then
    filled "$line"
    arguments+=(--set "$setting")
  fi
done <<<"$DAG_SET"

exec dag deploy "${arguments[@]}"
