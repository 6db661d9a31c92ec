#!/bin/sh
# A command for agents with containers of Docker; what it does depends on the task's name.
#
# Each run appends `<event> <module> <task, directory or container>` to $MESOS_HOST_RECORDS.
value() { sed -n "s/.*\"$1\":$2\"\([^\"]*\)\".*/\1/p" "$input"; }
input=$1
case $MESOS_COMMAND_EVENT in
  hook_slave_post_fetch_hook) subject=$(value directory) ;;
  isolator_prepare) subject=$MESOS_CONTAINER_ID ;;
  *) subject=$(value task_id '{"value":' | head -n 1) ;;
esac
printf '%s %s %s\n' "$MESOS_COMMAND_EVENT" "$MESOS_COMMAND_MODULE" "$subject" >>"$MESOS_HOST_RECORDS"
[ "$MESOS_COMMAND_EVENT" = hook_slave_pre_launch_docker_task_executor_decorator ] || exit 0

case $MESOS_COMMAND_MODULE.$subject in
  strict.docker-refused) echo 'refused by the operator' >"$3"; exit 1 ;;
  lenient.docker-ignored) exit 1 ;;
  lenient.docker-slow-*) exec sleep 60 ;;
  strict.*)
    echo '{"taskEnvironment":{"variables":[{"name":"RECORDED_STRICT","value":"1"}]}}' >"$2" ;;
  *)
    # What Docker calls the container, and where it sees the sandbox.
    where="$(value container_name) $(value mapped_sandbox_directory)"
    printf '{"taskEnvironment":{"variables":[{"name":"RECORDED_LENIENT","value":"%s"}]},
      "executorEnvironment":{"variables":[{"name":"RECORDED_EXECUTOR","value":"1"}]}}' "$where" >"$2" ;;
esac
