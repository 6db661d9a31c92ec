#!/bin/sh
# hook_slave_run_task_label_decorator: tells in a label which GPU a task that asked for one is given.
#
# Called as: label.sh INPUT OUTPUT ERROR. The model is read from the driver's files: nvidia-smi may
# take seconds, or hang with a broken card, and the agent waits for this command. The answer REPLACES
# the task's labels, so what the framework gave is repeated.
set -eu
here=$(dirname "$0")
cards=${EXAMPLE_NVIDIA:-/proc/driver/nvidia/gpus}

given=$("$here/../json-value" task_info.labels.labels <"$1")
given=${given#[}
given=${given%]}
model=
# A quotation mark inside of a text has a backslash before it, so no text of a framework is this.
case $("$here/../json-value" task_info.resources <"$1" | tr -d '[:space:]') in
  *'"name":"gpus"'*) model=$(sed -n 's/^Model:[[:space:]]*//p' "$cards"/*/information 2>/dev/null | sort -u) ;;
esac
# Cards of several models: which one it will be is not known yet. Nor is it without a driver.
case $model in
  '' | *[!A-Za-z0-9\ ._-]*) printf '{"labels":[%s]}' "$given" >"$2" ;;
  *) printf '{"labels":[%s{"key":"gpu-model","value":"%s"}]}' "${given:+$given,}" "$model" >"$2" ;;
esac
