// Copies what the server needs at run time on this platform to a folder: the packages to OUT/node_modules, the rest
// to OUT/app. It knows no Docker; dev packages are gone before it runs.
// Usage: node deploy/image/copy-runtime.js OUT
import { cpSync, existsSync, rmSync } from "node:fs";
import path from "node:path";

const { platform, arch } = process;
const OURS = ["package.json", "LICENSE", "bin", "dist"];

/** Types, source maps, sources, and pages for readers; licences stay. */
const NOT_RUN = /\.(?:test\.[cm]?js|[cm]?ts|map|tsbuildinfo|flow|md|markdown|cc|hh|h|inc|S|asm|def|gypi?)$/i;
const NOT_RUN_FOLDER = /(?:^|\/)(?:tests?|__tests__|examples?|benchmarks?|\.[^/]+)(?:\/|$)/;
/** Of a package that brings binaries for every platform, the folder for this one is kept, and of its C++ nothing. */
const FOREIGN = [
  new RegExp(`^onnxruntime-node/bin/napi-v\\d+/(?!${platform}(?:/|$))`),
  new RegExp(`^onnxruntime-node/bin/napi-v\\d+/${platform}/(?!${arch}(?:/|$))`),
  new RegExp(`^@koromix/koffi-(?!${platform}-${arch}(?:/|$))`),
  /^@koromix\/koffi-[^/]+\/musl_/,
  /^koffi\/(?:vendor|lib|doc|cnoke\.cjs|src\/koffi\/src\/abi|src\/koffi\/CMakeLists\.txt)(?:\/|$)/,
];

const [out] = process.argv.slice(2);
if (out === undefined) fail("usage: node deploy/image/copy-runtime.js OUT");
for (const needed of [...OURS, "node_modules"]) {
  if (!existsSync(needed))
    fail(`${needed} is missing: run deploy/image/install.sh and deploy/image/build.sh first`);
}
const library = `node_modules/onnxruntime-node/bin/napi-v6/${platform}/${arch}`;
if (!existsSync(library))
  fail(`onnxruntime-node has no library for ${platform}/${arch}: expected ${library}`);

const ownLibrary = `native/bin/${platform}-${arch}`;
if (!existsSync(ownLibrary)) fail(`there is no ${ownLibrary}`);

rmSync(out, { recursive: true, force: true });
copy("node_modules", path.join(out, "node_modules"), (name) => {
  if (name.startsWith(".")) return false;
  // A package's own name may be one of those of folders that are left out.
  const inside = name.replace(/^.*node_modules\//, "").replace(/^(?:@[^/]+\/)?[^/]+/, "");
  return (
    !NOT_RUN.test(name) && !NOT_RUN_FOLDER.test(inside) && !FOREIGN.some((pattern) => pattern.test(name))
  );
});
for (const name of OURS) copy(name, path.join(out, "app", name), (inside) => !NOT_RUN.test(inside));
copy(ownLibrary, path.join(out, "app", ownLibrary), () => true);
cpSync("deploy/image/health.js", path.join(out, "app", "health.js"));

/** `wanted` is asked with paths inside `from`, slashes between. */
function copy(from, to, wanted) {
  cpSync(from, to, {
    recursive: true,
    filter: (source) => {
      const inside = path.relative(from, source).split(path.sep).join("/");
      return inside === "" || wanted(inside);
    },
  });
}

function fail(message) {
  console.error(`copy-runtime: ${message}`);
  process.exit(1);
}
