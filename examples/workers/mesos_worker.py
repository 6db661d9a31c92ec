"""The protocol of workers: `main(answer)`, or `main_async(answer)` for many requests at a time.

`answer(request)` gets what a command finds in its input file, and gives what it would write to its
output file, or None for nothing. An exception fails the call, with its text. The program answers an
ordinary call (COMMAND INPUT OUTPUT ERROR) too, as is done while no worker is up.

stdout belongs to the protocol: while a worker serves, what is printed goes to stderr, and so does
what its children print. Copy this file beside your worker; it needs Python 3.6.
"""

import functools
import json
import os
import sys
from typing import Any, BinaryIO, Callable, Coroutine, Tuple

Json = Any
# A line may have megabytes; this is for the reader, which else stops at 64 KiB.
LONGEST_LINE = 1 << 30


def main(answer: Callable[[Json], Json]) -> None:
    """Serves as a worker, one request at a time, or answers an ordinary call."""
    if "MESOS_COMMAND_WORKER" not in os.environ:
        sys.exit(_call(answer))
    requests, answers = _take_pipes()
    for line in requests:
        message = json.loads(line.decode("utf-8"))
        if "mesos_command_worker" in message:
            _say(answers, '{"ready":1}')
        elif "id" in message:
            try:
                told = _output(answer(message["input"]))
            except Exception as error:  # noqa: BLE001 (a worker answers whatever happens)
                told = _error(repr(error))
            _say(answers, '{"id":%d%s}' % (message["id"], told))
        # Other lines are for workers that asked for them.


def main_async(answer: Callable[[Json], Coroutine[Any, Any, Json]], multiplex: int = 16) -> None:
    """Serves as a worker, `multiplex` requests at a time, or answers an ordinary call.

    `answer` is a coroutine. At a deadline, or when the container ends, it is cancelled: it gets
    asyncio.CancelledError where it waits, and must end soon.
    """
    import asyncio  # noqa: PLC0415 (other workers start sooner without it)

    loop = asyncio.new_event_loop()
    if "MESOS_COMMAND_WORKER" in os.environ:
        loop.run_until_complete(_serve_async(loop, answer, multiplex))
    else:
        sys.exit(_call(lambda request: loop.run_until_complete(answer(request))))


async def _serve_async(
    loop: Any, answer: Callable[[Json], Coroutine[Any, Any, Json]], multiplex: int
) -> None:
    import asyncio  # noqa: PLC0415

    requests, answers = _take_pipes()
    reader = asyncio.StreamReader(limit=LONGEST_LINE, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    await loop.connect_read_pipe(lambda: protocol, requests)
    tasks: dict[int, asyncio.Task[Json]] = {}

    def finish(number: int, task: "asyncio.Task[Json]") -> None:
        # Also for one that was cancelled before it began: each request has one answer.
        del tasks[number]
        try:
            told = _output(task.result())
        except asyncio.CancelledError:
            told = _error("cancelled")
        except Exception as error:  # noqa: BLE001 (a worker answers whatever happens)
            told = _error(repr(error))
        _say(answers, '{"id":%d%s}' % (number, told))

    while True:
        line = await reader.readline()
        if not line:  # The agent is gone, or has no more to ask.
            break
        message = json.loads(line.decode("utf-8"))
        if "mesos_command_worker" in message:
            _say(answers, '{"ready":1,"multiplex":%d,"cancel":true}' % multiplex)
        elif "id" in message:
            number = message["id"]
            tasks[number] = loop.create_task(answer(message["input"]))
            tasks[number].add_done_callback(functools.partial(finish, number))
        elif message.get("cancel") in tasks:  # Else its answer is on the way.
            tasks[message["cancel"]].cancel()
    left = list(tasks.values())
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _take_pipes() -> Tuple[BinaryIO, BinaryIO]:
    """The pipes of the protocol, where nobody else writes to them or reads from them."""
    # Bytes, because the lines are UTF-8 whatever the agent's locale is. Open until the process has
    # ended: a pipe that is closed before tells the agent nothing of the exit status.
    requests = os.fdopen(os.dup(0), "rb", closefd=False)
    answers = os.fdopen(os.dup(1), "wb", closefd=False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, answers


def _output(value: Json) -> str:
    # What cannot be sent fails the call, not the worker.
    return "" if value is None else ',"output":' + json.dumps(value, allow_nan=False)


def _error(text: str) -> str:
    return ',"error":' + json.dumps(text)


def _say(answers: BinaryIO, line: str) -> None:
    try:
        answers.write(line.encode() + b"\n")
        answers.flush()
    except BrokenPipeError:
        os._exit(0)  # The agent is gone.


def _call(answer: Callable[[Json], Json]) -> int:
    """An ordinary call."""
    if len(sys.argv) != 4:
        print("usage: COMMAND INPUT OUTPUT ERROR", file=sys.stderr)
        return 2
    # The input holds what frameworks wrote, which need not be UTF-8.
    with open(sys.argv[1], "rb") as file:
        text = file.read().decode("utf-8", "replace")
    path, status = sys.argv[2], 0
    try:
        output = answer(json.loads(text))
        text = "" if output is None else json.dumps(output, allow_nan=False)
    except Exception as error:  # noqa: BLE001 (a worker answers whatever happens)
        path, status, text = sys.argv[3], 1, repr(error)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return status
