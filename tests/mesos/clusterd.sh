#!/bin/sh
# Writes down the input of an update, and answers usage with what only clusterd's statistics have.
case $MESOS_COMMAND_EVENT in
isolator_update) cat "$1" >>"$OBSERVED" ;;
isolator_usage) cat >"$2" <<'END' ;;
{"timestamp":1,"mem_rss_bytes":7,"net_tx_rate_limit":1000000,"mem_kmem_usage_bytes":4096,"io_pressure_avg10":0.5,
 "net_rate_statistics":{"tx_rate":{"p50":10,"p99":99},"samples":3},"network_interface":"eth0"}
END
esac
