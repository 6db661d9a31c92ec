#!/bin/sh
# Misbehaves as its container's (or executor's, or task's) name says. The faults and what Mesos is
# to be told of them are the table in faults.py.
fault=$MESOS_CONTAINER_ID
if [ -z "$fault" ]; then
    fault=$(sed -n 's/.*"\(executor_id\|hostname\)":\({"value":\)\{0,1\}"\([a-z-]*\)".*/\3/p' "$1")
fi
case $fault in
fine) ;;
exits) echo 'the reason' >"$3"; exit 3 ;;
dies) kill -KILL $$ ;;
hangs) sleep 600 ;;
ignores-term) trap '' TERM; while :; do sleep 600; done ;;
garbage) echo 'this is no {JSON' >"$2" ;;
background) sleep 2 & ;;
huge) head -c 1073741824 /dev/zero >"$2" ;;
huge-stderr) head -c 16777216 /dev/zero >&2 ;;
symlink) ln -sf /etc/passwd "$2" ;;
fifo) rm "$2"; mkfifo "$2" ;;
removes) rm "$2" ;;
*) echo "no fault is called '$fault'" >"$3"; exit 99 ;;
esac
