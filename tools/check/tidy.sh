#!/usr/bin/env bash
# clang-tidy over the product's sources that see neither torch nor tests; findings are errors.
# A file is looked at again only when it, what it includes of ours, or .clang-tidy changed: the results are kept
# by content below ~/.cache. Usage: tools/check/tidy.sh BUILD_FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:?usage: tools/check/tidy.sh BUILD_FOLDER}
exec python3 tools/check/tidy.py "$build"
