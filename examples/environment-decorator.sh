#!/bin/sh
# hook_slave_executor_environment_decorator: gives every executor some environment variables.
#
# Called as: environment-decorator.sh INPUT OUTPUT ERROR. Only the new variables need to be named;
# those that the framework set itself win over same-named ones from here.
set -eu
here=$(dirname "$0")

executor=$("$here/json-value" executor_info.executor_id.value <"$1")
[ -n "$executor" ] || { echo "no executor_id in the input" >"$3"; exit 1; }

printf '{"variables":[{"name":"AGENT_HOST","value":"%s"},{"name":"EXECUTOR","value":"%s"}]}' \
  "$(uname -n)" "$executor" >"$2"
