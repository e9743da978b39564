#!/usr/bin/env bash
# Plants bugs, has the campaign find them, and makes what it found small enough to be read.
set -uo pipefail

help() {
    cat <<'HELP'
Plants bugs of this folder in a copy of the tree, one at a time. Of each
  - the campaign finds a plan that fails, of a scenario that is played by plans;
  - tellask-sim shrink makes it smaller, in a minute at the most: to 3 nodes and 10 steps and verdicts at the most;
  - the test that it emits is built, and fails.

Usage: tests/mutants/shrink.sh [OPTIONS] NAME...     names of patches, without .patch [those in shrink.txt]

  --runs N         how many runs the campaign has to find each [600]
  --scratch DIR    the copy and its target folder, kept for the next time [a temporary folder]
  --help           this text

Prints a table, and last `N passed, M failed`. Exit codes: 0 all became small, 1 one did not, 2 a wrong command line.
HELP
}

wrong() {
    echo "shrink.sh: $1" >&2
    exit 2
}

NODES=3 SIZE=10 SECONDS_EACH=60
# Those whose plans say all that goes wrong.
SCENARIOS=(port secure fragments secure-fragments bare-asks secure-asks node tight)
names=() runs=600 scratch=''
while (($#)); do
    case $1 in
        --help | -h) help && exit 0 ;;
        --runs) [[ ${2:-} =~ ^[0-9]+$ ]] && runs=$2 || wrong '--runs takes a number' ;;
        --scratch) mkdir -p "${2:-}" && scratch=$(realpath "$2") || wrong 'cannot make the folder' ;;
        -*) wrong "there is no option $1: --help says which there are" ;;
        *) names+=("$1") && shift && continue ;;
    esac
    shift 2
done
cd "$(dirname "$0")/../.." || exit 2
repo=$PWD
((${#names[@]})) || mapfile -t names < <(grep -v '^#' tests/mutants/shrink.txt)
if [[ -z $scratch ]]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
fi
tree=$scratch/tree log=$scratch/log out=$scratch/found
# None of the bugs is one of QUIC, which takes long to build.
features=(--no-default-features --features aws-lc)
export CARGO_TARGET_DIR=$scratch/target CARGO_TERM_COLOR=never RUST_BACKTRACE=0
sim=$CARGO_TARGET_DIR/debug/tellask-sim
rm -rf "$tree" "$out" && mkdir -p "$tree" "$out"
git ls-files -z | xargs -0 cp -p --parents -t "$tree" || exit 2
cd "$tree" || exit 2
# What was built in a used folder may have the last bug in it.
touch core/src/lib.rs
# As in run.sh: builds are quick, and what is built on is fast.
mkdir -p .cargo
for crate in tellask tellask-sim; do
    printf '[profile.dev.package.%s]\nopt-level = 0\ndebug = false\n' "$crate"
done >.cargo/config.toml
emitted=sim/tests/emitted.rs

# Plants one bug and makes what it causes small: sets `said`; fails where something is not as it must be.
small() {
    local patch=$1 plan only=() began scenario
    said='does not apply'
    patch -p1 -s -f -F0 --no-backup-if-mismatch <"$patch" >"$log" 2>&1 || return 1
    said='does not build'
    cargo build -q -p tellask-sim --bin tellask-sim "${features[@]}" >"$log" 2>&1 || return 1
    said='was not found'
    rm -f "$out"/*
    for scenario in "${SCENARIOS[@]}"; do only+=(--scenario "$scenario"); done
    "$sim" campaign --runs "$runs" --seed 1 "${only[@]}" --out "$out" >"$log" 2>&1 && return 1
    plan=$(find "$out" -name '*.plan' | head -n 1)
    [[ -n $plan ]] || return 1
    said='does not shrink'
    began=$EPOCHSECONDS
    timeout $((SECONDS_EACH + 30)) "$sim" shrink "$plan" --seconds "$SECONDS_EACH" >"$emitted" 2>"$log" || return 1
    local took=$((EPOCHSECONDS - began)) nodes size
    nodes=$(sed -n 's/^nodes//p' "$plan.small" | wc -w)
    size=$(grep -cE '^(at|verdict) ' "$plan.small")
    said="$(basename "$plan" .plan): $nodes nodes, $size steps and verdicts, $took s"
    ((nodes <= NODES && size <= SIZE)) || return 1
    # It is built, and fails as a test fails.
    cargo test -q -p tellask-sim --test emitted "${features[@]}" >"$log" 2>&1 && said+=', the test passes' && return 1
    grep -q '^test result: FAILED' "$log" || { said+=', the test does not build' && return 1; }
    said+=', the test fails'
}

passed=0 failed=0
for name in "${names[@]}"; do
    patch=$repo/tests/mutants/$name.patch
    [[ -r $patch ]] || wrong "there is no $name"
    if small "$patch"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        tail -n 5 "$log" >&2
    fi
    printf '%-32s | %s\n' "$name" "$said"
    rm -f "$emitted"
    while read -r file; do
        cp "$repo/$file" "$file"
    done < <(sed -n 's|^+++ b/||p' "$patch")
done
echo "$passed passed, $failed failed"
((failed == 0))
