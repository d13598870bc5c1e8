/**
 * Writes `dist`: `npm run build`.
 *
 * The compiler makes a module of each in `src`. Node takes more than half a millisecond for a module, however little is in it, and a program with an authenticated client
 * has some 45 of ours. So Rollup then joins those that all such programs load: `internal/protocol.js` is `protocol/` and what it imports, `internal/client.js` is what authenticated
 * clients and providers import beyond that. They are two files because a program that only looks at tokens has no use for streams and HTTP. Which modules these are follows from what imports what.
 *
 * Public modules that are joined keep their path and say which exports are theirs; all others, the declarations and the barrel are as the compiler wrote them. Source maps lead to `src`.
 * A bundler takes of a joined file what is used, if nothing at the top of a module does anything: `test/treeShaking.test.ts` looks after that.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { type GetModuleInfo, type RenderedChunk, rollup } from "rollup"
import { joined, root, sources } from "./modules.ts"

const dist = path.join(root, "dist")
const compiled = (source: string): string => path.join(dist, source.replace(/\.ts$/, ".js"))
// The barrel exports namespaces, and these have to stay those of the modules.
const modules = sources().filter((source) => source !== "index.ts")

/** These modules and all that they import, but for what they import when they need it. */
const loadedBy = (files: ReadonlyArray<string>, getModuleInfo: GetModuleInfo): ReadonlySet<string> => {
  const found = new Set(files)
  for (const file of found) getModuleInfo(file)?.importedIds.forEach((other) => found.add(other))
  return found
}

/** Whether a module is in a joined file, and only says which of the names there are its own. */
const isOnlyNames = ({ isEntry, modules }: RenderedChunk): boolean => isEntry && Object.keys(modules).length === 0

fs.rmSync(dist, { recursive: true, force: true })
execFileSync(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", "src"], {
  cwd: root,
  stdio: "inherit"
})

const build = await rollup({
  input: Object.fromEntries(modules.map((source) => [source.slice(0, -".ts".length), compiled(source)])),
  external: (id) => !/^[./]/.test(id) && !path.isAbsolute(id),
  preserveEntrySignatures: "strict",
  treeshake: { moduleSideEffects: false },
  onwarn: (warning) => {
    throw new Error(warning.message)
  },
  plugins: [
    {
      name: "what the compiler wrote",
      load: (file) => ({ code: fs.readFileSync(file, "utf8"), map: fs.readFileSync(`${file}.map`, "utf8") }),
      // A module that only says what is its own imports the rest for order's sake, of which bundlers warn.
      renderChunk: (code, chunk) =>
        isOnlyNames(chunk) ? { code: code.replace(/^import '.*';\n?/m, ""), map: { mappings: "" } } : undefined
    }
  ]
})
const { output } = await build.write({
  dir: dist,
  chunkFileNames: "internal/[name].js",
  hoistTransitiveImports: false,
  minifyInternalExports: false,
  sourcemap: true,
  sourcemapExcludeSources: true,
  manualChunks: (file, { getModuleInfo }) =>
    Object.entries(joined()).find(([, roots]) => loadedBy(roots.map(compiled), getModuleInfo).has(file))?.[0]
})

// Whoever needs something internal that is joined has it from there.
for (const chunk of output) {
  if (chunk.type !== "chunk" || !isOnlyNames(chunk) || !chunk.fileName.startsWith("internal/")) continue
  for (const file of [chunk.fileName, `${chunk.fileName}.map`]) fs.rmSync(path.join(dist, file))
}
