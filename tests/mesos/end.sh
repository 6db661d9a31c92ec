#!/bin/sh
# Runs beyond the end of its agent if it can: ignores TERM, and leaves its number in $END_PIDS. The
# Docker hook of the container "short", and isolate, answer instead, two seconds after the first
# isolator's commands have ended.
answer_late() {
  until [ -s "$END_PIDS.isolator" ]; do sleep 0.1; done
  while read -r pid; do
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  done <"$END_PIDS.isolator"
  sleep 2
  echo '{}' >"$2"
  exit 0
}

case $MESOS_COMMAND_EVENT in
  isolator_prepare)
    case $MESOS_CONTAINER_ID in
      quick) exit 0 ;;
    esac ;;
  isolator_isolate) answer_late "$@" ;;
  hook_*) ! grep -q '"container_name":"short"' "$1" || answer_late "$@" ;;
esac
trap '' TERM
case $MESOS_COMMAND_EVENT in
  isolator_*) echo $$ >>"$END_PIDS.isolator" ;;
esac
echo $$ >>"$END_PIDS"
while :; do sleep 1; done
