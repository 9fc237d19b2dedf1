#!/usr/bin/env bash
# Runs every check on the sources. Usage: tools/check/all.sh BUILD_FOLDER (holds compile_commands.json).
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:?usage: tools/check/all.sh BUILD_FOLDER}
tools/check/format.sh
tools/check/layers.sh
tools/check/tidy.sh "$build"
