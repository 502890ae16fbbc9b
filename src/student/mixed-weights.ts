// A mix of two dtypes over their data files: a graph that takes some modules from the finer one, and the mix written as a
// dtype of its own, byte for byte.

import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import { engineGraph, transformersGraph, type WeightLoader } from "../nn/serving-graph.ts";
import { encodeModel } from "../onnx/encode.ts";
import type { Model, TensorData } from "../onnx/graph.ts";
import { FileBytes } from "../tensor/file-bytes.ts";
import { modelFileName } from "./dtype.ts";
import { WeightFiles } from "./weight-files.ts";
import type { Written } from "./write-dtype.ts";

/** Two dtypes of one base in one folder. */
export interface Mix {
  readonly coarse: Written;
  readonly fine: Written;
  /** Whether a module of a layer is taken from the finer one. Modules with the same input are taken together. */
  readonly isFine: (module: string) => boolean;
}

/** Everything but the finer modules is the coarser dtype's. */
function loaderOf({ coarse, fine, isFine }: Mix): WeightLoader {
  return (g) => {
    const weights = coarse.weights.load(g);
    const finer = fine.weights.loadLayers(g);
    return {
      ...weights,
      linears: (modules) => (modules.some(isFine) ? finer : weights).linears(modules),
    };
  };
}

/** Writes the mix's step graph beside the data files that it reads. */
export function writeMixedGraph(file: string, config: DecoderConfig, mix: Mix): void {
  writeFileSync(file, encodeModel(engineGraph(config, loaderOf(mix))));
}

/** Writes the mix in the place of its coarser dtype. `folder` is the student's. */
export function replaceByMix(config: DecoderConfig, folder: string, mix: Mix): Written {
  const { coarse, fine, isFine } = mix;
  const onnx = path.join(folder, "onnx");
  const beside = path.join(folder, ".mix");
  mkdirSync(beside);
  const files = new WeightFiles(beside, modelFileName(coarse.dtype), coarse.dataBytes + fine.dataBytes);
  const sources = new Map<string, FileBytes>();
  const copies = new Map<string, TensorData>();
  const copied = (tensor: TensorData): TensorData => {
    const { data } = tensor;
    if (data.kind === "inline") return tensor;
    const file = path.join(onnx, data.location);
    const place = `${data.location}:${data.offset}`;
    let copy = copies.get(place);
    if (copy === undefined) {
      const source = sources.get(file) ?? new FileBytes(file, { within: folder });
      sources.set(file, source);
      copy = files.add(tensor.type, tensor.shape, source.read(data.offset, data.length, place));
      copies.set(place, copy);
    }
    // The same bytes may be read in another shape.
    return { ...tensor, data: copy.data };
  };
  try {
    const moved = (model: Model): Model => ({
      ...model,
      graph: {
        ...model.graph,
        initializers: new Map([...model.graph.initializers].map(([name, tensor]) => [name, copied(tensor)])),
      },
    });
    const load = loaderOf(mix);
    const graphs = [
      [coarse.manifest.engine, engineGraph(config, load)],
      [coarse.manifest.model, transformersGraph(config, load)],
    ] as const;
    for (const [name, model] of graphs) writeFileSync(path.join(folder, name), encodeModel(moved(model)));
  } finally {
    files.close();
    for (const source of sources.values()) source.close();
  }
  for (const name of coarse.manifest.data) rmSync(path.join(folder, name));
  for (const name of files.names) renameSync(path.join(beside, name), path.join(onnx, name));
  rmSync(beside, { recursive: true });
  const formats = new Map(coarse.weights.formats((module) => !isFine(module)));
  for (const [format, count] of fine.weights.formats(isFine)) {
    formats.set(format, (formats.get(format) ?? 0) + count);
  }
  return {
    ...coarse,
    dataFiles: files.count,
    dataBytes: files.bytes,
    manifest: {
      ...coarse.manifest,
      data: files.names.map((name) => `onnx/${name}`),
      weights: Object.fromEntries(formats),
    },
  };
}
