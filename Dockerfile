# magdi's images. What a stage runs is a script in deploy/image/, which the tests run too.
#   docker build -t magdi .                      the server on the CPU
#   docker build -t magdi:cuda --target cuda .   the server on NVIDIA GPUs (linux/amd64)
# docs/deploy.md says how to run them.

ARG NODE=node:24-bookworm-slim
# Downloads what CUDA needs; nothing of it but libraries is in an image.
ARG PYTHON=python:3.12-slim-bookworm

# From sources to what runs.
FROM ${NODE} AS build
WORKDIR /build
COPY deploy/image deploy/image
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm deploy/image/install.sh
COPY tsconfig.json tsconfig.build.json LICENSE ./
COPY scripts/copy-assets.js scripts/
COPY native/bin native/bin
COPY src src
RUN deploy/image/build.sh
COPY bin bin
RUN deploy/image/prune.sh image

# What both targets have in common. Nothing is written at run time: the root file system can be read-only.
FROM ${NODE} AS runtime
ENV NODE_ENV=production \
    MAGDI_HOST=0.0.0.0 \
    MAGDI_PORT=8080
WORKDIR /app
COPY models/smollm2-135m-instruct models/smollm2-135m-instruct
COPY --from=build /build/image/node_modules node_modules
COPY --from=build /build/image/app ./
USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 CMD ["node", "health.js"]
# Node as process 1: the server handles SIGTERM itself (it drains) and starts no processes.
ENTRYPOINT ["node", "bin/magdi.js"]
CMD ["serve"]

FROM ${PYTHON} AS cuda-libraries
WORKDIR /build
COPY deploy/image deploy/image
RUN deploy/image/cuda-provider.sh providers && deploy/image/cuda-libraries.sh providers libraries

FROM runtime AS cuda
COPY --from=cuda-libraries /build/libraries /usr/local/lib/cuda
COPY --from=cuda-libraries /build/providers node_modules/onnxruntime-node/bin/napi-v6/linux/x64
ENV MAGDI_DEVICE=cuda \
    LD_LIBRARY_PATH=/usr/local/lib/cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# The default.
FROM runtime AS cpu
