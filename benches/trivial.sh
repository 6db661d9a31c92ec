#!/bin/sh
printf '{}' >"$2"
