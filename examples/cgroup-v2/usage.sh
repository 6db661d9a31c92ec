#!/bin/sh
# isolator_usage: what a container takes of processors and memory, out of its cgroup of version 2.
#
# Called as: usage.sh INPUT OUTPUT ERROR. A file that this kernel does not have, or whose controller
# is not on, leaves its fields out: Mesos takes those of its own isolators then.
set -eu
state=${EXAMPLE_STATE:-/var/lib/mesos-command-examples}

case ${MESOS_CONTAINER_ID:?is set for every event of a container} in
  */* | . | ..) echo "container id $MESOS_CONTAINER_ID is no file name" >"$3"; exit 1 ;;
esac
# A container that is older than the module has no note: no answer.
[ -r "$state/cgroups/$MESOS_CONTAINER_ID" ] || exit 0
read -r path <"$state/cgroups/$MESOS_CONTAINER_ID"
cd "${EXAMPLE_CGROUPS:-/sys/fs/cgroup}$path" 2>/dev/null || exit 0

# One key and value a line; a file with a value alone gets its own name as the key.
{
  for file in cpu.stat memory.stat; do cat "$file" 2>/dev/null || true; done
  for file in memory.current memory.swap.current pids.current; do
    value=$(cat "$file" 2>/dev/null) && echo "$file $value" || true
  done
} | awk '
  function add(field, value) { text = text (text == "" ? "" : ",") "\"" field "\":" value }
  BEGIN {
    seconds["user_usec"] = "cpus_user_time_secs"
    seconds["system_usec"] = "cpus_system_time_secs"
    seconds["throttled_usec"] = "cpus_throttled_time_secs"
    whole["nr_periods"] = "cpus_nr_periods"
    whole["nr_throttled"] = "cpus_nr_throttled"
    whole["anon"] = "mem_anon_bytes"
    whole["file"] = "mem_file_bytes"
    whole["file_mapped"] = "mem_mapped_file_bytes"
    whole["unevictable"] = "mem_unevictable_bytes"
    whole["memory.current"] = "mem_total_bytes"
    whole["memory.swap.current"] = "mem_swap_bytes"
    whole["pids.current"] = "threads"
  }
  $1 in seconds { add(seconds[$1], sprintf("%.6f", $2 / 1000000)) }
  $1 in whole { add(whole[$1], $2) }
  END { if (text != "") print "{" text "}" }' >"$2"
