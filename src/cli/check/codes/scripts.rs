//! Scripts and their interpreters: MC100 to MC129.

use super::codes;

codes! {
    SCRIPT_BOM = "MC100" "script-bom" {
        title: "a script begins with a byte order mark",
        why: "The kernel does not see the `#!`, and the shell takes the mark for a command.",
        example: "EF BB BF 23 21 2F 62 69 6E ...",
        advice: "save it as UTF-8 without byte order mark",
    }
    SCRIPT_CRLF = "MC101" "script-crlf" {
        title: "lines of a script end with CR LF",
        why: "The kernel looks for an interpreter whose name ends with CR, and to a shell the CR is a part of the last word.",
        example: "#!/bin/sh\\r",
        advice: "sed -i 's/\\r$//' FILE",
    }
    SCRIPT_EMPTY = "MC102" "script-empty" {
        title: "an empty script",
        why: "The shell runs it, it does nothing and is a success.",
        example: "a file of 0 bytes",
        advice: "write the script, or leave the command out",
    }
    SCRIPT_FIRST_LINE = "MC103" "script-first-line" {
        title: "a script without a `#!` in its first two bytes",
        why: "/bin/sh runs it, whatever language it is in.",
        example: "usage.py that begins with `import os`",
        advice: "make `#!/usr/bin/env PROGRAM` its very first line",
    }
    SCRIPT_BY_SHELL = "MC104" "script-by-shell" {
        title: "a script without `#!`, which /bin/sh runs",
        why: "That works for shell scripts.",
        example: "usage.sh that begins with `set -e`",
        advice: "begin it with `#!/bin/sh`",
    }
    INTERPRETER_MISSING = "MC110" "interpreter-missing" {
        title: "an interpreter that does not exist",
        why: "The kernel says `No such file` of a script that is there, and `env` ends with 127.",
        example: "#!/usr/bin/python, where there is only python3",
        advice: "install it, or name the interpreter that there is",
    }
    INTERPRETER_UNUSABLE = "MC111" "interpreter-unusable" {
        title: "an interpreter that cannot be run",
        why: "What stands behind `#!` must be an executable file for this machine.",
        example: "#!/etc",
        advice: "name the interpreter itself, with its whole path",
    }
    INTERPRETER_RELATIVE = "MC112" "interpreter-relative" {
        title: "an interpreter without an absolute path",
        why: "It is looked for in the agent's working directory, not in PATH.",
        example: "#!python3",
        advice: "write `#!/usr/bin/env PROGRAM`",
    }
    INTERPRETER_ARGUMENTS = "MC113" "interpreter-arguments" {
        title: "`env` gets several words as one argument",
        why: "The kernel passes all that stands behind the interpreter as one argument, and `env` looks for a program of that name.",
        example: "#!/usr/bin/env python3 -u",
        advice: "write `#!/usr/bin/env -S python3 -u`",
    }
    INTERPRETER_LINE_LONG = "MC114" "interpreter-line-long" {
        title: "a first line that the kernel cuts off",
        why: "It reads 255 bytes of it.",
        example: "#!/very/long/path...",
        advice: "make a shorter path or a link to the interpreter",
    }
    INTERPRETER_WRONG = "MC115" "interpreter-wrong" {
        title: "an interpreter that does not fit the file's name",
        why: "A script that runs under another language's interpreter fails, or does something else.",
        example: "usage.py with #!/bin/sh",
        advice: "correct the first line, or the file's name",
    }
    SCRIPT_WARM = "MC116" "script-warm" {
        title: "a script that may notice that it is run warm",
        why: "With `<event>_mode=warm` it runs in a process forked from an interpreter that is started already. docs/warm.md lists what can be seen of that.",
        example: "inspect.stack() with isolator_usage_mode=warm",
        advice: "leave it as it is if that is no harm, or set the mode to spawn",
    }
    INPUT_WRITTEN = "MC120" "input-written" {
        title: "a script changes its INPUT, which is a sealed memfd",
        why: "`io=memfd`, or `io=auto` for an event that the original modules do not have, gives a memfd that nobody can write.",
        example: "sed -i 's/a/b/' \"$1\"",
        advice: "copy it first (`cp \"$1\" \"$TMPDIR/input\"`), or set `io=file`",
    }
    INPUT_AS_PATH = "MC121" "input-as-path" {
        title: "a script takes INPUT for a file in a directory of its own",
        why: "INPUT is `/proc/<agent>/fd/N` here: it can be read and not moved, and there is no directory beside it to use.",
        example: "cd \"$(dirname \"$1\")\"",
        advice: "use `mktemp -d`, or set `io=file`",
    }
    INPUT_AS_OTHER_USER = "MC122" "input-as-other-user" {
        title: "a script opens INPUT as another user",
        why: "INPUT is `/proc/<agent>/fd/N` here, which no other user can open. Standard input is the same text and always works.",
        example: "sudo -u nobody cat \"$1\"",
        advice: "read standard input, or set `io=file` or `<event>_user`",
    }
    OUTPUT_REPLACED = "MC123" "output-replaced" {
        title: "a script replaces its OUTPUT, which is a memfd",
        why: "With `io=memfd` OUTPUT is `/proc/<agent>/fd/N`: it can be written in place, but nothing can be renamed over it.",
        example: "mv \"$2.tmp\" \"$2\"",
        advice: "write to \"$2\" itself, or set `io=file`",
    }
    OUTPUT_AS_PATH = "MC124" "output-as-path" {
        title: "a script takes OUTPUT for a file in a directory of its own",
        why: "With `io=memfd` OUTPUT is `/proc/<agent>/fd/N`, beside which no file can be made.",
        example: "jq . >\"$2.tmp\"",
        advice: "use `mktemp`, or set `io=file`",
    }
}
