#!/bin/sh
# A command that fails, each event in a way of its own.
#
# In the order below: an exit code with an explanation, a deadline that passes, death by a signal,
# an answer that is no JSON. Containers whose name begins with "good" are left alone, so that one
# modules file serves for what works and what does not.
case $MESOS_CONTAINER_ID in
  good*) exit 0 ;;
esac
case $MESOS_COMMAND_EVENT in
  isolator_isolate) exec sleep 60 ;;
  isolator_update) kill -KILL $$ ;;
  isolator_usage) printf 'not json' >"$2" ;;
  isolator_status) exit 4 ;;
  hook_slave_run_task_label_decorator) echo '{"labels":7}' >"$2" ;;
  *) echo "no room in $MESOS_COMMAND_EVENT" >"$3"; exit 3 ;;
esac
