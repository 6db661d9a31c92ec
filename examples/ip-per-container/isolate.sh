#!/bin/sh
# isolator_isolate: the interface of a container, with the address that prepare.sh took for it.
#
# Called as: isolate.sh INPUT OUTPUT ERROR, when the container's first process (the input's pid) is in
# its network namespace but waits. It needs ip and nsenter, the agent to be root, and a bridge with
# the network's first address, which stays and is made once on each agent:
#
#   ip link add mesos0 type bridge && ip address add 10.77.0.1/24 dev mesos0 && ip link set mesos0 up
#
# An exit code other than 0 makes the launch fail; Mesos calls cleanup.sh then.
set -eu
here=$(dirname "$0")
state=${EXAMPLE_STATE:-/var/lib/mesos-command-examples}
bridge=${EXAMPLE_BRIDGE:-mesos0}
PATH=$PATH:/usr/sbin:/sbin
exec 2>"$3"

pid=$("$here/../json-value" pid <"$1")
address=
for link in "$state/addresses/"*; do
  [ "$(readlink "$link")" != "$MESOS_CONTAINER_ID" ] || address=${link##*/}
done
[ -n "$address" ] || { echo "the container has no address: prepare.sh did not run" >&2; exit 1; }

# At most 15 bytes, and so the address's last number instead of the container's name.
outside=mesos-${address##*.}
inside() { nsenter --net="/proc/$pid/ns/net" "$@"; }

# What a container of an earlier agent left under this name, if anything.
ip link delete "$outside" 2>/dev/null || true
ip link add "$outside" type veth peer name eth0 netns "$pid"
ip link set "$outside" master "$bridge" up
inside ip link set lo up
inside ip address add "$address/24" dev eth0
inside ip link set eth0 up
inside ip route add default via "${address%.*}.1"
