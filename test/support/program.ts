/** Programs of this repository as processes on the runtime of the test. */
import { build, buildSync } from "esbuild"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "../..")
const isNode = !("Deno" in globalThis) && !("Bun" in globalThis)
const flags = "Deno" in globalThis ? ["run", "-A"] : []
const built = new Map<string, string>()
const options = { bundle: true, format: "esm", platform: "node", target: "es2022", logLevel: "error" } as const

const translate = (file: string): string => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-"))
  fs.symlinkSync(path.join(root, "node_modules"), path.join(directory, "node_modules"), "junction")
  buildSync({
    ...options,
    entryPoints: [path.join(root, file)],
    outdir: directory,
    outExtension: { ".js": ".mjs" },
    packages: "external",
    // What a program loads only when it needs it stays apart.
    splitting: true,
    tsconfig: path.join(root, "tsconfig.json")
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
  [...flags, isNode ? (built.get(file) ?? translate(file)) : path.join(root, file)]
]

/**
 * Bundles a program of `processes` with all that it needs into a directory, and returns its path: that starts ten times as fast,
 * and counts where it is started over and over.
 */
export const bundle = async (program: string, directory: string): Promise<string> => {
  const outfile = path.join(directory, program.replace(/\.ts$/, ".mjs"))
  await build({ ...options, entryPoints: [path.join(root, "test/support/processes", program)], outfile })
  return outfile
}

/** The command that runs a bundle. */
export const commandOf = (bundle: string): readonly [file: string, args: ReadonlyArray<string>] => [
  process.execPath,
  [...("Deno" in globalThis ? ["run", "-A", "--no-config"] : []), bundle]
]
