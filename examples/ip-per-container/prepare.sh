#!/bin/sh
# isolator_prepare: gives a container an address of its own, and a network namespace to have it in.
#
# Called as: prepare.sh INPUT OUTPUT ERROR. isolate.sh beside this makes the interface, cleanup.sh and
# recover.py give addresses back. Use it with `nested=false`: nested containers live in the network
# of their parent. The namespace needs Mesos's linux launcher (--launcher=linux).
#
# An address is taken by making a link of its name, which succeeds for one container alone, however
# many commands run at a time. The link says whose it is.
set -eu
state=${EXAMPLE_STATE:-/var/lib/mesos-command-examples}
network=${EXAMPLE_NETWORK:-10.77.0} # of 256 addresses; .1 is the agent's
exec 2>"$3"                         # what fails is told to Mesos

case ${MESOS_CONTAINER_ID:?is set for every event of a container} in
  */* | . | ..) echo "container id $MESOS_CONTAINER_ID is no file name" >&2; exit 1 ;;
esac
mkdir -p "$state/addresses"
host=2
until ln -s "$MESOS_CONTAINER_ID" "$state/addresses/$network.$host" 2>/dev/null; do
  host=$((host + 1))
  [ "$host" -le "${EXAMPLE_LAST_HOST:-254}" ] || { echo "no address of $network.0/24 is free" >&2; exit 1; }
done

# 1073741824 is CLONE_NEWNET.
printf '{"clone_namespaces":[1073741824],"environment":{"variables":[{"name":"CONTAINER_IP","value":"%s"}]}}' \
  "$network.$host" >"$2"
