import { test } from "node:test";
import type { Value } from "../../src/onnx/graph.ts";
import type { GraphBuilder } from "../../src/onnx/graph-builder.ts";
import type { Operator } from "../../src/onnx/operator-names.ts";
import * as op from "../../src/onnx/operators.ts";
import { assertGradients, type Case, type Feed } from "./support/derivatives.ts";

const ints = (shape: readonly number[], values: readonly number[]): Feed => ({
  type: "int64",
  shape,
  values,
});
const positive = (random: number): number => 1.5 + random;
/** Away from zero, where max(x, 0) has a corner. */
const cornerless = (random: number): number => random + Math.sign(random) * 0.1;

const SHAPE = [2, 3];
const UNARY: readonly (readonly [Operator, (random: number) => number])[] = [
  ["Neg", (x) => x],
  ["Sqrt", positive],
  ["Exp", (x) => x],
  ["Log", positive],
  ["Tanh", (x) => x],
  ["Sigmoid", (x) => x],
  ["Relu", cornerless],
  ["Identity", (x) => x],
];
for (const [operator, value] of UNARY) {
  test(`${operator}: its gradient is that of finite differences`, async () => {
    await assertGradients({
      inputs: { x: { shape: SHAPE, value } },
      build: (g, { x = "" }) => g.value(operator, [x]),
    });
  });
}

const SHAPES_OF_TWO: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], []],
  [[2, 3], [3]],
  [
    [2, 3],
    [1, 3],
  ],
  [
    [2, 3],
    [2, 1],
  ],
  [
    [2, 1],
    [1, 3],
  ],
  [[3], [4, 2, 3]],
  [
    [2, 1, 3],
    [4, 1, 5, 1],
  ],
];
for (const operator of ["Add", "Sub", "Mul", "Div"] as const) {
  test(`${operator}: its gradients are those of finite differences, whichever side broadcasts`, async () => {
    for (const [a, b] of SHAPES_OF_TWO) {
      for (const declared of [{}, { a: a.map((_, i) => `a${i}`), b: b.map((_, i) => `b${i}`) }]) {
        await assertGradients({
          inputs: { a: { shape: a, value: positive }, b: { shape: b, value: positive } },
          declared,
          build: (g, { a = "", b = "" }) => g.value(operator, [a, b]),
        });
      }
    }
  });
}

const CASES: Readonly<Record<string, Case>> = {
  "Where: both branches, broadcast": {
    inputs: { a: { shape: [2, 3] }, b: { shape: [3] } },
    constants: { condition: { type: "bool", shape: [2, 1], values: [1, 0] } },
    build: (g, { condition = "", a = "", b = "" }) => op.where(g, condition, a, b),
  },
  "Transpose by a permutation that is not its own inverse": {
    inputs: { x: { shape: [2, 3, 4] } },
    build: (g, { x = "" }) => op.transpose(g, x, [2, 0, 1]),
  },
  "Transpose of all dimensions": {
    inputs: { x: { shape: [2, 3, 4] } },
    build: (g, { x = "" }) => g.value("Transpose", [x]),
  },
  "Reshape, Squeeze, Unsqueeze, Flatten": {
    inputs: { x: { shape: [2, 1, 6] } },
    declared: { x: ["n", 1, 6] },
    build: (g, { x = "" }) => {
      const squeezed = g.value("Squeeze", [x, g.ints([1])]);
      const flat = g.value("Flatten", [op.unsqueeze(g, squeezed, 0)], { attributes: { axis: 2 } });
      return op.reshape(g, flat, [-1, 3, 2]);
    },
  },
  Expand: {
    inputs: { x: { shape: [3, 1] } },
    build: (g, { x = "" }) => op.expand(g, x, g.ints([2, 1, 4])),
  },
  "Concat of parts of known and unknown sizes": {
    inputs: { a: { shape: [2, 3] }, b: { shape: [2, 1] }, c: { shape: [2, 2] } },
    declared: { a: ["n", 3], b: ["n", "k"] },
    build: (g, { a = "", b = "", c = "" }) => g.value("Concat", [a, b, c, a], { attributes: { axis: -1 } }),
  },
  "Split, with a part that is not used": {
    inputs: { x: { shape: [2, 6] } },
    build: (g, { x = "" }) => {
      const [first = "", , last = ""] = op.split(g, x, [1, 2, 3]);
      return op.mul(g, first, last);
    },
  },
  "Gather of rows, some of them twice": {
    inputs: { x: { shape: [4, 3] } },
    constants: { i: ints([2, 3], [0, 3, 3, -1, 1, 0]) },
    declared: { x: ["n", 3], i: ["a", "b"] },
    build: (g, { x = "", i = "" }) => op.gather(g, x, i, 0),
  },
  "Gather along the middle axis": {
    inputs: { x: { shape: [2, 4, 3] } },
    constants: { i: ints([2, 2], [1, 1, 3, 0]) },
    build: (g, { x = "", i = "" }) => op.gather(g, x, i, -2),
  },
  "Gather of one place": {
    inputs: { x: { shape: [2, 4] } },
    build: (g, { x = "" }) => op.gather(g, x, g.ints(2), 1),
  },
  GatherElements: {
    inputs: { x: { shape: [2, 4] } },
    constants: { i: ints([2, 3], [0, 1, 1, 3, 0, 3]) },
    build: (g, { x = "", i = "" }) => g.value("GatherElements", [x, i], { attributes: { axis: 1 } }),
  },
  "ScatterElements that adds": {
    inputs: { x: { shape: [2, 4] }, u: { shape: [2, 3] } },
    constants: { i: ints([2, 3], [0, 1, 1, 3, 0, 3]) },
    build: (g, { x = "", u = "", i = "" }) => op.scatterAdd(g, x, i, u, 1),
  },
  "Cast to 32 bits and back": {
    inputs: { x: { shape: SHAPE } },
    build: (g, { x = "" }) => op.mul(g, op.cast(g, op.cast(g, x, "float32"), "float64"), x),
  },
};
/** Casting rounds, which differences see. */
const COARSE = new Set(["Cast to 32 bits and back"]);
for (const [name, it] of Object.entries(CASES)) {
  test(`${name}: the gradient is that of finite differences`, async () => {
    await assertGradients(it, 1, COARSE.has(name) ? 1e-2 : 1e-7);
  });
}

for (const operator of ["ReduceSum", "ReduceMean", "ReduceMax"] as const) {
  test(`${operator}: over some axes or all, kept or not, its gradient is that of finite differences`, async () => {
    for (const keepdims of [0, 1]) {
      for (const axes of [null, [1], [-1, 0]]) {
        await assertGradients({
          inputs: { x: { shape: [2, 3, 4] } },
          declared: { x: ["n", 3, "m"] },
          build: (g, { x = "" }) => {
            const inputs = axes === null ? [x] : [x, g.ints(axes)];
            return g.value(operator, inputs, { attributes: { keepdims } });
          },
        });
      }
    }
  });
}

test("Softmax: along any axis its gradient is that of finite differences", async () => {
  for (const axis of [0, 1, -1]) {
    await assertGradients({
      inputs: { x: { shape: [2, 3, 4] } },
      build: (g, { x = "" }) => g.value("Softmax", [x], { attributes: { axis } }),
    });
  }
});

test("MatMul: with stacks of matrices on either side and with vectors", async () => {
  const pairs: readonly (readonly [readonly number[], readonly number[]])[] = [
    [
      [2, 3],
      [3, 4],
    ],
    [
      [5, 2, 3],
      [3, 4],
    ],
    [
      [2, 5, 2, 3],
      [3, 4],
    ],
    [
      [5, 2, 3],
      [5, 3, 4],
    ],
    [
      [1, 2, 3],
      [5, 3, 4],
    ],
    [
      [2, 3],
      [5, 3, 4],
    ],
    [
      [6, 1, 2, 3],
      [5, 3, 4],
    ],
    [[3], [3, 4]],
    [[2, 3], [3]],
    [[5, 2, 3], [3]],
    [[3], [5, 3, 4]],
    [[3], [3]],
  ];
  for (const [a, b] of pairs) {
    await assertGradients({
      inputs: { a: { shape: a }, b: { shape: b } },
      build: (g, { a = "", b = "" }) => op.matMul(g, a, b),
    });
  }
});

const swapped = (shape: readonly number[], wanted: boolean): number[] =>
  wanted ? [...shape.slice(0, -2), ...shape.slice(-2).reverse()] : [...shape];

test("FusedMatMul: transposed on either side, scaled, in stacks", async () => {
  for (const transA of [false, true]) {
    for (const transB of [false, true]) {
      for (const [a, b] of [
        [
          [2, 3],
          [3, 4],
        ],
        [
          [5, 2, 3],
          [3, 4],
        ],
        [
          [5, 2, 3],
          [1, 3, 4],
        ],
      ] as const) {
        const build = (g: GraphBuilder, { a = "", b = "" }: Record<string, Value>): Value =>
          op.fusedMatMul(g, a, b, { transA, transB, alpha: 0.5 });
        const inputs = { a: { shape: swapped(a, transA) }, b: { shape: swapped(b, transB) } };
        await assertGradients({ type: "float32", inputs, build }, 1, 1e-2);
      }
    }
  }
});

test("Gemm: transposed on either side, scaled, with a bias of any shape that broadcasts", async () => {
  for (const transA of [0, 1]) {
    for (const transB of [0, 1]) {
      for (const c of [null, [2, 4], [4], [2, 1], []]) {
        await assertGradients({
          inputs: {
            a: { shape: swapped([2, 3], transA === 1) },
            b: { shape: swapped([3, 4], transB === 1) },
            ...(c === null ? {} : { c: { shape: c } }),
          },
          build: (g, { a = "", b = "", c = "" }) =>
            g.value("Gemm", c === "" ? [a, b] : [a, b, c], {
              attributes: { transA, transB, alpha: { float: 0.5 }, beta: { float: 2 } },
            }),
        });
      }
    }
  }
});
