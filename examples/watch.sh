#!/bin/sh
# isolator_watch: ends containers whose sandbox outgrows a limit.
#
# Called as: watch.sh INPUT OUTPUT ERROR, again and again with isolator_watch_frequence seconds in
# between. An empty answer means that all is well; a ContainerLimitation ends the container, and
# the framework gets its message and reason. An exit code other than 0 is logged and changes nothing.
set -eu
here=$(dirname "$0")
limit_kilobytes=${EXAMPLE_SANDBOX_LIMIT_KILOBYTES:-1048576}

sandbox=$("$here/json-value" container_config.directory <"$1")
kilobytes=$(du -sk "$sandbox")
kilobytes=${kilobytes%%[!0-9]*}

if [ "$kilobytes" -gt "$limit_kilobytes" ]; then
  printf '{"message":"the sandbox takes %s KiB, the limit is %s KiB","reason":"%s"}' \
    "$kilobytes" "$limit_kilobytes" REASON_CONTAINER_LIMITATION_DISK >"$2"
fi
