// Which tensors are missing, unexpected or of the wrong shape, in one text.

export type Shape = readonly number[];

const shapeText = (shape: Shape): string => `[${shape.join(", ")}]`;

const section = (title: string, lines: readonly string[]): string =>
  lines.length === 0 ? "" : `\n  ${title} (${lines.length}): ${lines.join(", ")}`;

/** A line for each kind of mismatch, with both shapes; "" when all fit. `ignored` says which unexpected names are fine. */
export function shapeMismatches(
  expected: ReadonlyMap<string, Shape>,
  found: ReadonlyMap<string, { readonly shape: Shape }>,
  ignored: (name: string) => boolean = () => false,
): string {
  const missing: string[] = [];
  const misshaped: string[] = [];
  for (const [name, shape] of expected) {
    const there = found.get(name)?.shape;
    if (there === undefined) missing.push(`${name} ${shapeText(shape)}`);
    else if (there.join() !== shape.join()) {
      misshaped.push(`${name} expected ${shapeText(shape)}, found ${shapeText(there)}`);
    }
  }
  const unexpected = [...found]
    .filter(([name]) => !expected.has(name) && !ignored(name))
    .map(([name, { shape }]) => `${name} ${shapeText(shape)}`);
  return section("missing", missing) + section("unexpected", unexpected) + section("mis-shaped", misshaped);
}
