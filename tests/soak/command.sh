#!/bin/sh
# Every command of the soak: called as command.sh INPUT OUTPUT ERROR. It answers with what can be
# checked, its container's name or the number at the end of that, and misbehaves while a file says
# so: $SOAK_PLACE/moods/<container>.<event>, without the number of a life. It fails where there is
# no room for its answer.
set -e
id=$MESOS_CONTAINER_ID
mood=$SOAK_PLACE/moods/${id%_*}.$MESOS_COMMAND_EVENT
if [ -e "$mood" ] && read -r kind <"$mood"; then
    case $kind in
    lingers) sleep 1.7 ;;
    hangs) sleep 600 ;;
    deaf) trap '' TERM; while :; do sleep 600; done ;;
    child) sleep 600 & ;;
    flood) head -c 3000000 /dev/zero >"$2"; exit 0 ;;
    fails) echo "told to fail" >"$3"; exit 3 ;;
    esac
fi

number=${id##*[-_]}
# The name of the executor that a hook's input is about.
named() {
    read -r input <"$1" || : # Its last line has no end.
    name=${input#*\"executor_id\":\{\"value\":\"}
    name=${name%%\"*}
}

case $MESOS_COMMAND_EVENT in
isolator_usage) printf '{"mem_rss_bytes":%d}' $((1000000 + number)) >"$2" ;;
isolator_status) printf '{"executor_pid":%d}' $((1000000 + number)) >"$2" ;;
isolator_prepare)
    printf '{"environment":{"variables":[{"name":"SOAK","value":"%s"}]}}' "$id" >"$2" ;;
isolator_usage_batch)
    read -r rest <"$1" || :
    {
        separator='{'
        while :; do
            case $rest in *'"container_id":{"value":"'*) ;; *) break ;; esac
            rest=${rest#*\"container_id\":\{\"value\":\"}
            id=${rest%%\"*}
            printf '%s"%s":{"mem_rss_bytes":%d}' "$separator" "$id" $((1000000 + ${id##*[-_]}))
            separator=,
        done
        printf '}'
    } >"$2" ;;
hook_slave_run_task_label_decorator)
    named "$1"
    printf '{"labels":[{"key":"SOAK","value":"%s"}]}' "$name" >"$2" ;;
hook_slave_executor_environment_decorator)
    named "$1"
    printf '{"variables":[{"name":"SOAK","value":"%s"}]}' "$name" >"$2" ;;
esac
exit 0
