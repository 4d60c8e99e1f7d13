#!/usr/bin/env bash
# Sets msa-bench up in an environment of its own (.venv) and runs it.
#
#   ./run_all.sh              set up, then run configs/quick.yaml; an interrupted run is continued
#   ./run_all.sh test         set up, then lint, type check, run every test and the gate
#   ./run_all.sh test fast    set up, then run only the tests that take no weights and no time
#   ./run_all.sh gate         set up, then only hold the default model against results/reference/ci.json
#   ./run_all.sh setup        only set up
#
# Needs Python 3.11 or newer. MSA_BENCH_TORCH_INDEX=URL takes PyTorch from another package index.

set -Eeuo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
root=$(pwd -P)
python=.venv/bin/python
stamp=.venv/set-up-from
doing="start"
log=""

failed() {
    local status=$?
    trap - ERR
    if ((status != 130)); then
        echo "run_all.sh: step '$doing' failed (exit status $status)" >&2
        if [[ -s $log ]]; then
            tail -n 20 -- "$log" >&2
            echo "run_all.sh: the whole output is in $log" >&2
        fi
    fi
    exit "$status"
}
trap failed ERR

stop() {
    echo "run_all.sh: $*" >&2
    exit 2
}

step() {
    doing=$1
    shift
    "$@"
}

quiet_step() {
    doing=$1
    shift
    echo "$doing ..."
    "$@" >"$log" 2>&1
}

# Everything the environment depends on; as long as it has not changed there is nothing to install.
inputs() {
    "$python" --version && echo "$root" && cat pyproject.toml constraints.txt
}

find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
}

set_up() {
    if [[ -f $stamp && "$(inputs 2>/dev/null)" == "$(cat "$stamp")" ]]; then
        return
    fi
    rm -f -- "$stamp"
    log=$(mktemp "${TMPDIR:-/tmp}/msa-bench-setup.XXXXXX")
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        local base
        base=$(find_python)
        [[ -n $base ]] || stop "no Python 3.11 or newer with venv and pip was found; install one and run this again."
        quiet_step "create the environment in .venv" "$base" -m venv --clear .venv
    fi
    # By itself, because it is by far the largest and the only one that some want from an index of its own.
    quiet_step "install PyTorch (the largest download)" "$python" -m pip install -c constraints.txt \
        ${MSA_BENCH_TORCH_INDEX:+--extra-index-url "$MSA_BENCH_TORCH_INDEX"} torch
    quiet_step "install packages" "$python" -m pip install -c constraints.txt -e '.[dev]'
    rm -f -- "$log"
    log=""
    inputs >"$stamp.new"
    mv -- "$stamp.new" "$stamp"
}

quick() {
    local out
    out=$(sed -n 's/^out: *//p' configs/quick.yaml)
    step "run configs/quick.yaml" .venv/bin/msa-bench run --config configs/quick.yaml
    echo "figure:  $root/$out/accuracy.png"
}

all_tests() {
    step "lint" "$python" -m ruff check .
    step "check the format" "$python" -m ruff format --check .
    step "check types" "$python" -m mypy
    fetch_backbone
    run_tests "run the tests"
    gate
}

# Two processes of one core each.
run_tests() {
    OMP_NUM_THREADS=1 step "$1" "$python" -m pytest -n 2 --dist loadfile "${@:2}"
}

fetch_backbone() {
    step "fetch the default backbone" "$python" -c 'from msa_bench.model import embedded; embedded.directory()'
}

gate() {
    local out
    out=$(sed -n 's/^out: *//p' configs/ci.yaml)
    # A finished run would be taken as it is, whatever the code has become since.
    rm -rf -- "${out:?}"
    step "run configs/ci.yaml for the gate" .venv/bin/msa-bench run --config configs/ci.yaml
    step "hold the run against results/reference/ci.json" \
        .venv/bin/msa-bench gate "$out" --reference results/reference/ci.json
}

case "$*" in
    "" | "setup" | "gate" | "test" | "test fast") set_up ;;
    *) stop "'$*' is not known; use ./run_all.sh, ./run_all.sh test, ./run_all.sh test fast, ./run_all.sh gate or ./run_all.sh setup." ;;
esac
case "$*" in
    "") quick ;;
    "test") all_tests ;;
    "gate")
        fetch_backbone
        gate
        ;;
    "test fast") run_tests "run the fast tests" -m "not slow" ;;
esac
