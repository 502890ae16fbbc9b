#!/bin/sh
# Stage build of the CUDA target: ONNX Runtime's CUDA provider, which the npm package does not carry, goes to the folder
# OUT. The package's own installer downloads it from NuGet, for the version of the package.
# Usage: deploy/image/cuda-provider.sh OUT
set -eu
package=node_modules/onnxruntime-node
libraries=$package/bin/napi-v6/linux/x64
if [ ! -f "$package/script/install.js" ]; then
  echo "cuda-provider: $package/script/install.js is missing: run deploy/image/install.sh first" >&2
  exit 1
fi
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "cuda-provider: ONNX Runtime has a CUDA provider for Linux on x86_64, this is $(uname -sm)" >&2
  exit 1
fi
# Called by npm it would take this for its own repository and leave at once.
if ! env -u npm_config_local_prefix -u npm_package_json node "$package/script/install.js" --onnxruntime-node-install=cuda12; then
  echo "cuda-provider: the download from api.nuget.org failed (above); the build of the CUDA image needs it" >&2
  exit 1
fi
mkdir -p "$1"
for name in libonnxruntime_providers_shared.so libonnxruntime_providers_cuda.so; do
  if [ ! -s "$libraries/$name" ]; then
    echo "cuda-provider: the installer of onnxruntime-node left no $libraries/$name" >&2
    exit 1
  fi
  mv "$libraries/$name" "$1/"
done
rm -f "$libraries"/libonnxruntime_providers_*.so
