#!/usr/bin/env bash
# Plants each bug of this folder in a copy of the tree and has the campaign look for it.
set -uo pipefail

help() {
    cat <<'HELP'
Plants each bug of tests/mutants in a copy of the tree and has the campaign of tellask-sim look for it.
First the tree as it is has to pass the same campaign.

Usage: tests/mutants/run.sh [OPTIONS]

  --only PATTERN   only the patches whose names contain PATTERN; may be said more than once
  --list FILE      only the patches that are named in FILE, one a line, without `.patch`
  --scenario NAME  only this scenario of the campaign; may be said more than once [all]
  --runs N         how many runs the campaign has to find each bug in [600]
  --seed S         the seed of the first run; S+1 of the second, and so on [1]
  --seconds N      how long one campaign may take; what takes longer hangs [600]
  --shard I/N      only every N-th patch, from the I-th on; the first is 1
  --keep-going     go on after a bug that was not found
  --scratch DIR    the copy and its target folder, kept for the next time [a temporary folder]
  --help           this text

CARGO says what builds [cargo]. A patch that does not apply, does not build or builds with warnings counts as failed.
Prints a table of names, what found each, in how many runs and seconds, and last `N passed, M failed`.
Exit codes: 0 all were found, 1 one was not, 2 a wrong command line, or the tree as it is fails.
HELP
}

wrong() {
    echo "run.sh: $1" >&2
    exit 2
}

only=() scenarios=() list='' runs=600 seed=1 seconds=600 shard=1 shards=1 keep_going=0 scratch=''
while (($#)); do
    case $1 in
        --help | -h) help && exit 0 ;;
        --keep-going) keep_going=1 && shift && continue ;;
        --only | --list | --scenario | --runs | --seed | --seconds | --shard | --scratch) ;;
        *) wrong "there is no option $1: --help says which there are" ;;
    esac
    (($# > 1)) || wrong "$1 needs something after it"
    case $1 in
        --runs | --seed | --seconds) [[ $2 =~ ^[0-9]+$ ]] || wrong "$1 takes a number, not $2" ;;
    esac
    case $1 in
        --only) only+=("$2") ;;
        --list) list=$(realpath "$2") && [[ -r $list ]] || wrong "cannot read $2" ;;
        --scenario) scenarios+=(--scenario "$2") ;;
        --runs) runs=$2 ;;
        --seed) seed=$2 ;;
        --seconds) seconds=$2 ;;
        --scratch) mkdir -p "$2" && scratch=$(realpath "$2") || wrong "cannot make $2" ;;
        --shard)
            [[ $2 =~ ^([0-9]+)/([0-9]+)$ ]] || wrong "--shard takes I/N, not $2"
            shard=${BASH_REMATCH[1]} shards=${BASH_REMATCH[2]}
            ((shard >= 1 && shard <= shards)) || wrong "--shard $2: I is from 1 to N"
            ;;
    esac
    shift 2
done

cd "$(dirname "$0")/../.." || exit 2
repo=$PWD
if [[ -z $scratch ]]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
fi
tree=$scratch/tree log=$scratch/log
export CARGO_TARGET_DIR=$scratch/target CARGO_TERM_COLOR=never RUST_BACKTRACE=0
sim=$CARGO_TARGET_DIR/debug/tellask-sim
# None of the bugs is one of QUIC, which takes long to build.
features=(--no-default-features --features aws-lc)
read -ra cargo <<<"${CARGO:-cargo}"

chosen=()
for patch in tests/mutants/*.patch; do
    name=$(basename "$patch" .patch)
    [[ -z $list ]] || grep -qxF "$name" "$list" || continue
    fits=$((${#only[@]} == 0))
    for pattern in "${only[@]}"; do
        [[ $name != *"$pattern"* ]] || fits=1
    done
    ((fits)) && chosen+=("$repo/$patch")
done
((${#chosen[@]})) || wrong 'no patch is chosen'

# The unpatched files have their old times, so that nothing is built again that need not be.
rm -rf "$tree" && mkdir -p "$tree"
git ls-files -z | xargs -0 cp -p --parents -t "$tree" || exit 2
cd "$tree" || exit 2
# What was built in a used folder may have the last bug in it.
touch core/src/lib.rs

# Most of the time goes into builds: what is built again and again is not optimised, what it rests on is.
mkdir -p .cargo
for crate in tellask tellask-sim; do
    printf '[profile.dev.package.%s]\nopt-level = 0\ndebug = false\n' "$crate"
done >.cargo/config.toml

build() {
    "${cargo[@]}" build -q -p tellask-sim --bin tellask-sim "${features[@]}" >"$log" 2>&1
}

campaign() {
    timeout "$seconds" "$sim" campaign --runs "$runs" --seed "$seed" \
        --out "$scratch/failures" "${scenarios[@]}" >"$log" 2>&1
}

build || { tail -n 20 "$log" >&2 && wrong 'the tree as it is does not build'; }
began=$SECONDS
campaign || { tail -n 20 "$log" >&2 && wrong 'the tree as it is fails the campaign'; }
printf '%-32s | %-24s | %6s | %7s\n' name 'found by' runs seconds
printf '%-32s | %-24s | %6s | %7s\n' '(the tree as it is)' '-' "$runs" $((SECONDS - began))

# Plants one bug and looks for it: sets `found` and `tried`; fails where it was not found.
hunt() {
    found='does not apply' tried='-'
    patch -p1 -s -f -F0 --no-backup-if-mismatch <"$1" >"$log" 2>&1 || return 1
    found='does not build'
    build || return 1
    found='builds with warnings'
    [[ ! -s $log ]] || return 1
    found='not found' tried=$runs
    campaign
    case $? in
        0) return 1 ;;
        124) found='(it hangs)' tried='?' ;;
        1)
            local failed='failed: ([^ ]+) seed [0-9]+ after ([0-9]+) run' blind='never reached in ([^:]+)'
            if [[ $(<"$log") =~ $failed ]]; then
                found=${BASH_REMATCH[1]} tried=${BASH_REMATCH[2]}
            elif [[ $(<"$log") =~ $blind ]]; then
                # Nothing failed, but something that always happens never did.
                found="${BASH_REMATCH[1]} (a mark)"
            else
                found='failed without saying so' && return 1
            fi
            ;;
        *) found='(it crashes)' tried='?' ;;
    esac
}

passed=0 failed=0 nth=0
for patch in "${chosen[@]}"; do
    ((nth++ % shards + 1 == shard)) || continue
    began=$SECONDS
    if hunt "$patch"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        tail -n 5 "$log" >&2
    fi
    printf '%-32s | %-24s | %6s | %7s\n' "$(basename "$patch" .patch)" "$found" "$tried" $((SECONDS - began))
    # What the patch touched, as it was before.
    while read -r file; do
        cp "$repo/$file" "$file"
    done < <(sed -n 's|^+++ b/||p' "$patch")
    ((failed == 0 || keep_going)) || break
done

echo "$passed passed, $failed failed"
((failed == 0))
