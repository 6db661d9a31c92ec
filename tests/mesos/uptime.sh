#!/bin/sh
# Says when it ran: the machine's uptime in seconds, to hundredths.
read -r uptime _ </proc/uptime
printf '{"cpus_user_time_secs":%s}' "$uptime" >"$2"
