#!/bin/sh
# Stage build: all packages, as the lockfile has them. No package runs an install script (.npmrc).
set -eu
npm ci
