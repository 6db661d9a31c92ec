#!/bin/sh
# hook_slave_remove_executor_hook: notes which executors have gone, for whoever does the accounting.
#
# Called as: remove-executor.sh INPUT OUTPUT ERROR. Nothing is read from OUTPUT. The agent waits for
# this command, so it does one small append; what is slow belongs behind it.
set -eu
here=$(dirname "$0")
state=${EXAMPLE_STATE:-/var/lib/mesos-command-examples}

mkdir -p "$state"
printf '%s executor %s of framework %s removed\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
  "$("$here/json-value" executor_info.executor_id.value <"$1")" \
  "$("$here/json-value" framework_info.name <"$1")" >>"$state/removed-executors"
