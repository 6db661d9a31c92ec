#!/bin/sh
# Writes down what a command of the original modules could observe, and answers as its container's
# name says. contract.py holds what has to be observed.
{
    echo "arguments: $#"
    echo "input: $(cat "$1")"
    echo "stdin: $(cat)"
    [ -f "$2" ] && [ ! -s "$2" ] && echo "output: there and empty"
    [ -f "$3" ] && [ ! -s "$3" ] && echo "error: there and empty"
    echo "directory: $(pwd)"
    echo "user: $(id -u)"
    echo "variable: $CONTRACT_VARIABLE"
    echo "event: $MESOS_COMMAND_EVENT of $MESOS_COMMAND_MODULE for $MESOS_CONTAINER_ID"
    # Its files are its own: it may resolve, copy, replace, edit and write beside them.
    realpath -e "$1" >/dev/null && cp -a "$1" "$2.copy" && mv "$2.copy" "$1" &&
        sed -i 's/^/ /' "$1" && [ "$(cat "$1")" != "$(cat "$2")" ] &&
        echo "files of $MESOS_COMMAND_EVENT: its own"
} >>"$OBSERVED"
answers=${CONTRACT_ANSWER:-$MESOS_CONTAINER_ID}
case $answers in
empty) ;;
blank) echo >"$2" ;;
braces) echo '{}' >"$2" ;;
number) echo 42 >"$2" ;;
environment) echo '{"environment":{"variables":[{"name":"N","value":"V"}]}}' >"$2" ;;
moved) echo '{"environment":{"variables":[{"name":"N","value":"moved"}]}}' >"$2.new"
    mv "$2.new" "$2" ;;
success-with-error-file) echo 'no failure' >"$3" ;;
only-stdout) echo '{"environment":{"variables":[{"name":"N","value":"V"}]}}' ;;
exits-7) echo 'because' >"$3"; exit 7 ;;
exits-silently) exit 7 ;;
dies) kill -TERM $$ ;;
limitation) echo '{"message":"enough","reason":"REASON_CONTAINER_LIMITATION_DISK"}' >"$2" ;;
misspelt) echo '{"environment":{"variables":[{"bad_name":"x","value":"y"}]}}' >"$2" ;;
rootfs) echo '{"rootfs":"/x"}' >"$2" ;;
user) echo '{"user":"root"}' >"$2" ;;
arguments) echo '{"command":{"arguments":["a"]}}' >"$2" ;;
value) echo '{"command":{"value":"id"}}' >"$2" ;;
namespaces) echo '{"enter_namespaces":[131072]}' >"$2" ;;
lenient) printf '{"environment":{"variables":[{"name":"N","value":"V"}]},"bogus":007,"rlimits":null}' >"$2" ;;
statistics) echo '{"timestamp":12345,"mem_rss_bytes":"7","cpus_user_time_secs":1.50}' >"$2" ;;
esac
