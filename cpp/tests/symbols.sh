#!/bin/sh
# Checks what the module library asks of its host and what it offers.
#
#   symbols.sh MODULE_LIBRARY MESOS_LIBRARY[,NEIGHBOUR...]...
#
# * Every symbol that the module leaves to the host must be a strong export of every Mesos library
#   given, or of one of those that are named with it: weak ones depend on what a compiler happened to inline in that build.
# * Three names differ by the std::string that the host is built with: the module refers weakly to
#   those of both, and every library exports the three of one of them, as strong ones.
# * The only other weak references to Mesos are what tells that libprocess was taken down, without which
#   hooks cannot know, and what tells that a hook has a masterLaunchTaskResourceDecorator.
# * The module exports its manifests, documented functions (mesos_command_*) and what cxx cannot
#   hide, and nothing else.
# * It stays mapped when it is closed.
#
# Prints the newest versions of libc and libstdc++ that it needs.
set -eu
export LC_ALL=C

if [ $# -lt 2 ]; then
  echo "usage: symbols.sh MODULE_LIBRARY MESOS_LIBRARY..." >&2
  exit 2
fi
module=$1
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
  echo "symbols.sh: $1" >&2
  failed=1
}

nm -D --undefined-only "$module" > "$work/undefined"
# Versioned symbols belong to libc, libstdc++ and libgcc, and the linker has checked them.
awk '$1 == "U" && $2 !~ /@/ { print $2 }' "$work/undefined" | sort -u > "$work/required"
awk '$1 == "w" && $2 ~ /^_ZNK?(5mesos|6google|7process)/ { print $2 }' "$work/undefined" |
  sort -u > "$work/optional"

if ! grep -q . "$work/required"; then
  fail "$module asks nothing of its host: is it the module library?"
fi
cat > "$work/cxx11" << 'END'
_ZN5mesos7modules13ModuleManager13kindToVersionB5cxx11E
_ZNK6google8protobuf11MessageLite21AppendPartialToStringEPNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE
_ZNK6google8protobuf14DescriptorPool14FindFileByNameERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE
END
cat > "$work/cow" << 'END'
_ZN5mesos7modules13ModuleManager13kindToVersionE
_ZNK6google8protobuf11MessageLite21AppendPartialToStringEPSs
_ZNK6google8protobuf14DescriptorPool14FindFileByNameERKSs
END
cat > "$work/others" << 'END'
_ZN5mesos8internal11HookManager33masterLaunchTaskResourceDecoratorERKNS_8TaskInfoERKNS_9ResourcesE
_ZN7process14socket_managerE
END
sort -u "$work/others" "$work/cxx11" "$work/cow" > "$work/allowed"
if ! cmp -s "$work/optional" "$work/allowed"; then
  fail "weak references to Mesos are others than $(cat "$work/allowed"): $(cat "$work/optional")"
fi

for library in "$@"; do
  echo "$library" | tr , '\n' | while read -r file; do
    nm -D --defined-only "$file" || echo "$file" >> "$work/unreadable"
  done | awk '$2 ~ /^[TDBR]$/ { print $3 }' | sed 's/@.*//' | sort -u > "$work/strong"
  [ ! -e "$work/unreadable" ] || fail "cannot be read: $(cat "$work/unreadable")"
  strings=cxx11
  if grep -qxF "$(head -n 1 "$work/cow")" "$work/strong"; then
    strings=cow
  fi
  sort -u "$work/required" "$work/$strings" > "$work/needed"
  comm -23 "$work/needed" "$work/strong" > "$work/missing"
  if [ -s "$work/missing" ]; then
    fail "not strong exports of $library:"
    c++filt < "$work/missing" >&2
  else
    echo "$library exports all $(wc -l < "$work/needed") symbols that the module needs ($strings)"
  fi
done

nm -D --defined-only "$module" | awk '{ print $3 }' | sort > "$work/exported"
manifests=$(grep -Ec '^com_criteo_mesos_Command(Hook|Isolator)([2-9]|[12][0-9]|3[0-2])?$' \
  "$work/exported" || true)
if [ "$manifests" -ne 64 ]; then
  fail "expected 64 manifests (two kinds, 32 names each), found $manifests"
fi
grep -Ev '^com_criteo_mesos_Command|^mesos_command_|cxxbridge1\$' "$work/exported" \
  > "$work/stray" || true
if [ -s "$work/stray" ]; then
  fail "unexpected exports:"
  cat "$work/stray" >&2
fi
grep -q '^mesos_command_metrics$' "$work/exported" || fail "mesos_command_metrics is not exported"

readelf -d "$module" | grep -q NODELETE || fail "not linked with -z nodelete"

for family in GLIBC GLIBCXX CXXABI; do
  newest=$(grep -oE "@${family}_[0-9.]+" "$work/undefined" | sed 's/@//' | sort -Vu | tail -n 1)
  echo "needs $newest"
done

exit $failed
