#!/bin/sh
# isolator_cleanup: gives back the address that prepare.sh took, with its interface.
#
# Called as: cleanup.sh INPUT OUTPUT ERROR, once for each container, also for one whose launch failed
# before it had an address. The kernel removes the interface with the container's namespace; a
# process that lives on in it would hold it, so it is removed here first.
set -eu
state=${EXAMPLE_STATE:-/var/lib/mesos-command-examples}
PATH=$PATH:/usr/sbin:/sbin

for link in "$state/addresses/"*; do
  [ "$(readlink "$link")" = "$MESOS_CONTAINER_ID" ] || continue
  ip link delete "mesos-${link##*.}" 2>/dev/null || true
  rm -f "$link"
done
