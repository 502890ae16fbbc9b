#!/bin/sh
# Stage cuda-libraries: NVIDIA's libraries that the provider in the folder PROVIDERS is linked to go to the folder OUT. The
# driver's come from the host at run time.
# Usage: deploy/image/cuda-libraries.sh PROVIDERS OUT
set -eu
here=$(dirname "$0")
provider=$1/libonnxruntime_providers_cuda.so
out=$2
if [ ! -s "$provider" ]; then
  echo "cuda-libraries: $provider is missing: run deploy/image/cuda-provider.sh first" >&2
  exit 1
fi
"$here/cuda-packages.sh" "$here/cuda-libraries.txt" "$out/wheels"
# Only what it is linked to, by the names that it asks for: "libcublas.so.13 => …/libcublas.so.13 (0x…)".
LD_LIBRARY_PATH=$out/wheels/nvidia/cu13/lib ldd "$provider" | while read -r name _ file _; do
  case $file in
  "$out"/*) mv "$file" "$out/$name" ;;
  esac
done
rm -r "$out/wheels"
missing=$(LD_LIBRARY_PATH=$out ldd "$provider" | grep 'not found' | grep -v 'libcuda\.so' || true)
if [ -n "$missing" ]; then
  echo "cuda-libraries: the provider would not load: $missing" >&2
  exit 1
fi
