//! Parameters, and what the text of a command names: MC060 to MC099.

use super::codes;

codes! {
    PARAMETER_MISSING = "MC060" "parameter-missing" {
        title: "a parameter is missing that every instance needs",
        why: "The agent does not start without it.",
        example: "a module without module_name",
        advice: "add it",
    }
    PARAMETER_UNKNOWN = "MC061" "parameter-unknown" {
        title: "a parameter that is not known",
        why: "It is ignored with a warning in the log, so what it was to do is not done.",
        example: "{\"key\": \"isolator_usage_comand\", \"value\": \"/opt/usage.sh\"}",
        advice: "take the nearest known key (`check --fix` writes it), or `mesos-command explain parameters`",
    }
    PARAMETER_WITHOUT_SUFFIX = "MC062" "parameter-without-suffix" {
        title: "the name of an event where a parameter belongs",
        why: "It is ignored, so the command never runs. The example file of the original modules has this mistake.",
        example: "{\"key\": \"isolator_prepare\", \"value\": \"/opt/prepare.sh\"}",
        advice: "add `_command` (`check --fix` does)",
    }
    PARAMETER_OTHER_KIND = "MC063" "parameter-other-kind" {
        title: "a parameter of the other kind of module",
        why: "Events of hooks have no effect in an isolator, nor the other way round.",
        example: "isolator_prepare_command in com_criteo_mesos_CommandHook",
        advice: "move it to a module of its kind",
    }
    PARAMETER_REPEATED = "MC064" "parameter-repeated" {
        title: "a parameter is given twice",
        why: "The last one counts, as in the original modules.",
        example: "two isolator_usage_command in one module",
        advice: "keep one",
    }
    NO_COMMAND = "MC065" "no-command" {
        title: "an instance without a command",
        why: "It is created, and does nothing.",
        example: "parameters with module_name alone",
        advice: "set <event>_command; `mesos-command explain` lists the events",
    }
    VALUE_REFUSED = "MC066" "value-refused" {
        title: "a value that cannot be used",
        why: "The agent does not start with it; the message says what is accepted.",
        example: "{\"key\": \"kill_grace\", \"value\": \"soon\"}",
        advice: "change the value, or remove the parameter",
    }
    VALUE_DOUBTFUL = "MC067" "value-doubtful" {
        title: "a value that is read as something else than it looks like",
        why: "Keys that the original modules have are read as they read them, so that a change of the library changes nothing.",
        example: "{\"key\": \"isolator_prepare_timeout\", \"value\": \"5m\"} is five seconds",
        advice: "write what is meant in one of the accepted forms",
    }
    VALUE_BEYOND_RIGHTS = "MC068" "value-beyond-rights" {
        title: "a value that takes rights which this process has not",
        why: "An agent with no more rights than this check refuses it.",
        example: "isolator_usage_user without being root",
        advice: "run the check as the agent is run, with its limits",
    }
    ADVICE = "MC069" "advice" {
        title: "something works that its author may want otherwise",
        why: "The message says what.",
        example: "a shell script with isolator_usage_mode=worker",
        advice: "the message says it",
    }
    COMMAND = "MC070" "command" {
        title: "a command that could not run now",
        why: "The module itself warns of it when it is loaded.",
        example: "a command whose file system does not answer",
        advice: "the message says it",
    }
    COMMAND_MISSING = "MC071" "command-missing" {
        title: "a command that does not exist",
        why: "Each call of the event fails.",
        example: "{\"key\": \"isolator_usage_command\", \"value\": \"/opt/no-such.sh\"}",
        advice: "install it, or correct the path",
    }
    COMMAND_BLANKS = "MC072" "command-blanks" {
        title: "blanks around a command",
        why: "They are taken for a part of the path.",
        example: "\"/opt/usage.sh \"",
        advice: "take them away (`check --fix` does)",
    }
    COMMAND_QUOTED = "MC073" "command-quoted" {
        title: "quotes around a command",
        why: "No shell takes them away, so they are a part of the path.",
        example: "\"'/opt/usage.sh'\"",
        advice: "take them away (`check --fix` does)",
    }
    COMMAND_RELATIVE = "MC074" "command-relative" {
        title: "a command with a relative path",
        why: "The directory in which the agent is started decides what is run.",
        example: "\"bin/usage.sh\"",
        advice: "write the absolute path",
    }
    COMMAND_ARGUMENTS = "MC075" "command-arguments" {
        title: "a program and its arguments in one text",
        why: "A command is one path and is never split; only the watch command may be shell text.",
        example: "\"python3 /opt/usage.py\"",
        advice: "name the script itself, with `#!` and `chmod +x`, or a script of two lines that calls the program",
    }
    COMMAND_SEARCHED = "MC076" "command-searched" {
        title: "a command that is looked up in PATH",
        why: "The PATH is that of the agent, which may be another than yours.",
        example: "\"usage.sh\"",
        advice: "write the absolute path",
    }
    COMMAND_NOT_EXPANDED = "MC077" "command-not-expanded" {
        title: "a command with shell syntax that no shell reads",
        why: "`~`, `$NAME` and backticks are a part of the path.",
        example: "\"$HOME/usage.sh\"",
        advice: "write the path out",
    }
    COMMAND_NO_FILE = "MC078" "command-no-file" {
        title: "a command that is no file",
        why: "Directories, devices, pipes and sockets cannot be executed.",
        example: "\"/opt\"",
        advice: "name the program itself",
    }
    COMMAND_NOT_EXECUTABLE = "MC079" "command-not-executable" {
        title: "a command that may not be executed",
        why: "The file has no x bit, or its file system is mounted noexec.",
        example: "-rw-r--r-- /opt/usage.sh",
        advice: "chmod +x, or move it to another file system",
    }
    COMMAND_UNREADABLE = "MC080" "command-unreadable" {
        title: "a command that this user may not read",
        why: "It could not be looked at; a script that cannot be read does not run either.",
        example: "-rwx--x--x root /opt/usage.sh, checked as another user",
        advice: "run the check as the agent's user",
    }
    PROGRAM_BROKEN = "MC090" "program-broken" {
        title: "a program that is cut off",
        why: "The kernel refuses it.",
        example: "a copy that was interrupted",
        advice: "copy it again",
    }
    PROGRAM_FOREIGN = "MC091" "program-foreign" {
        title: "a file that is no program of this system",
        why: "It is an archive, a program of another system, or bytes that nothing runs.",
        example: "\"/opt/usage.zip\"",
        advice: "name the program itself",
    }
    PROGRAM_OTHER_MACHINE = "MC092" "program-other-machine" {
        title: "a program for another kind of machine",
        why: "The kernel refuses it unless an emulator is registered.",
        example: "a program for 64-bit ARM on x86-64",
        advice: "build it for this machine",
    }
    PROGRAM_NO_PROGRAM = "MC093" "program-no-program" {
        title: "an ELF file that is no program",
        why: "Object files and libraries have nothing to begin with.",
        example: "\"/opt/libusage.so\"",
        advice: "name the program itself",
    }
    PROGRAM_LOADER_MISSING = "MC094" "program-loader-missing" {
        title: "a program whose dynamic loader does not exist",
        why: "It was built for another C library; the kernel says `No such file` of a file that is there.",
        example: "a program for musl on Debian",
        advice: "build it for this system, or link it statically",
    }
}
