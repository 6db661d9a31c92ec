#!/bin/sh
# isolator_isolate: notes where a container's cgroups are, for usage.sh beside this.
#
# Called as: isolate.sh INPUT OUTPUT ERROR, when the container's first process (the input's pid) is
# in its cgroups already: modules come after Mesos's own isolators (cgroups/cpu, cgroups/mem). An
# exit code other than 0 makes the launch fail.
set -eu
here=$(dirname "$0")
state=${EXAMPLE_STATE:-/var/lib/mesos-command-examples}

case ${MESOS_CONTAINER_ID:?is set for every event of a container} in
  */* | . | ..) echo "container id $MESOS_CONTAINER_ID is no file name" >"$3"; exit 1 ;;
esac
pid=$("$here/../json-value" pid <"$1")
mkdir -p "$state/cgroups-v1"
# Lines of version 1: 4:cpu,cpuacct:/mesos/…, which becomes cpu,cpuacct/mesos/… below the mounts.
sed -n 's/^[1-9][0-9]*:\([a-z_,]*\):\(.*\)/\1\2/p' "${EXAMPLE_PROC:-/proc}/$pid/cgroup" \
  >"$state/cgroups-v1/$MESOS_CONTAINER_ID"
[ -s "$state/cgroups-v1/$MESOS_CONTAINER_ID" ] ||
  { echo "process $pid is in no cgroup of version 1" >"$3"; exit 1; }
