#!/bin/sh
# The built-in table of message types against those of a real libmesos, for every message that can
# be reached from an event.
#
#   descriptors.sh MESOS_HOST RELEASE [OTHER_RELEASE]
#
# Another release, which is known to differ, proves that the comparison can fail.
set -eu

host=$(realpath "$1")
release=$2
other=${3:-}
test=builtin::the_table_is_what_mesos_1_11_has
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$(dirname "$0")/../.."

compare() {
    "$host" descriptors --mesos "$1" --out "$work/$1" >"$work/list"
    [ "$(grep -c '\.pb$' "$work/list")" -ge 5 ] || { cat "$work/list"; return 2; }
    MESOS_COMMAND_DESCRIPTORS="$work/$1" cargo test --quiet --workspace --test codec \
        -- --exact --ignored "$test" >"$work/output" 2>&1
}

if ! compare "$release" || ! grep -q '1 passed' "$work/output"; then
    cat "$work/output"
    echo "the built-in table is not that of Mesos $release"
    exit 1
fi
count=$(grep -c '\.pb$' "$work/list")
if [ -n "$other" ] && [ -d "${REAL_MESOS_DIR:-target/real-mesos}/$other" ]; then
    if compare "$other" || ! grep -q '1 failed' "$work/output"; then
        cat "$work/output"
        echo "the comparison does not notice that Mesos $other differs"
        exit 1
    fi
fi
echo "the built-in table is that of Mesos $release ($count files)"
