#!/bin/sh
# A command for all events: records that it ran, and answers so that the answer can be found again.
#
# The file is $MESOS_HOST_RECORDS; each run appends `<event> <container>`. One short write with
# O_APPEND is atomic, so runs side by side do not mix.
printf '%s %s\n' "$MESOS_COMMAND_EVENT" "${MESOS_CONTAINER_ID:-}" >>"$MESOS_HOST_RECORDS"

case $MESOS_COMMAND_EVENT in
  hook_slave_run_task_label_decorator)
    echo '{"labels":[{"key":"recorded-label","value":"1"}]}' >"$2" ;;
  hook_slave_executor_environment_decorator)
    echo '{"variables":[{"name":"RECORDED_ENVIRONMENT","value":"1"}]}' >"$2" ;;
  isolator_prepare)
    echo '{"environment":{"variables":[{"name":"RECORDED_PREPARE","value":"1"}]}}' >"$2" ;;
  isolator_usage)
    # Long enough to be running when a test ends the agent.
    sleep 0.2
    echo '{"disk_used_bytes":4242}' >"$2" ;;
  isolator_status)
    echo '{"network_infos":[{"ip_addresses":[{"ip_address":"192.0.2.1"}]}]}' >"$2" ;;
esac
