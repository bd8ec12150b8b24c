#!/usr/bin/env bash
# What the action runs. Its inputs come as DAG_* variables, most of which `dag` reads by itself.
set -euo pipefail

if ! command -v dag >/dev/null; then
  into=$(mktemp -d)
  python3 -m venv "$into"
  "$into/bin/pip" install --quiet --disable-pip-version-check "${DAG_CLIENT:-$GITHUB_ACTION_PATH/../../../libs/client}"
  PATH="$into/bin:$PATH"
fi

arguments=("$DAG_CHART")
if [[ -n "$DAG_VALUES_FILE" ]]; then
  arguments+=(--values-file "$DAG_VALUES_FILE")
fi
while IFS= read -r setting; do
  if [[ -n "$setting" ]]; then
    arguments+=(--set "$setting")
  fi
done <<<"$DAG_SET"

exec dag deploy "${arguments[@]}"
