#!/bin/sh
# Answers as the case says that stands somewhere in its input, `case-<instance>-<answer>`, if the
# instance is its own, and with nothing otherwise. The answers, and what Mesos is to make of them,
# are the tables in answers.py, which puts each answer into a file; an event without one for the
# case (as cleanup after a harmful prepare) answers nothing.
found=$(grep -o 'case-[a-z0-9]*-[a-z0-9-]*' "$1" | head -n 1)
answer=${found#case-"$MESOS_COMMAND_MODULE"-}
echo "$MESOS_COMMAND_EVENT by $MESOS_COMMAND_MODULE for $found." >>"$OBSERVED"
[ "$answer" = "$found" ] && exit 0
if [ "$answer" = once ]; then
    # Good the first time, failing ever after.
    answer=fails
    mkdir "$OBSERVED.$MESOS_COMMAND_EVENT.$found" 2>/dev/null && answer=good
fi
case $answer in
empty) ;;
fails) echo "because of $MESOS_COMMAND_EVENT by $MESOS_COMMAND_MODULE" >"$3"; exit 3 ;;
malformed) printf '{"labels":[{' >"$2" ;;
*) [ ! -f "$ANSWERS/$MESOS_COMMAND_EVENT.$answer" ] || sed "s/@INSTANCE@/$MESOS_COMMAND_MODULE/" "$ANSWERS/$MESOS_COMMAND_EVENT.$answer" >"$2" ;;
esac
