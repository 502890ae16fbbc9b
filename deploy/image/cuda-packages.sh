#!/bin/sh
# Installs the wheels that the file LIST names, with their hashes, below the folder OUT: those for Linux on x86_64,
# whatever Python runs this.
# Usage: deploy/image/cuda-packages.sh LIST OUT
set -eu
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "cuda-packages: ONNX Runtime has a CUDA provider for Linux on x86_64, this is $(uname -sm)" >&2
  exit 1
fi
if ! python3 -m pip --version >/dev/null 2>&1; then
  echo "cuda-packages: python3 with pip is missing: it downloads ONNX Runtime's CUDA provider and NVIDIA's libraries" >&2
  exit 1
fi
platforms=""
for platform in manylinux_2_28 manylinux_2_27 manylinux2014 manylinux1; do
  platforms="$platforms --platform ${platform}_x86_64"
done
# shellcheck disable=SC2086 # each platform is a word of its own
if ! python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --require-hashes \
  --only-binary=:all: --python-version 3.12 $platforms --target "$2" -r "$1"; then
  echo "cuda-packages: the packages of $1 could not be had (above); the CUDA image needs PyPI while it is built" >&2
  exit 1
fi
