#!/bin/sh
# Stage cuda-libraries: ONNX Runtime's CUDA provider, which the npm package does not carry, goes to the folder OUT.
# Usage: deploy/image/cuda-provider.sh OUT
set -eu
here=$(dirname "$0")
"$here/cuda-packages.sh" "$here/cuda-provider.txt" "$1/wheels"
for name in libonnxruntime_providers_shared.so libonnxruntime_providers_cuda.so; do
  if [ ! -s "$1/wheels/onnxruntime/capi/$name" ]; then
    echo "cuda-provider: the package onnxruntime-gpu holds no $name" >&2
    exit 1
  fi
  mv "$1/wheels/onnxruntime/capi/$name" "$1/"
done
rm -r "$1/wheels"
