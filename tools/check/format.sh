#!/usr/bin/env bash
# Every C++ source is as clang-format writes it. `make format` repairs.
set -euo pipefail
cd "$(dirname "$0")/../.."
git ls-files -z '*.h' '*.cc' | xargs -0 clang-format-14 --dry-run --Werror
echo "format: ok"
