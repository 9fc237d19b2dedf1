#!/usr/bin/env bash
# Every include is one that the architecture allows.
set -euo pipefail
cd "$(dirname "$0")/../.."
python3 tools/check_layers/check_layers.py
echo "layers: ok"
