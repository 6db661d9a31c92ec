#!/bin/sh
# isolator_isolate: notes where a container's cgroup is, for usage.sh and update.py beside this.
#
# Called as: isolate.sh INPUT OUTPUT ERROR, when the container's first process (the input's pid) is
# in its cgroup already: modules come after Mesos's own isolators. An exit code other than 0 makes
# the launch fail.
set -eu
here=$(dirname "$0")
state=${EXAMPLE_STATE:-/var/lib/mesos-command-examples}

case ${MESOS_CONTAINER_ID:?is set for every event of a container} in
  */* | . | ..) echo "container id $MESOS_CONTAINER_ID is no file name" >"$3"; exit 1 ;;
esac
pid=$("$here/../json-value" pid <"$1")
# The line of cgroup v2: 0::/mesos/…
path=$(sed -n 's/^0:://p' "${EXAMPLE_PROC:-/proc}/$pid/cgroup")
[ -n "$path" ] || { echo "process $pid is in no cgroup of version 2" >"$3"; exit 1; }

mkdir -p "$state/cgroups"
printf '%s\n' "$path" >"$state/cgroups/$MESOS_CONTAINER_ID"
