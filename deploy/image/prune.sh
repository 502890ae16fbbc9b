#!/bin/sh
# Stage build: what runs, and nothing else, goes to the folder OUT: OUT/node_modules and OUT/app.
# Usage: deploy/image/prune.sh OUT
set -eu
npm prune --omit=dev
node deploy/image/copy-runtime.js "$1"
