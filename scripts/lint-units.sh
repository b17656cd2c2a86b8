#!/bin/bash
# Checks the units of deploy/systemd, as far as systemd is here: a word of systemd-analyze is a fault.
set -euo pipefail
cd "$(dirname "$0")/../deploy/systemd"

if ! command -v systemd-analyze >/dev/null; then
  echo "systemd-analyze is not here: the units are not checked"
  exit 0
fi

copies=$(mktemp -d)
trap 'rm -r "$copies"' EXIT
# The program and its user need not be on this machine.
for unit in *; do
  sed -e 's#/usr/local/bin/airtight#/bin/true#' -e '/^User=/d' "$unit" >"$copies/$unit"
done
cd "$copies"
words=$(systemd-analyze verify --man=no ./airtight.service ./*.socket ./airtight-reporter.service \
  ./airtight-discovery.service ./airtight-worker@a.service 2>&1 | grep -F "$copies" || true)
if [ -n "$words" ]; then
  echo "$words"
  exit 1
fi
