#!/bin/sh
# Misbehaves as its container's (or executor's) name says, up to the first "-" and a digit. What
# that has to be counted as is the table in workload.py.
name=$MESOS_CONTAINER_ID
if [ -z "$name" ]; then
    name=$(sed -n 's/.*"executor_id":{"value":"\([a-z-]*\)".*/\1/p' "$1")
fi
case ${name%%-[0-9]*} in
fine | '') [ "$MESOS_COMMAND_EVENT" = isolator_watch ] || printf '{}' >"$2" ;;
limits) [ "$MESOS_COMMAND_EVENT" != isolator_watch ] || printf '{"message":"limit"}' >"$2" ;;
slow) sleep 0.2 ;;
exits) echo 'the reason' >"$3"; exit 3 ;;
not-found) exit 127 ;;
dies) kill -SEGV $$ ;;
killed) kill -KILL $$ ;;
hangs) sleep 600 ;;
hangs-in-usage) [ "$MESOS_COMMAND_EVENT" != isolator_usage ] || sleep 600 ;;
ignores-term) trap '' TERM; while :; do sleep 600; done ;;
garbage) echo 'this is no {JSON' >"$2" ;;
huge) head -c 262144 /dev/zero >"$2" ;;
lossy) printf '{"no_such_key":1}' >"$2" ;;
background) sleep 2 & ;;
*) echo "no fault is called '$name'" >"$3"; exit 99 ;;
esac
