#!/bin/sh
# isolator_cleanup: removes what prepare.sh made.
#
# Called as: cleanup.sh INPUT OUTPUT ERROR, once for each container, also for one whose launch
# failed half-way: it has to cope with nothing being there. Nothing is read from OUTPUT.
set -eu
state=${EXAMPLE_STATE:-/var/lib/mesos-command-examples}

case ${MESOS_CONTAINER_ID:?is set for every event of a container} in
  */* | . | ..) echo "container id $MESOS_CONTAINER_ID is no file name" >"$3"; exit 1 ;;
esac
rm -rf "$state/containers/$MESOS_CONTAINER_ID"
