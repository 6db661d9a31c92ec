#!/bin/sh
# isolator_prepare: makes a directory for the container and tells the container where it is.
#
# Called as: prepare.sh INPUT OUTPUT ERROR, before the container's first process is there. The
# answer is a ContainerLaunchInfo: environment variables, commands to run first, mounts (with the
# linux launcher). An exit code other than 0 makes the launch fail with the text in ERROR.
set -eu
state=${EXAMPLE_STATE:-/var/lib/mesos-command-examples}

# Identifiers come from frameworks as well as from Mesos: never let one leave the directory.
case ${MESOS_CONTAINER_ID:?is set for every event of a container} in
  */* | . | ..) echo "container id $MESOS_CONTAINER_ID is no file name" >"$3"; exit 1 ;;
esac
directory=$state/containers/$MESOS_CONTAINER_ID

mkdir -p "$directory"
printf '{"environment":{"variables":[{"name":"CONTAINER_STATE","value":"%s"}]}}' \
  "$directory" >"$2"
