#!/bin/sh
# isolator_isolate: makes a container's processes the first to go when memory runs out.
#
# Called as: isolate.sh INPUT OUTPUT ERROR, when the container's first process (the input's pid) is
# there but waits; what it starts later inherits the setting. An exit code other than 0 makes the
# launch fail.
set -eu
here=$(dirname "$0")

pid=$("$here/json-value" pid <"$1")
echo 100 >"/proc/$pid/oom_score_adj" || { echo "pid $pid cannot be adjusted" >"$3"; exit 1; }
