#!/bin/sh
# isolator_prepare: tells every container where to send its statsd metrics, and under which name.
#
# Called as: prepare.sh INPUT OUTPUT ERROR. The first two variables are those that DC/OS gives its
# containers, so programs that look for them need no change. EXAMPLE_STATSD is HOST:PORT of the statsd
# server, in the agent's environment (/etc/default/mesos-agent).
set -eu
statsd=${EXAMPLE_STATSD:-127.0.0.1:8125}

# Dots and slashes would make levels of their own in a metric's name.
container=$(printf %s "${MESOS_CONTAINER_ID:?is set for every event of a container}" | tr -c 'A-Za-z0-9_-' _)
variable() { printf '{"name":"%s","value":"%s"}' "$1" "$2"; }
printf '{"environment":{"variables":[%s,%s,%s]}}' \
  "$(variable STATSD_UDP_HOST "${statsd%:*}")" \
  "$(variable STATSD_UDP_PORT "${statsd##*:}")" \
  "$(variable STATSD_PREFIX "mesos.$container.")" >"$2"
