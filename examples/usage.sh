#!/bin/sh
# isolator_usage: tells how much disk a container's sandbox takes, which posix/disk is not needed
# for then.
#
# Called as: usage.sh INPUT OUTPUT ERROR, whenever somebody asks the agent for statistics. Answers
# are kept for isolator_usage_cache_ttl; there is no need to save work here. Any fields of
# ResourceStatistics may be given; `timestamp` is the agent's business.
set -eu
here=$(dirname "$0")

sandbox=$("$here/json-value" container_config.directory <"$1")
[ -d "$sandbox" ] || { echo "no sandbox $sandbox" >"$3"; exit 1; }

kilobytes=$(du -sk "$sandbox")
kilobytes=${kilobytes%%[!0-9]*}
printf '{"disk_used_bytes":%s}' "$((kilobytes * 1024))" >"$2"
