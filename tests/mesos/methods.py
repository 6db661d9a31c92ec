"""What Mesos makes of all answers of every method.

Good, empty, failing, malformed, refused and mended ones, which are the tables of answers.py. Four
instances run side by side: a hook and an isolator whose failures fail, and a hook and an isolator
whose failures are ignored. Each answers only the cases that name it, so that an answer of the wrong
instance, or a state that two of them share, shows.
"""

import json
import pathlib
from collections.abc import Collection, Iterable

import answers
import files
from answers import (
    BEHIND,
    CONFIG,
    CPUS,
    DOCKER,
    DOCKER_GOOD,
    HARMFUL_HOOKS,
    HOOKS,
    ISOLATOR_METHODS,
    ISOLATORS,
    NEVER_EMPTY,
    RACK,
    STATUS,
    SYNCHRONOUS,
    TASK,
    UNCONFIGURABLE,
    UNREAD,
    WELCOME_PREPARES,
    named,
    rules,
)
from files import Json, Step

NOTHING: Json = {"answer": "nothing"}


def modules() -> Json:
    listed = []
    hook_events = [*SYNCHRONOUS, BEHIND, DOCKER]
    for instances, events in [(HOOKS, hook_events), (ISOLATORS, [*ISOLATOR_METHODS])]:
        for instance in instances:
            pairs = {"module_name": instance.name, "temp_dir": "${SCRATCH}/tmp"}
            for event in events:
                pairs[f"{event}_command"] = "${HERE}/method.sh"
                if event not in UNCONFIGURABLE:
                    pairs[f"{event}_failure"] = instance.failure
            if instances is ISOLATORS:
                pairs |= {"state_dir": "${SCRATCH}/contexts", "isolator_watch_frequence": "100ms"}
                # One without a cache, and so without a last good answer; one that keeps it.
                pairs |= (
                    {"isolator_usage_cache_ttl": "0", "isolator_usage_stale_ttl": "0"}
                    if instance.failure == "fail"
                    else {"isolator_usage_cache_ttl": "50ms", "isolator_usage_stale_ttl": "60secs"}
                )
            listed.append((instance.symbol, pairs))
    return files.modules_file(listed)


def call(event: str, expect: Json, container: str | None = None, **more: object) -> Step:
    return files.call(event, container, expect, **more)


def ran(event: str, instance: str, case: str) -> Step:
    """That instance has run its command for that case."""
    return {
        "do": "file",
        "path": "${SCRATCH}/observed",
        "within_ms": 5000,
        "contains": f"{event} by {instance} for {case}.",
    }


def hook_call(event: str, key: str, case: str, expect: Json) -> Step:
    executor = {"executor_id": {"value": case}, "command": {"value": "x"}}
    inputs: Json = {
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


def same(expected: Json | None, instance: str) -> Json:
    return {"json": named(expected, instance)} if expected else NOTHING


def hook_steps() -> list[Step]:
    steps = []
    for event, hook in SYNCHRONOUS.items():
        for _, instance, _ in HOOKS:
            for answer in ["good", "empty", "fails", "malformed"]:
                case = f"case-{instance}-{answer}"
                expect = same(hook.has if answer == "good" else hook.unchanged, instance)
                steps.append(hook_call(event, hook.key, case, expect))
                steps += [ran(event, other.name, case) for other in HOOKS]
    return steps + harmless_steps() + docker_steps()


def harmless_steps() -> list[Step]:
    """Answers of synchronous hooks that must change nothing."""
    steps = []
    answers = [(row.event, row.name) for row in HARMFUL_HOOKS]
    answers += [(rule["event"], name) for name, rule in rules(*SYNCHRONOUS)]
    for event, name in answers:
        hook = SYNCHRONOUS[event]
        for _, instance, _ in HOOKS:
            case = f"case-{instance}-{name}"
            steps.append(hook_call(event, hook.key, case, same(hook.unchanged, instance)))
            steps.append(ran(event, instance, case))
    return steps


def docker_steps() -> list[Step]:
    """The hooks whose answer Mesos waits for without blocking, or not at all."""
    steps = []
    for name, rule in rules(DOCKER):
        for _, instance, failure in HOOKS:
            case = f"case-{instance}-{name}"
            steps.append(hook_call(DOCKER, "executor_info", case, refusal(rule, failure)))
            steps.append(ran(DOCKER, instance, case))
    for _, instance, failure in HOOKS:
        for answer in ["good", "empty", "fails", "malformed"]:
            case = f"case-{instance}-{answer}"
            # Runs behind: no answer, whatever it does.
            steps.append(hook_call(BEHIND, "slave_info", case, NOTHING))
            steps.append(ran(BEHIND, instance, case))
            expect = NOTHING
            if answer == "good":
                expect = {"equals": named(DOCKER_GOOD, instance)}
            elif answer != "empty" and failure == "fail":
                text = "because of" if answer == "fails" else "Malformed JSON"
                expect = {"answer": "failure", "text": text}
            steps.append(hook_call(DOCKER, "executor_info", case, expect))
    return steps


def refusal(rule: Json, failure: str) -> Json:
    """What Mesos has of an answer that a rule refuses."""
    if failure == "fail":
        return {"answer": "failure", "text": rule["condition"]}
    return NOTHING


def isolator_expectation(event: str, answer: str, failure: str) -> Json:
    good, failing, malformed = ISOLATOR_METHODS[event]
    text = {"fails": failing, "malformed": malformed}.get(answer)
    if text and failure == "fail":
        return {"answer": "failure", "text": text}
    if answer == "good" and good:
        # Exactly: what is left out (usage's timestamp) must not be there.
        return {"equals": {k: v for k, v in good.items() if k != "timestamp"}}
    return NOTHING


def isolator_steps(symbol: str, instance: str, failure: str) -> list[Step]:
    steps: list[Step] = []
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
                steps.append(
                    {"do": "await", "name": case, "timeout_ms": 5000, "expect": expect}
                    if answer == "good"
                    else {
                        "do": "await",
                        "name": case,
                        "timeout_ms": 300,
                        "expect": {"answer": "pending"},
                    }
                )
            else:
                steps.append(call(event, expect, **own))
        steps += [ran(event, instance, case) for event in ISOLATOR_METHODS]
    return steps


def prepare_steps(symbol: str, instance: str, failure: str) -> list[Step]:
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
            call("isolator_cleanup", NOTHING, module=symbol, container=case),
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


def mended_steps(symbol: str, instance: str) -> list[Step]:
    """Answers of watch and status that Mesos gets mended."""
    steps = []
    for name, rule in rules("isolator_watch", "isolator_status"):
        case = f"case-{instance}-{name}"
        own = {"module": symbol, "container": case}
        steps.append(call("isolator_prepare", NOTHING, **own))
        expect = {"equals": rule["mended"]}
        if rule["event"] == "isolator_watch":
            steps += [
                call(rule["event"], {}, name=case, **own),
                {"do": "await", "name": case, "timeout_ms": 5000, "expect": expect},
            ]
        else:
            steps.append(call(rule["event"], expect, **own))
        steps.append(call("isolator_cleanup", NOTHING, **own))
    return steps


def stale_steps() -> list[Step]:
    """When refreshing fails, the last good answer serves, unless it may not grow old."""
    steps = []
    for symbol, instance, failure in ISOLATORS:
        own = {"module": symbol, "container": f"case-{instance}-once"}
        steps.append(call("isolator_prepare", {}, **own))
        for event in ["isolator_usage", "isolator_status"]:
            good = isolator_expectation(event, "good", failure)
            later = NOTHING if failure == "fail" else good
            steps += [
                call(event, good, **own),
                {"do": "sleep", "ms": 200},
                call(event, later, **own),
                call(event, later, **own),
            ]
        steps.append(call("isolator_cleanup", {}, **own))
    return steps


def separate_steps() -> list[Step]:
    """One container in two isolators: each has its own context, and answers for itself."""
    (first, one, _), (second, two, _) = ISOLATORS
    case = f"case-{one}-good"
    good = isolator_expectation("isolator_usage", "good", "fail")
    return [
        call("isolator_prepare", {"answer": "message"}, module=first, container=case),
        {"do": "file", "path": f"${{SCRATCH}}/contexts/{one}/{case}", "contains": "/sandbox"},
        # Nobody told the second of it: no context, so no run.
        call("isolator_usage", NOTHING, module=second, container=case),
        call("isolator_prepare", NOTHING, module=second, container=case),
        {"do": "file", "path": f"${{SCRATCH}}/contexts/{two}/{case}", "contains": "/sandbox"},
        call("isolator_cleanup", NOTHING, module=second, container=case),
        # The first still has its own.
        call("isolator_usage", good, module=first, container=case),
        {"do": "file", "path": f"${{SCRATCH}}/contexts/{one}/{case}", "contains": "/sandbox"},
        call("isolator_cleanup", NOTHING, module=first, container=case),
    ]


def scenario() -> Json:
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


def never_called(lines: Iterable[str], lacks: Collection[str]) -> list[str]:
    """Each hook says of each command that this Mesos never calls, and of no other, that it is not
    run.
    """
    found = {tuple(line.split("'")[1:4:2]) for line in lines}
    wanted = {(hook.name, f"{event}_command") for hook in HOOKS for event in lacks}
    return [] if found == wanted else [f"never run are {sorted(found)}, not {sorted(wanted)}"]


def complaints(log: pathlib.Path, lacks: Collection[str]) -> list[str]:
    """Failures of hooks that fail are in Mesos's own log; ignored ones are not.

    `lacks` are the events for which this Mesos calls no module.
    """
    text = log.read_text(errors="replace").splitlines()
    wrong = never_called((line for line in text if " is never run: " in line), lacks)
    lines = [line for line in text if " manager.cpp:" in line]

    def expect(words: str, symbol: str, text: str, wanted: bool) -> None:
        found = any(
            words in line and f"'{symbol}'" in line + "'" and text in line for line in lines
        )
        if found != wanted:
            wrong.append(
                f"Mesos {'did not log' if wanted else 'logged'}: {words} for {symbol}: {text}"
            )

    called = {event: hook for event, hook in SYNCHRONOUS.items() if event not in lacks}
    for event, hook in called.items():
        words = hook.words
        for symbol, instance, failure in HOOKS:
            expect(words, symbol, f"because of {event} by {instance}", failure == "fail")
            if event not in UNREAD:
                expect(words, symbol, "Malformed JSON", failure == "fail")
            if event in NEVER_EMPTY:
                expect(words, symbol, "No content to parse", failure == "fail")
    for row in HARMFUL_HOOKS:
        for symbol, _, _ in HOOKS:
            if row.text and row.event in called:
                expect(SYNCHRONOUS[row.event].words, symbol, row.text, True)
    for _, rule in rules(*called):
        for symbol, _, failure in HOOKS:
            words = SYNCHRONOUS[rule["event"]].words
            expect(words, symbol, rule["condition"], failure == "fail")
    return wrong


if __name__ == "__main__":
    answers.load_rules(pathlib.Path(__file__).resolve().parents[2] / "target/release/mesos-command")
    print(json.dumps({"modules": modules(), "scenario": scenario()}, indent=1))
