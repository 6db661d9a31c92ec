#!/bin/sh
# The example commands inside a real Mesos; without PyPI, through the engine alone.
set -eu
host=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
command=$(dirname "$host")/mesos-command

if python3 "$root/cpp/host/real-mesos/fetch.py" 1.11.0; then
    exec "$host" run --mesos 1.11.0 --modules "$here/examples.modules.json" \
        --scenario "$here/examples.scenario.json" --log "$(dirname "$host")/demo.log"
fi

echo
echo 'The real libmesos could not be fetched, so the same commands now run through the engine alone.'
echo 'That leaves out Mesos: its ModuleManager, its HookManager and the C++ edge of the module.'
echo
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/tmp"
sed -e "s|\${HERE}|$here|g" -e "s|\${SCRATCH}|$scratch|g" -e 's|\${LIBRARY}|none|g' \
    "$here/examples.modules.json" >"$scratch/modules.json"
EXAMPLE_STATE=$scratch/state "$command" call --modules "$scratch/modules.json" \
    --input "$root/examples/input.json" \
    hook_slave_run_task_label_decorator hook_slave_executor_environment_decorator \
    isolator_prepare isolator_isolate isolator_usage isolator_watch isolator_cleanup \
    hook_slave_remove_executor_hook
