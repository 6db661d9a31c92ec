//! The modules file, its libraries and modules, and the flags beside it: MC001 to MC059.

use super::codes;

codes! {
    MODULES_BOM = "MC001" "modules-bom" {
        title: "the modules file begins with a byte order mark",
        why: "Mesos's parser takes the mark for the beginning of a value and refuses the file.",
        example: "EF BB BF 7B ...",
        advice: "save the file as UTF-8 without byte order mark (`check --fix` takes it away)",
    }
    MODULES_ENCODING = "MC002" "modules-encoding" {
        title: "the modules file is no UTF-8",
        why: "Mesos passes the bytes on as they are, so a path with them may be another than it looks like.",
        example: "\"value\": \"/opt/\\xe9t\\xe9.sh\"",
        advice: "save the file as UTF-8",
    }
    MODULES_CRLF = "MC003" "modules-crlf" {
        title: "lines of the modules file end with CR LF",
        why: "Mesos takes it. Scripts that were saved by the same editor do not run.",
        example: "{\\r\\n  \"libraries\": ...",
        advice: "save the file with LF",
    }
    MODULES_SYNTAX = "MC004" "modules-file" {
        title: "the modules file is not what Mesos reads",
        why: "The agent or the master ends at its start with a message that has no line. The file is read here by the same rules: JSON without comments, strings where strings are needed, both `key` and `value` in each parameter.",
        example: "{\"key\": \"max_parallel\", \"value\": 4}",
        advice: "correct the place that is shown; numbers need quotes, the last of a list no comma (`check --fix` mends these two)",
    }
    MODULES_UNKNOWN_KEY = "MC005" "modules-unknown-key" {
        title: "the modules file has a key that Mesos ignores",
        why: "Mesos knows libraries, file, name, modules, parameters, key and value; what stands under another key has no effect.",
        example: "{\"name\": \"com_criteo_mesos_CommandHook\", \"parameter\": []}",
        advice: "spell the key as Mesos does, or begin it with `_` if it is a comment",
    }
    MODULES_COMMENT = "MC006" "modules-comment" {
        title: "a comment, which Mesos ignores",
        why: "Unknown keys are ignored, which serves for comments.",
        example: "{\"_comment\": \"accounting\", \"libraries\": []}",
        advice: "nothing",
    }
    MODULES_REPEATED_KEY = "MC007" "modules-repeated-key" {
        title: "a key stands twice in one object",
        why: "Mesos takes the last one in silence.",
        example: "{\"file\": \"/a.so\", \"file\": \"/b.so\"}",
        advice: "keep one",
    }
    MODULES_NULL = "MC008" "modules-null" {
        title: "a null, which is as if it were not there",
        why: "Mesos takes null for an absent key or list item.",
        example: "{\"file\": null, \"name\": \"mesos_command_modules\"}",
        advice: "take it out",
    }
    MODULES_NO_LIST = "MC009" "modules-no-list" {
        title: "a single object where a list belongs",
        why: "Mesos takes it for a list of one.",
        example: "{\"libraries\": {\"file\": \"/a.so\"}}",
        advice: "put it into brackets",
    }
    MODULES_LIST_IN_LIST = "MC010" "modules-list-in-list" {
        title: "a list within a list",
        why: "Mesos takes the inner list's items for items of the outer one.",
        example: "{\"libraries\": [[{\"file\": \"/a.so\"}]]}",
        advice: "take the inner brackets out",
    }
    MODULES_NONE = "MC011" "modules-none" {
        title: "no module of ours is named",
        why: "The library is loaded, if it is, and nothing of it is used.",
        example: "{\"libraries\": [{\"file\": \"/usr/lib/mesos/libmesos_command_modules.so\"}]}",
        advice: "name com_criteo_mesos_CommandHook or com_criteo_mesos_CommandIsolator, or one with 2 to 32 at the end",
    }
    LIBRARY_UNNAMED = "MC020" "library-unnamed" {
        title: "a library has neither `file` nor `name`",
        why: "Mesos refuses the file.",
        example: "{\"libraries\": [{\"modules\": []}]}",
        advice: "give `file` the absolute path of libmesos_command_modules.so",
    }
    LIBRARY_NAME_UNUSED = "MC021" "library-name-unused" {
        title: "`name` has no effect beside `file`",
        why: "Mesos loads `file`.",
        example: "{\"file\": \"/a.so\", \"name\": \"a\"}",
        advice: "take `name` out",
    }
    LIBRARY_SEARCHED = "MC022" "library-searched" {
        title: "the library is looked for by the dynamic linker",
        why: "Without a slash the linker searches LD_LIBRARY_PATH, the cache of ldconfig and the standard directories, so another file than the meant one may be loaded.",
        example: "{\"file\": \"libmesos_command_modules.so\"}",
        advice: "write the absolute path",
    }
    LIBRARY_RELATIVE = "MC023" "library-relative" {
        title: "the library's path is relative",
        why: "The directory in which the agent is started decides which file is loaded.",
        example: "{\"file\": \"./libmesos_command_modules.so\"}",
        advice: "write the absolute path",
    }
    LIBRARY_MISSING = "MC024" "library-missing" {
        title: "the library cannot be loaded",
        why: "The agent ends at its start.",
        example: "{\"file\": \"/usr/lib/mesos/no-such.so\"}",
        advice: "install libmesos_command_modules.so there, or correct the path",
    }
    LIBRARY_NO_LIBRARY = "MC025" "library-no-library" {
        title: "what is named as a library is none",
        why: "The agent ends at its start.",
        example: "{\"file\": \"/etc/mesos/modules.json\"}",
        advice: "name libmesos_command_modules.so",
    }
    LIBRARY_OTHER_MACHINE = "MC026" "library-other-machine" {
        title: "the library is for another kind of machine",
        why: "The dynamic linker refuses it, and the agent ends at its start.",
        example: "a library for 64-bit ARM on x86-64",
        advice: "build it for this machine",
    }
    LIBRARY_DOES_NOT_FIT = "MC027" "library-does-not-fit" {
        title: "the library does not fit the libmesos",
        why: "With `--library` the module library is loaded into that libmesos in a process of its own, as `mesos-command inspect` does, and its own check at load refuses it.",
        example: "mesos-command check --library /usr/lib/libmesos.so /etc/mesos/modules.json",
        advice: "`mesos-command inspect` shows all symbols and sizes",
    }
    LIBRARY_FIT_UNKNOWN = "MC028" "library-fit-unknown" {
        title: "it is not known whether the library fits the libmesos",
        why: "The libmesos could not be loaded here, or did not answer.",
        example: "mesos-command check --library /tmp/libmesos.so /etc/mesos/modules.json",
        advice: "run `mesos-command inspect` on a machine that runs this Mesos",
    }
    LIBRARY_NOT_NAMED = "MC029" "library-not-named" {
        title: "a library that is to be put somewhere is named by no modules file",
        why: "The agent loads what its modules file names, wherever the new library lies.",
        example: "mesos-command check --replace /usr/lib/mesos/modules/libmesos_command_modules.so=./new.so /etc/mesos/modules.json",
        advice: "write the new path as `file` into the modules file, or put the library where that names it",
    }
    SYMBOL_MISSING = "MC030" "symbol-missing" {
        title: "a module has no name",
        why: "Mesos looks each module up by its name, a symbol of the library.",
        example: "{\"modules\": [{\"parameters\": []}]}",
        advice: "name com_criteo_mesos_CommandHook or com_criteo_mesos_CommandIsolator",
    }
    SYMBOL_UNKNOWN = "MC031" "symbol-unknown" {
        title: "the library has no such symbol",
        why: "Mesos refuses to start.",
        example: "{\"name\": \"com_criteo_mesos_CommandIsolator33\"}",
        advice: "there are com_criteo_mesos_CommandHook and com_criteo_mesos_CommandIsolator, and each with 2 to 32 at the end",
    }
    SYMBOL_TWICE = "MC032" "symbol-twice" {
        title: "a symbol is named twice",
        why: "Mesos has one instance for each symbol. It takes two alike for one, and refuses two that differ.",
        example: "{\"name\": \"com_criteo_mesos_CommandHook\"} twice, with other parameters",
        advice: "give the second instance a symbol of its own, with 2 to 32 at the end",
    }
    MODULE_NAME_SHARED = "MC033" "module-name-shared" {
        title: "two instances have one module_name",
        why: "Isolators then keep their contexts in the same files; the metrics of hooks are added up.",
        example: "module_name 'accounting' for two isolators",
        advice: "give each instance a module_name of its own",
    }
    MODULES_TOGETHER = "MC040" "modules-and-modules-dir" {
        title: "both `modules` and `modules_dir` are given",
        why: "Mesos refuses to start with both.",
        example: "/etc/mesos-slave/modules and /etc/mesos-slave/modules_dir",
        advice: "keep one",
    }
    FLAG_ABSENT = "MC041" "flag-absent" {
        title: "no modules are loaded",
        why: "Neither `modules` nor `modules_dir` is among the flags.",
        example: "/etc/mesos-slave without the file modules",
        advice: "write file:///path/of/modules.json into the file `modules`",
    }
    FLAG_BLANKS = "MC042" "flag-list-blanks" {
        title: "a blank or an empty item in a list of names",
        why: "Mesos splits `--hooks` and `--isolation` at commas and takes blanks for a part of the name; an empty item of `--hooks` is a name too. It does not start.",
        example: "--hooks=com_criteo_mesos_CommandHook, com_example_Other",
        advice: "write the names with commas alone between them",
    }
    HOOK_NOT_NAMED = "MC043" "hook-not-named" {
        title: "a hook that `--hooks` does not name",
        why: "Mesos loads the module and never creates it, so none of its commands runs. It says nothing of it.",
        example: "modules.json has com_criteo_mesos_CommandHook, --hooks is not given",
        advice: "add the symbol to `--hooks` of the agent or master",
    }
    ISOLATOR_NOT_NAMED = "MC044" "isolator-not-named" {
        title: "an isolator that `--isolation` does not name",
        why: "Mesos loads the module and never creates it, so none of its commands runs. It says nothing of it.",
        example: "modules.json has com_criteo_mesos_CommandIsolator, --isolation=cgroups/cpu",
        advice: "add the symbol to `--isolation` of the agent, behind the others",
    }
    NAMED_UNKNOWN = "MC045" "named-not-loaded" {
        title: "a name that no modules file has",
        why: "Mesos refuses to start: there is no such module.",
        example: "--hooks=com_criteo_mesos_CommandHook2, which modules.json does not have",
        advice: "add the module to the modules file, or correct the name",
    }
    NAMED_WRONG_KIND = "MC046" "named-as-other-kind" {
        title: "an isolator among the hooks, or a hook among the isolators",
        why: "Mesos looks modules up by their kind and refuses to start.",
        example: "--hooks=com_criteo_mesos_CommandIsolator",
        advice: "hooks belong to `--hooks`, isolators to `--isolation`",
    }
    NAMED_TWICE = "MC047" "named-twice" {
        title: "a name stands twice in a list",
        why: "Mesos refuses a hook that is loaded already, and duplicates in `--isolation`.",
        example: "--hooks=com_criteo_mesos_CommandHook,com_criteo_mesos_CommandHook",
        advice: "keep one",
    }
}
