#!/bin/sh
# The event that BURST names takes its turn: with others before it the last one waits for longer
# than its timeout.
[ "$MESOS_COMMAND_EVENT" != "$BURST" ] || exec sleep 0.4
