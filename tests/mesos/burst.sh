#!/bin/sh
# Takes its turn: with others before it the last one waits for longer than its timeout.
exec sleep 0.4
