#!/bin/sh
# record.sh beside modules of others: what came in the labels goes out again, with one more, because
# Mesos replaces a task's labels by what a hook answers. Prepare's beginning and end are noted.
case $MESOS_COMMAND_EVENT in
  hook_*_label_decorator)
    seen=$(grep -o 'neighbour-[a-z]*' "$1" | sort -u | tr '\n' ' ')
    printf 'SEEN %s %s\n' "$MESOS_COMMAND_EVENT" "$seen" >>"$MESOS_HOST_RECORDS" ;;
esac
case $MESOS_COMMAND_EVENT in
  hook_slave_run_task_label_decorator)
    printf '%s\n' "$MESOS_COMMAND_EVENT" >>"$MESOS_HOST_RECORDS"
    printf '{"labels":[{"key":"neighbour-before"},{"key":"recorded-label","value":"1"}]}' >"$2"
    exit 0 ;;
  isolator_prepare | isolator_cleanup)
    printf 'OURS %s %s\n' "${MESOS_COMMAND_EVENT#isolator_}" "$MESOS_CONTAINER_ID" >>"$MESOS_HOST_RECORDS" ;;
esac
exec "${0%/*}/record.sh" "$@"
