#!/bin/sh
# hook_slave_run_task_label_decorator: adds a label to every task that this agent runs.
#
# Called as: label-decorator.sh INPUT OUTPUT ERROR. The answer REPLACES the task's labels, so what
# the framework gave has to be repeated. An exit code other than 0 leaves the task as it was; the
# text in the ERROR file then stands in the agent's log.
set -eu
here=$(dirname "$0")

given=$("$here/json-value" task_info.labels.labels <"$1")
given=${given#[}
given=${given%]}

printf '{"labels":[%s{"key":"agent-host","value":"%s"}]}' \
  "${given:+$given,}" "$(uname -n)" >"$2"
