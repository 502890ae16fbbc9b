// The element types of stored tensors, and how many bytes they take.

/** How a type packs its elements: blockElements elements take blockBytes bytes; plain types are blocks of one. */
interface TypeLayout {
  readonly blockElements: number;
  readonly blockBytes: number;
}

/** Safetensors' names for plain types, ggml's names for blocks. */
const LAYOUTS = {
  F64: { blockElements: 1, blockBytes: 8 },
  F32: { blockElements: 1, blockBytes: 4 },
  F16: { blockElements: 1, blockBytes: 2 },
  BF16: { blockElements: 1, blockBytes: 2 },
  I64: { blockElements: 1, blockBytes: 8 },
  U64: { blockElements: 1, blockBytes: 8 },
  I32: { blockElements: 1, blockBytes: 4 },
  U32: { blockElements: 1, blockBytes: 4 },
  I16: { blockElements: 1, blockBytes: 2 },
  U16: { blockElements: 1, blockBytes: 2 },
  I8: { blockElements: 1, blockBytes: 1 },
  U8: { blockElements: 1, blockBytes: 1 },
  BOOL: { blockElements: 1, blockBytes: 1 },
  Q4_0: { blockElements: 32, blockBytes: 18 },
  Q4_1: { blockElements: 32, blockBytes: 20 },
  Q5_0: { blockElements: 32, blockBytes: 22 },
  Q5_1: { blockElements: 32, blockBytes: 24 },
  Q8_0: { blockElements: 32, blockBytes: 34 },
  Q4_K: { blockElements: 256, blockBytes: 144 },
  Q5_K: { blockElements: 256, blockBytes: 176 },
  Q6_K: { blockElements: 256, blockBytes: 210 },
} as const satisfies Record<string, TypeLayout>;

export type TensorType = keyof typeof LAYOUTS;

export function typeLayout(type: TensorType): TypeLayout {
  return LAYOUTS[type];
}

export function isTensorType(name: string): name is TensorType {
  return Object.hasOwn(LAYOUTS, name);
}

/** Product of a shape's dimensions (1 for a scalar), or null where it cannot be counted exactly. */
export function elementCount(shape: readonly number[]): number | null {
  let count = 1;
  for (const dimension of shape) {
    count *= dimension;
    if (!Number.isSafeInteger(count) || count < 0) return null;
  }
  return count;
}

/** Bytes of a tensor, rows (the last dimension) being whole blocks; null where no such tensor can exist. */
export function tensorByteLength(type: TensorType, shape: readonly number[]): number | null {
  const { blockElements, blockBytes } = LAYOUTS[type];
  const count = elementCount(shape);
  if (count === null || (shape.at(-1) ?? 1) % blockElements !== 0) return null;
  const bytes = (count / blockElements) * blockBytes;
  return Number.isSafeInteger(bytes) ? bytes : null;
}
