#!/bin/sh
# Stage build: the sources become dist/.
set -eu
npm run build
