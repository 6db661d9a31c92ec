#!/bin/sh
# isolator_usage: what a container takes of processors and memory, out of its cgroups of version 1.
#
# Called as: usage.sh INPUT OUTPUT ERROR. A controller that is not mounted, or a file that this
# kernel does not have, leaves its fields out: Mesos takes those of its own isolators then.
set -eu
state=${EXAMPLE_STATE:-/var/lib/mesos-command-examples}
root=${EXAMPLE_CGROUPS:-/sys/fs/cgroup}

case ${MESOS_CONTAINER_ID:?is set for every event of a container} in
  */* | . | ..) echo "container id $MESOS_CONTAINER_ID is no file name" >"$3"; exit 1 ;;
esac
# A container that is older than the module has no note: no answer.
[ -r "$state/cgroups-v1/$MESOS_CONTAINER_ID" ] || exit 0

# One key and value a line; a file with a value alone gets its own name as the key. The keys of
# different files differ, so that it does not matter where a controller is mounted.
while read -r cgroup; do
  for file in cpuacct.stat cpu.stat memory.stat; do
    cat "$root/$cgroup/$file" 2>/dev/null || true
  done
  for file in memory.usage_in_bytes pids.current; do
    value=$(cat "$root/$cgroup/$file" 2>/dev/null) && echo "$file $value" || true
  done
done <"$state/cgroups-v1/$MESOS_CONTAINER_ID" | awk -v hz="$(getconf CLK_TCK)" '
  function add(field, value) { text = text (text == "" ? "" : ",") "\"" field "\":" value }
  BEGIN {
    # Ticks of cpuacct.stat, nanoseconds of cpu.stat.
    units["user"] = hz; seconds["user"] = "cpus_user_time_secs"
    units["system"] = hz; seconds["system"] = "cpus_system_time_secs"
    units["throttled_time"] = 1000000000; seconds["throttled_time"] = "cpus_throttled_time_secs"
    whole["nr_periods"] = "cpus_nr_periods"
    whole["nr_throttled"] = "cpus_nr_throttled"
    # total_: with the cgroups below this one.
    whole["total_rss"] = "mem_rss_bytes"
    whole["total_cache"] = "mem_cache_bytes"
    whole["total_mapped_file"] = "mem_mapped_file_bytes"
    whole["total_swap"] = "mem_swap_bytes"
    whole["total_unevictable"] = "mem_unevictable_bytes"
    whole["memory.usage_in_bytes"] = "mem_total_bytes"
    whole["pids.current"] = "threads"
  }
  $1 in seconds { add(seconds[$1], sprintf("%.6f", $2 / units[$1])) }
  $1 in whole { add(whole[$1], $2) }
  END { if (text != "") print "{" text "}" }' >"$2"
