#!/bin/sh
# Says what must not reach a log or a terminal as it is: it clears the screen, goes back to the
# beginning of the line, turns the direction of writing, and begins a line like one of glog's.
hostile='\033[2J\033]0;owned\007\015\013\302\205\342\200\256\377\nE1126 00:00:00.000000 1 forged.cpp:1] forged'
printf "$hostile" >&2
printf "$hostile" >"$3"
exit 3
