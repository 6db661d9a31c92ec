# What `mesos-command deploy` does on a host: `sh -s -- STEP ARGUMENT...`, with this file as input.
#
# Plain POSIX shell, because the host may be old and its tool not installed yet. An answer is lines of
# `@KEY VALUE`; a login script may print lines of its own between them. What goes wrong is
# `@failed KIND TEXT`, and the exit status is 1. Which paths are meant is decided on the other side.
set -u
umask 022
export LC_ALL=C

# Names of what is kept: FILE.20261127T172005Z, with .1 and so on in the same second.
stamps='20[0-9][0-9][0-1][0-9][0-3][0-9]T[0-2][0-9][0-5][0-9][0-6][0-9]Z*'
staging='.mesos-command-deploy.'

say() { printf '@%s %s\n' "$1" "$2"; }

failed() {
    say failed "$1 $(printf '%s' "$2" | tr '\n' ' ')"
    exit 1
}

# The kind of failure that the words of a program stand for.
failed_by() {
    case $1 in
    *"No space left"* | *"quota exceeded"*) failed no-space "$1" ;;
    *"Permission denied"* | *"Operation not permitted"*) failed no-permission "$1" ;;
    *"Read-only file system"*) failed read-only "$1" ;;
    *) failed other "$1" ;;
    esac
}

try() { told=$("$@" 2>&1) || failed_by "$told"; }

sum() { [ ! -f "$1" ] || sha256sum <"$1" | cut -d ' ' -f 1; }

# Libraries that were kept of $1, the oldest first.
kept() {
    # The pattern has to become names; what it stands behind must not.
    eval 'for one in "$1".'"$stamps"'; do [ ! -f "$one" ] || printf "%s\n" "$one"; done' | sort
}

# UNITS FLAGS MODULES LIBRARIES: which of these there are; each is a list with blanks between.
probe() {
    for program in dd sha256sum mktemp df ln mv; do
        command -v "$program" >/dev/null || failed no-program "$program"
    done
    say machine "$(uname -m)"
    say user "$(id -un)"
    [ ! -e /etc/debian_version ] || say debian yes
    for unit in $1; do
        for place in /etc /run /usr/local/lib /usr/lib /lib; do
            if [ -e "$place/systemd/system/$unit.service" ]; then
                say unit "$unit"
                break
            fi
        done
    done
    for path in $2; do [ ! -e "$path" ] || say flags "$path"; done
    for path in $3; do [ ! -d "$path" ] || say modules "$path"; done
    agents
    for path in $4; do [ ! -f "$path" ] || say libmesos "$path"; done
}

# Agents that run, and the libmesos that they have loaded, if it is still there.
agents() {
    for process in /proc/[0-9]*; do
        name=
        { read -r name <"$process/comm"; } 2>/dev/null || continue
        case $name in
        mesos-agent | mesos-slave | lt-mesos-agent | lt-mesos-slave) ;;
        *) continue ;;
        esac
        say agent "${process#/proc/}"
        path=$(sed -n 's|^[^/]*\(/.*/libmesos[-.0-9]*\.so[.0-9]*\)$|\1|p' "$process/maps" 2>/dev/null | head -n 1)
        [ -z "$path" ] || [ ! -f "$path" ] || say libmesos "$path"
    done
}

# TARGET: what is there now.
look() {
    say sum "$(sum "$1")"
    kept "$1" | while read -r one; do say kept "$one"; done
}

# DIRECTORY: a new one inside it, where files arrive.
begin() {
    try mkdir -p -- "$1"
    # Of deployments whose connection broke.
    find "$1" -maxdepth 1 -type d -name "$staging*" -mmin +60 -exec rm -rf -- {} + 2>/dev/null
    try mktemp -d "$1/${staging}XXXXXX"
    say stage "$told"
}

# STAGE NAME SUM: whether a file arrived as it was sent.
arrived() {
    got=$(sum "$1/$2")
    [ "$got" = "$3" ] || failed checksum "$2 has the sum '$got' there, and '$3' here"
    try chmod 755 -- "$1/$2"
}

# STAGE: whether the tool runs there.
runs() {
    told=$("$1/mesos-command" version --json 2>&1)
    status=$?
    [ "$status" -ne 0 ] || return 0
    case $told in
    *"Exec format"* | *"cannot execute binary"*) failed other-machine "$told" ;;
    *GLIBC_* | *"not found"*) failed no-tool "$told" ;;
    *"Permission denied"*) failed noexec "$told" ;;
    *) failed no-tool "exit code $status: $told" ;;
    esac
}

# STAGE LIBRARIES ARGUMENT...: the tool, with a directory of libraries unless that is empty.
ask() {
    tool="$1/mesos-command"
    if [ -n "$2" ]; then
        LD_LIBRARY_PATH=$2
        export LD_LIBRARY_PATH
    fi
    shift 2
    "$tool" "$@" </dev/null
}

# TARGET SUM: nobody else has changed it meanwhile.
unchanged() {
    now=$(sum "$1")
    [ "$now" = "$2" ] || failed changed "$1 has changed since: its sum is '$now', and was '$2'"
}

# STAGE TOOL: the tool to where it stays.
tool() {
    try mkdir -p -- "${2%/*}"
    try cp -- "$1/mesos-command" "$2.new.$$"
    told=$(mv -f -- "$2.new.$$" "$2" 2>&1) || {
        rm -f -- "$2.new.$$"
        failed_by "$told"
    }
}

# STAGE TARGET SUM NAME KEEP: puts the library in place, and keeps the old one.
install() {
    unchanged "$2" "$3"
    if [ -n "$3" ]; then
        one="$2.$(date -u +%Y%m%dT%H%M%SZ)"
        more=0
        while [ -e "$one" ]; do
            more=$((more + 1))
            one="${one%Z*}Z.$more"
        done
        # A second name for the same file: there is no moment without a library.
        ln -- "$2" "$one" 2>/dev/null || try cp -p -- "$2" "$one"
        say kept "$one"
    fi
    # A rename, because an agent may have mapped the old one.
    try mv -f -- "$1/$4" "$2"
    forget "$2" "$5"
    rm -rf -- "$1"
}

# TARGET KEEP: removes the oldest that are kept, down to so many.
forget() {
    more=$(($(kept "$1" | wc -l) - $2))
    [ "$more" -gt 0 ] || return 0
    kept "$1" | head -n "$more" | while read -r one; do
        rm -f -- "$one" && say removed "$one"
    done
}

# TARGET SUM: puts the youngest that was kept in place again.
rollback() {
    unchanged "$1" "$2"
    one=$(kept "$1" | tail -n 1)
    [ -n "$one" ] || failed nothing-kept "there is no older $1"
    try mv -f -- "$one" "$1"
    say restored "$one"
    say sum "$(sum "$1")"
}

# UNIT SECONDS: restarts it, and waits until the same process has been active for five seconds.
restart() {
    command -v systemctl >/dev/null || failed no-service "there is no systemctl"
    told=$(systemctl restart "$1.service" 2>&1) || failed not-active "$told"
    waited=0 steady=0 before=
    while [ "$steady" -lt 5 ]; do
        [ "$waited" -lt "$2" ] || failed not-active "it is '$state' after $waited seconds"
        sleep 1
        waited=$((waited + 1))
        state=$(systemctl is-active "$1.service" 2>&1)
        pid=$(systemctl show -p MainPID "$1.service" 2>/dev/null)
        if [ "$state" = active ] && [ "$pid" = "$before" ]; then
            steady=$((steady + 1))
        else
            steady=0
        fi
        before=$pid
    done
    say active "${pid#MainPID=}"
}

# STAGE: nothing of it is wanted.
discard() {
    case $1 in
    */"$staging"??????) rm -rf -- "$1" ;;
    esac
}

step=$1
shift
"$step" "$@"
