#!/bin/sh
# Answers the driver of the stand-ins: fails for a container or task whose name ends in `bad`, for one
# that begins with `late` not before $GATE is there.
name=$MESOS_CONTAINER_ID
[ -n "$name" ] || name=$(sed -n 's/.*"name":"\([a-z-]*\)".*/\1/p' "$1")
case $name in
late-*) while [ ! -e "$GATE" ]; do sleep 0.1; done ;;
esac
case $name in
*bad) echo "because of $MESOS_COMMAND_EVENT" >"$3"; exit 3 ;;
esac
case $MESOS_COMMAND_EVENT in
hook_*) echo '{"labels":[{"key":"by","value":"x"}]}' ;;
isolator_prepare) echo '{"environment":{"variables":[{"name":"BY","type":"VALUE","value":"isolator_prepare"}]}}' ;;
isolator_usage) echo '{"timestamp":5,"mem_rss_bytes":7}' ;;
esac >"$2"
