#!/bin/sh
# Stage cuda-libraries: the libraries of CUDA and cuDNN that the provider in the folder PROVIDERS loads go to the folder
# OUT: those that it is linked to, and those that it and cuDNN open by name when first needed. The driver's come from
# the host at run time.
# Usage: deploy/image/cuda-libraries.sh PROVIDERS OUT
set -eu
provider=$1/libonnxruntime_providers_cuda.so
out=$2
if [ ! -s "$provider" ]; then
  echo "cuda-libraries: $provider is missing: run deploy/image/cuda-provider.sh first" >&2
  exit 1
fi
mkdir -p "$out"

# "libcublas.so.12 => /usr/local/cuda/lib64/libcublas.so.12 (0x…)"; the base image has the C and C++ libraries.
ldd "$provider" | while read -r name _ file _; do
  case $name in
  libcuda.so.* | libonnxruntime*) ;;
  libcu* | libnv*)
    if [ "$file" = not ]; then
      echo "cuda-libraries: $name, which $provider needs, is not in this image" >&2
      exit 1
    fi
    cp -L "$file" "$out/$name"
    ;;
  esac
done

# cuFFT, which the provider opens for Fourier transforms alone, stays out.
for pattern in 'libcudnn*.so.*' 'libnvrtc.so.*' 'libnvrtc-builtins.so.*'; do
  count=0
  for folder in $(echo "${LD_LIBRARY_PATH:-}" | tr : ' ') /usr/local/cuda/lib64 /usr/lib/x86_64-linux-gnu; do
    for file in "$folder"/$pattern; do
      # libcudnn.so.9, not the libcudnn.so.9.10.2 behind it; nvrtc's builtins have a minor version in their name.
      case ${file##*.so.} in
      *.*.*) continue ;;
      *.*) case $file in *builtins*) ;; *) continue ;; esac ;;
      esac
      [ -e "$file" ] || continue
      cp -L "$file" "$out/"
      count=$((count + 1))
    done
    [ $count = 0 ] || break
  done
  if [ $count = 0 ]; then
    echo "cuda-libraries: no $pattern in this image; the provider opens it when it runs" >&2
    exit 1
  fi
done
missing=$(LD_LIBRARY_PATH=$out ldd "$provider" | grep 'not found' | grep -v 'libcuda\.so' || true)
if [ -n "$missing" ]; then
  echo "cuda-libraries: the provider would not load: $missing" >&2
  exit 1
fi
