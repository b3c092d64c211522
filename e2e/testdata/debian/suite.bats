#!/usr/bin/env bats

setup_file() { export SHARED=$BATS_FILE_TMPDIR/shared; echo base >"$SHARED"; }
setup() { work=$BATS_TEST_TMPDIR/work; mkdir "$work"; cd "$work"; }
teardown() { cd /; }

greet() { echo "hello ${1:-world}"; [ $# -lt 2 ]; }

@test "a command succeeds" { run greet bats; [ "$status" -eq 0 ]; [ "$output" = "hello bats" ]; }

@test "a command fails, and its lines are there" {
  run greet a b
  [ "$status" -eq 1 ]
  [ "${lines[0]}" = "hello a" ]
}

@test "failing assertion shows the line" {
  echo "some output"
  greet x | grep -q nothing
  echo "not reached"
}

@test "skipped" { skip "not here"; }

@test "status is checked by run -N" { run -3 sh -c 'echo three; exit 3'; }

@test "run -N that fails" { run -0 false; }

@test "shared state of the file" { [ "$(cat "$SHARED")" = base ]; echo "$BATS_TEST_NUMBER $BATS_TEST_DESCRIPTION" >"$SHARED"; }

@test "files of a test" { touch a b; run ls; [ "${#lines[@]}" -eq 2 ]; diff <(ls) <(printf 'a\nb\n'); }

@test "separate standard error" {
  bats_require_minimum_version 1.5.0
  run --separate-stderr sh -c 'echo out; echo err >&2'
  [ "$output" = out ] && [ "$stderr" = err ]
}

inner() { false; }
outer() {
  inner
  echo no
}
@test "a nested function that fails" { outer; }

@test "an unset variable under set -u" { set -u; echo "$nosuchvariable"; }

@test "special characters: 'quotes' \"double\" \$dollar" { [[ $BATS_TEST_DESCRIPTION == *dollar ]]; }
