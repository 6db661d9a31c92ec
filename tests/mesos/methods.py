"""What Mesos makes of every method's answers: good, empty, failing, malformed, refused, mended ones.

Four instances run side by side: a hook and an isolator whose failures fail, and a hook and an
isolator whose failures are ignored. Each answers only the cases that name it, so that an answer
of the wrong instance, or a state that two of them share, shows.

What is refused and mended is the table of rules in src/event/rules, each row with an answer that
would do the harm; `mesos-command explain rules --json` prints it.
"""

import json
import pathlib
import subprocess

# (symbol, module_name, <event>_failure)
HOOKS = [
    ("com_criteo_mesos_CommandHook", "hook", "fail"),
    ("com_criteo_mesos_CommandHook2", "hook2", "ignore"),
]
ISOLATORS = [
    ("com_criteo_mesos_CommandIsolator", "isolator", "fail"),
    ("com_criteo_mesos_CommandIsolator7", "isolator7", "ignore"),
]

CPUS = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 4}}
MEM = {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}}
RACK = {"name": "rack", "type": "TEXT", "text": {"value": "r1"}}
ZONE = {"name": "zone", "type": "TEXT", "text": {"value": "@INSTANCE@"}}
LABELS = {"labels": [{"key": "by", "value": "@INSTANCE@"}]}
VARIABLES = {"variables": [{"name": "BY", "type": "VALUE", "value": "@INSTANCE@"}]}
STATUS = {"task_id": {"value": "t"}, "state": "TASK_RUNNING"}
CONFIG = {"command_info": {"value": "x"}, "directory": "/sandbox"}
TASK = {"name": "t", "task_id": {"value": "t"}, "slave_id": {"value": "s"}}
INVALID = [
    {"name": "cpus", "type": "SCALAR", "scalar": {"value": -1}},
    {"name": "cpus", "type": "SCALAR"},
    {"name": "cpus", "type": "RANGES", "scalar": {"value": 1}},
    {**CPUS, "role": "a", "reservations": [{"type": "STATIC", "role": "b"}]},
]

# Synchronous hooks: where the case stands in the input, the good answer, what Mesos has then, what
# it has when nothing was changed, and Mesos's own words when the hook failed.
SYNCHRONOUS = {
    "hook_master_launch_task_label_decorator": (
        "task_info",
        LABELS,
        LABELS,
        None,
        "Master label decorator hook failed",
    ),
    "hook_master_launch_task_resource_decorator": (
        "task_info",
        {"resources": [MEM]},
        {"resources": [MEM]},
        {"resources": [CPUS]},
        "Master resource decorator hook failed",
    ),
    "hook_slave_run_task_label_decorator": (
        "task_info",
        LABELS,
        LABELS,
        None,
        "Agent label decorator hook failed",
    ),
    "hook_slave_executor_environment_decorator": (
        "executor_info",
        VARIABLES,
        VARIABLES,
        None,
        "Agent environment decorator hook failed",
    ),
    "hook_slave_post_fetch_hook": ("container_id", {}, None, None, "Agent post fetch hook failed"),
    "hook_slave_remove_executor_hook": (
        "executor_info",
        {},
        None,
        None,
        "Agent remove executor hook failed",
    ),
    "hook_slave_task_status_decorator": (
        # Of a status Mesos takes the labels and the container's status alone.
        "task_status",
        {**STATUS, "state": "TASK_LOST", "labels": LABELS},
        {"state": "TASK_RUNNING", "labels": LABELS},
        {"state": "TASK_RUNNING"},
        "Agent TaskStatus decorator hook failed",
    ),
    "hook_slave_resources_decorator": (
        "slave_info",
        {"resources": [MEM]},
        {"resources": [MEM]},
        {"resources": [CPUS]},
        "Agent Resources decorator hook failed",
    ),
    "hook_slave_attributes_decorator": (
        "slave_info",
        {"attributes": [ZONE]},
        {"attributes": [ZONE]},
        {"attributes": [RACK]},
        "Agent Attributes decorator hook failed",
    ),
}
# Their output is not read, so that it cannot be malformed.
UNREAD = {"hook_slave_post_fetch_hook", "hook_slave_remove_executor_hook"}
# The original's decorators must answer something.
NEVER_EMPTY = {"hook_slave_run_task_label_decorator", "hook_slave_executor_environment_decorator"}
BEHIND = "hook_master_slave_lost_hook"
DOCKER = "hook_slave_pre_launch_docker_task_executor_decorator"
DOCKER_GOOD = {"taskEnvironment": VARIABLES}

# Lists that would leave an agent without resources, and such as only the host can tell to be
# invalid: (event, name, answer, part of the failure; None for one that is no change).
HARMFUL_HOOKS = [
    ("hook_slave_resources_decorator", "none", {"resources": []}, None),
    ("hook_slave_resources_decorator", "absent", {}, None),
    ("hook_master_launch_task_resource_decorator", "none", {"resources": []}, None),
    ("hook_slave_attributes_decorator", "none", {"attributes": []}, None),
    ("hook_slave_attributes_decorator", "absent", {}, None),
    *[
        (event, f"invalid{index}", {"resources": [MEM, resource]}, 'Invalid resource "cpus"')
        for event in [
            "hook_slave_resources_decorator",
            "hook_master_launch_task_resource_decorator",
        ]
        for index, resource in enumerate(INVALID)
    ],
]
# What looks alike and is welcome: (name, container's parent, command task, answer).
WELCOME_PREPARES = [
    ("namespaces", None, False, {"enter_namespaces": [0x40000000]}),
    ("nested-newns", "parent", False, {"enter_namespaces": [0x20000]}),
    ("own-command", None, False, {"command": {"value": "id", "shell": True}}),
    ("arguments", None, True, {"command": {"arguments": ["a"]}}),
]
# Isolator methods: the good answer, what a failing command and a malformed output give when
# failures fail (None: nothing).
ISOLATOR_METHODS = {
    "isolator_recover": ({}, "because of isolator_recover", None),
    "isolator_prepare": (
        {"environment": VARIABLES},
        "because of isolator_prepare",
        "Malformed JSON",
    ),
    "isolator_isolate": ({}, "because of isolator_isolate", None),
    "isolator_update": ({}, "because of isolator_update", None),
    # These three have no failure answer to choose.
    "isolator_usage": ({"timestamp": 5, "disk_used_bytes": 4242, "mem_rss_bytes": 7}, None, None),
    "isolator_status": ({"executor_pid": 4242}, None, None),
    "isolator_watch": ({"message": "by @INSTANCE@"}, None, None),
    "isolator_cleanup": ({}, "because of isolator_cleanup", None),
}
UNCONFIGURABLE = {"isolator_usage", "isolator_status", "isolator_watch"}
# The rules that the engine applies, by the name of their case; see load_rules().
RULES = {}


def load_rules(program):
    """Reads the table of rules out of the command line tool."""
    text = subprocess.run(
        [program, "explain", "rules", "--json"], check=True, stdout=subprocess.PIPE
    ).stdout
    rows = [json.loads(line) for line in text.splitlines()]
    # Those of the host's own are HARMFUL_HOOKS.
    RULES.update({f"rule{index}": row for index, row in enumerate(rows) if not row["by_host"]})


def rules(*events):
    return [(name, rule) for name, rule in RULES.items() if rule["event"] in events]


def named(value, instance):
    """An answer as the command gives it."""
    return json.loads(json.dumps(value).replace("@INSTANCE@", instance))


def write_answers(directory):
    """The files from which the command answers."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True)
    answers = [(event, "good", row[1]) for event, row in SYNCHRONOUS.items()]
    answers += [(event, "good", row[0]) for event, row in ISOLATOR_METHODS.items()]
    answers += [(DOCKER, "good", DOCKER_GOOD), (BEHIND, "good", {})]
    answers += [(event, name, answer) for event, name, answer, _ in HARMFUL_HOOKS]
    answers += [(rule["event"], name, rule["example"]) for name, rule in RULES.items()]
    answers += [("isolator_prepare", name, answer) for name, _, _, answer in WELCOME_PREPARES]
    for event, name, answer in answers:
        (directory / f"{event}.{name}").write_text(json.dumps(answer))


def modules():
    listed = []
    hook_events = [*SYNCHRONOUS, BEHIND, DOCKER]
    for instances, events in [(HOOKS, hook_events), (ISOLATORS, ISOLATOR_METHODS)]:
        for symbol, name, failure in instances:
            pairs = {"module_name": name, "temp_dir": "${SCRATCH}/tmp"}
            for event in events:
                pairs[f"{event}_command"] = "${HERE}/method.sh"
                if event not in UNCONFIGURABLE:
                    pairs[f"{event}_failure"] = failure
            if instances is ISOLATORS:
                pairs |= {"state_dir": "${SCRATCH}/contexts", "isolator_watch_frequence": "100ms"}
                # One without a cache, and so without a last good answer; one that keeps it.
                pairs |= (
                    {"isolator_usage_cache_ttl": "0", "isolator_usage_stale_ttl": "0"}
                    if failure == "fail"
                    else {"isolator_usage_cache_ttl": "50ms", "isolator_usage_stale_ttl": "60secs"}
                )
            listed.append(
                {
                    "name": symbol,
                    "parameters": [{"key": key, "value": value} for key, value in pairs.items()],
                }
            )
    return {"libraries": [{"file": "${LIBRARY}", "modules": listed}]}


def call(event, expect, **more):
    return {"do": "call", "event": event, "expect": expect, **more}


def ran(event, instance, case):
    """That instance has run its command for that case."""
    return {
        "do": "file",
        "path": "${SCRATCH}/observed",
        "within_ms": 5000,
        "contains": f"{event} by {instance} for {case}.",
    }


def hook_call(event, key, case, expect):
    executor = {"executor_id": {"value": case}, "command": {"value": "x"}}
    inputs = {
        "task_info": {
            **TASK,
            "name": case,
            "resources": [CPUS],
            "executor": {"executor_id": {"value": "e"}, "command": {"value": "x"}},
        },
        "executor_info": executor,
        "slave_info": {"hostname": case, "resources": [CPUS], "attributes": [RACK]},
        "task_status": {**STATUS, "message": case},
    }
    if key == "container_id":
        return call(event, expect, container=case)
    return call(event, expect, inputs={key: inputs[key]})


def same(expected, instance):
    return {"json": named(expected, instance)} if expected else {"answer": "nothing"}


def hook_steps():
    steps = []
    for event, (key, _, good, unchanged, _) in SYNCHRONOUS.items():
        for _, instance, _ in HOOKS:
            for answer in ["good", "empty", "fails", "malformed"]:
                case = f"case-{instance}-{answer}"
                steps.append(
                    hook_call(
                        event, key, case, same(good if answer == "good" else unchanged, instance)
                    )
                )
                steps += [ran(event, name, case) for _, name, _ in HOOKS]
    for event, name, _, _ in HARMFUL_HOOKS:
        key, _, _, unchanged, _ = SYNCHRONOUS[event]
        for _, instance, _ in HOOKS:
            case = f"case-{instance}-{name}"
            steps += [
                hook_call(event, key, case, same(unchanged, instance)),
                ran(event, instance, case),
            ]
    for name, rule in rules(*SYNCHRONOUS):
        event = rule["event"]
        key, _, _, unchanged, _ = SYNCHRONOUS[event]
        for _, instance, _ in HOOKS:
            case = f"case-{instance}-{name}"
            steps += [
                hook_call(event, key, case, same(unchanged, instance)),
                ran(event, instance, case),
            ]
    for name, rule in rules(DOCKER):
        for _, instance, failure in HOOKS:
            case = f"case-{instance}-{name}"
            steps += [
                hook_call(DOCKER, "executor_info", case, refusal(rule, failure)),
                ran(DOCKER, instance, case),
            ]
    for _, instance, failure in HOOKS:
        for answer in ["good", "empty", "fails", "malformed"]:
            case = f"case-{instance}-{answer}"
            # Runs behind: no answer, whatever it does.
            steps += [
                hook_call(BEHIND, "slave_info", case, {"answer": "nothing"}),
                ran(BEHIND, instance, case),
            ]
            expect = {"answer": "nothing"}
            if answer == "good":
                expect = {"equals": named(DOCKER_GOOD, instance)}
            elif answer != "empty" and failure == "fail":
                expect = {
                    "answer": "failure",
                    "text": "because of" if answer == "fails" else "Malformed JSON",
                }
            steps.append(hook_call(DOCKER, "executor_info", case, expect))
    return steps


def refusal(rule, failure):
    """What Mesos has of an answer that a rule refuses."""
    if failure == "fail":
        return {"answer": "failure", "text": rule["condition"]}
    return {"answer": "nothing"}


def isolator_expectation(event, answer, failure):
    good, failing, malformed = ISOLATOR_METHODS[event]
    text = {"fails": failing, "malformed": malformed}.get(answer)
    if text and failure == "fail":
        return {"answer": "failure", "text": text}
    if answer == "good" and good:
        # Exactly: what is left out (usage's timestamp) must not be there.
        return {"equals": {k: v for k, v in good.items() if k != "timestamp"}}
    return {"answer": "nothing"}


def isolator_steps(symbol, instance, failure):
    steps = []
    for answer in ["good", "empty", "fails", "malformed"]:
        case = f"case-{instance}-{answer}"
        own = {"module": symbol, "container": case}
        for event in ISOLATOR_METHODS:
            expect = named(isolator_expectation(event, answer, failure), instance)
            if event == "isolator_recover":
                states = [{"container_id": {"value": case}, "pid": 1, "directory": "/x"}]
                steps.append(
                    call(event, expect, module=symbol, inputs={"states": states, "orphans": []})
                )
                # The recovered container's place is taken until it is cleaned up.
                steps.append(call("isolator_cleanup", {}, **own))
            elif event == "isolator_watch":
                steps.append(call(event, {}, name=case, **own))
                waits = (5000, expect) if answer == "good" else (300, {"answer": "pending"})
                steps.append(
                    {"do": "await", "name": case, "timeout_ms": waits[0], "expect": waits[1]}
                )
            else:
                steps.append(call(event, expect, **own))
        steps += [ran(event, instance, case) for event in ISOLATOR_METHODS]
    return steps


def prepare_steps(symbol, instance, failure):
    steps = []
    config = {False: CONFIG, True: {**CONFIG, "task_info": TASK}}
    for name, rule in rules("isolator_prepare"):
        case = f"case-{instance}-{name}"
        steps += [
            call(
                "isolator_prepare",
                refusal(rule, failure),
                module=symbol,
                container=case,
                inputs={"container_config": config[rule["command_task"]]},
            ),
            ran("isolator_prepare", instance, case),
            call("isolator_cleanup", {"answer": "nothing"}, module=symbol, container=case),
        ]
    for name, parent, command_task, answer in WELCOME_PREPARES:
        case = f"case-{instance}-{name}"
        container = f"{parent}.{case}" if parent else case
        steps += [
            call(
                "isolator_prepare",
                {"json": answer},
                module=symbol,
                container=container,
                inputs={"container_config": config[command_task]},
            ),
            call("isolator_cleanup", {}, module=symbol, container=container),
        ]
    return steps


def mended_steps(symbol, instance):
    """Answers of watch and status that Mesos gets mended."""
    steps = []
    for name, rule in rules("isolator_watch", "isolator_status"):
        case = f"case-{instance}-{name}"
        own = {"module": symbol, "container": case}
        steps.append(call("isolator_prepare", {"answer": "nothing"}, **own))
        expect = {"equals": rule["mended"]}
        if rule["event"] == "isolator_watch":
            steps += [
                call(rule["event"], {}, name=case, **own),
                {"do": "await", "name": case, "timeout_ms": 5000, "expect": expect},
            ]
        else:
            steps.append(call(rule["event"], expect, **own))
        steps.append(call("isolator_cleanup", {"answer": "nothing"}, **own))
    return steps


def stale_steps():
    """When refreshing fails, the last good answer serves, unless it may not grow old."""
    steps = []
    for symbol, instance, failure in ISOLATORS:
        own = {"module": symbol, "container": f"case-{instance}-once"}
        steps.append(call("isolator_prepare", {}, **own))
        for event in ["isolator_usage", "isolator_status"]:
            good = isolator_expectation(event, "good", failure)
            later = {"answer": "nothing"} if failure == "fail" else good
            steps += [
                call(event, good, **own),
                {"do": "sleep", "ms": 200},
                call(event, later, **own),
                call(event, later, **own),
            ]
        steps.append(call("isolator_cleanup", {}, **own))
    return steps


def separate_steps():
    """One container in two isolators: each has its own context, and answers for itself."""
    (first, one, _), (second, two, _) = ISOLATORS
    case = f"case-{one}-good"
    good = isolator_expectation("isolator_usage", "good", "fail")
    return [
        call("isolator_prepare", {"answer": "message"}, module=first, container=case),
        {"do": "file", "path": f"${{SCRATCH}}/contexts/{one}/{case}", "contains": "/sandbox"},
        # Nobody told the second of it: no context, so no run.
        call("isolator_usage", {"answer": "nothing"}, module=second, container=case),
        call("isolator_prepare", {"answer": "nothing"}, module=second, container=case),
        {"do": "file", "path": f"${{SCRATCH}}/contexts/{two}/{case}", "contains": "/sandbox"},
        call("isolator_cleanup", {"answer": "nothing"}, module=second, container=case),
        # The first still has its own.
        call("isolator_usage", good, module=first, container=case),
        {"do": "file", "path": f"${{SCRATCH}}/contexts/{one}/{case}", "contains": "/sandbox"},
        call("isolator_cleanup", {"answer": "nothing"}, module=first, container=case),
    ]


def scenario():
    steps = hook_steps()
    for instance in ISOLATORS:
        steps += isolator_steps(*instance) + prepare_steps(*instance)
        steps += mended_steps(*instance[:2])
    steps += stale_steps() + separate_steps()
    steps.append({"do": "leftovers", "threads": 64, "fds": 64, "directories": 4})
    return {
        "about": "all 19 methods: good, empty, failing, malformed and harmful answers, failures "
        "that fail and that are ignored, four instances side by side",
        "environment": {"OBSERVED": "${SCRATCH}/observed", "ANSWERS": "${ANSWERS}"},
        "inputs": {
            "task_info": TASK,
            "container_config": CONFIG,
            "executor_info": {"executor_id": {"value": "e"}, "command": {"value": "x"}},
            "framework_info": {"user": "u", "name": "f"},
            "framework_id": {"value": "f"},
            "slave_info": {"hostname": "h"},
            "slave_resources": [CPUS],
            "container_name": "c",
            "container_work_directory": "/w",
            "mapped_sandbox_directory": "/m",
            "directory": "/d",
            "pid": 1,
            "resource_requests": [CPUS],
        },
        "steps": steps,
    }


def complaints(log):
    """Failures of hooks that fail are in Mesos's own log; ignored ones are not."""
    lines = [
        line for line in log.read_text(errors="replace").splitlines() if " manager.cpp:" in line
    ]
    wrong = []

    def expect(words, symbol, text, wanted):
        found = any(
            words in line and f"'{symbol}'" in line + "'" and text in line for line in lines
        )
        if found != wanted:
            wrong.append(
                f"Mesos {'did not log' if wanted else 'logged'}: {words} for {symbol}: {text}"
            )

    for event, (*_, words) in SYNCHRONOUS.items():
        for symbol, instance, failure in HOOKS:
            expect(words, symbol, f"because of {event} by {instance}", failure == "fail")
            if event not in UNREAD:
                expect(words, symbol, "Malformed JSON", failure == "fail")
            if event in NEVER_EMPTY:
                expect(words, symbol, "No content to parse", failure == "fail")
    for event, _, _, text in HARMFUL_HOOKS:
        for symbol, _, failure in HOOKS:
            if text:
                expect(SYNCHRONOUS[event][-1], symbol, text, True)
    for _, rule in rules(*SYNCHRONOUS):
        for symbol, _, failure in HOOKS:
            words = SYNCHRONOUS[rule["event"]][-1]
            expect(words, symbol, rule["condition"], failure == "fail")
    return wrong


if __name__ == "__main__":
    load_rules(pathlib.Path(__file__).resolve().parents[2] / "target/release/mesos-command")
    print(json.dumps({"modules": modules(), "scenario": scenario()}, indent=1))
