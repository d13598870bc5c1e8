/** Programs of this repository as processes on the runtime of the test. */
import { buildSync } from "esbuild"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "../..")
const isNode = !("Deno" in globalThis) && !("Bun" in globalThis)
const flags = "Deno" in globalThis ? ["run", "-A"] : []
const built = new Map<string, string>()

const build = (file: string): string => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-"))
  fs.symlinkSync(path.join(root, "node_modules"), path.join(directory, "node_modules"), "junction")
  buildSync({
    entryPoints: [path.join(root, file)],
    outdir: directory,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    // What a program loads only when it needs it stays apart.
    splitting: true,
    format: "esm",
    platform: "node",
    target: "es2022",
    tsconfig: path.join(root, "tsconfig.json"),
    logLevel: "error"
  })
  const program = path.join(directory, path.basename(file).replace(/\.ts$/, ".mjs"))
  built.set(file, program)
  return program
}

/**
 * The command that runs a program, given by its path in this repository: as it comes on Bun and Deno. Node 20 does not read
 * TypeScript, and a loader that translates it takes three times as long as one translation here.
 */
export const command = (file: string): readonly [file: string, args: ReadonlyArray<string>] => [
  process.execPath,
  [...flags, isNode ? (built.get(file) ?? build(file)) : path.join(root, file)]
]
