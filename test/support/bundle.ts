/** One file of a test's program and all that it imports: it starts ten times as fast, which counts where it is started over and over. */
import { build } from "esbuild"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const processes = path.join(path.dirname(fileURLToPath(import.meta.url)), "processes")

/** Bundles a program of `processes` into a directory and returns its path. */
export const bundle = async (program: string, directory: string): Promise<string> => {
  const outfile = path.join(directory, program.replace(/\.ts$/, ".mjs"))
  await build({
    entryPoints: [path.join(processes, program)],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "es2022",
    logLevel: "error"
  })
  return outfile
}

/** What starts a bundled program on the runtime of the test. */
export const command = (program: string): readonly [file: string, args: ReadonlyArray<string>] => [
  process.execPath,
  [...("Deno" in globalThis ? ["run", "-A", "--no-config"] : []), program]
]
