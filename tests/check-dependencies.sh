#!/usr/bin/env bash
# How much a user takes on: counts the packages that the published crates bring with them on this
# platform, themselves included and without dev-dependencies, and fails where there are more than
# promised, or where one runtime's crate brings another runtime.
set -euo pipefail
cd "$(dirname "$0")/.."

# The packages of a tree, one a line, each once.
packages() {
    cargo tree --edges no-dev --prefix none --no-dedupe --format '{p}' "$@" |
        sed -e 's/ (.*//' -e '/^$/d' | sort -u
}

failed=0

at_most() {
    local limit=$1 name=$2 count
    count=$(packages "${@:3}" | wc -l)
    echo "$name: $count packages of at most $limit"
    ((count > 0 && count <= limit)) || failed=1
}

without() {
    local name=$1 found
    found=$(packages --package "$name" "${@:3}" | grep -E "^($2) " || true)
    if [[ -n $found ]]; then
        echo "$name brings ${found//$'\n'/, }"
        failed=1
    else
        echo "$name brings none of ${2//|/, }"
    fi
}

at_most 45 'core with default features' --package tellask
at_most 120 'all crates with default features but QUIC' --workspace --exclude tellask-tests \
    --no-default-features --features tellask-cli/aws-lc,tellask-smol/aws-lc,tellask-sim/aws-lc
# Of these, qlog brings a dozen that derive its records' JSON, ml-kem its four.
at_most 180 'all crates with all features, QUIC and both its libraries among them' \
    --workspace --exclude tellask-tests --all-features
without tellask 'tokio|async-io|smol|mio|socket2|quinn-udp' --all-features
# QUIC's library can draw from the system, and is not let.
without tellask 'getrandom' --features aws-lc,insecure-key-log,metrics,ml-kem,openssh,tracing
without tellask-smol 'tokio|tokio-util|mio' --all-features
without tellask-tokio 'async-io|async-std|smol|polling' --all-features

# Another cipher suite is for simulations: nothing that runs nodes on sockets may switch it on.
for name in tellask-tokio tellask-smol tellask-system tellask-cli; do
    if cargo tree --package "$name" --all-features --edges features,no-dev --prefix none |
        grep -q 'tellask feature "foreign-suite"'; then
        echo "$name switches on foreign-suite"
        failed=1
    fi
done
exit "$failed"
