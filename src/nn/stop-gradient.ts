// A value that gradients do not pass.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";

export const stopGradient = (g: GraphBuilder, x: Value): Value => g.value("Identity", [x]);
