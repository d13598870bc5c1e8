/** Bundles of what an app's browser would load. */
import { build } from "esbuild"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "../..")

/** What a bundle is made of. */
export interface Bundle {
  readonly code: string
  /** The files of which something is left in it, relative to that folder. */
  readonly files: ReadonlyArray<string>
  /** The packages among them. */
  readonly packages: ReadonlyArray<string>
  /** The files that would be loaded if nobody bundled: all that are imported, but for those that are imported when they are needed. */
  readonly loaded: ReadonlyArray<string>
}

/** Bundles a module for browsers, as an app's bundler would: in a folder that has the package, and without the packages that are named. */
export const forBrowsers = async (
  program: string,
  { folder = root, without = [] }: { readonly folder?: string; readonly without?: ReadonlyArray<string> } = {}
): Promise<Bundle> => {
  const { metafile, outputFiles } = await build({
    stdin: { contents: program, resolveDir: folder, loader: "ts" },
    absWorkingDir: folder,
    bundle: true,
    external: [...without],
    format: "esm",
    platform: "browser",
    target: "es2022",
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "silent"
  })
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs))
  const files = inputs.flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 && file !== "<stdin>" ? [file] : []))
  const packages = files.flatMap((file) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [])
  const loaded = new Set<string>()
  const load = (file: string): void => {
    if (loaded.has(file)) return
    loaded.add(file)
    for (const { kind, path } of metafile.inputs[file]?.imports ?? []) if (kind === "import-statement") load(path)
  }
  load("<stdin>")
  return {
    code: outputFiles[0]!.text,
    files: files.sort(),
    packages: [...new Set(packages)].sort(),
    loaded: [...loaded].filter((file) => file !== "<stdin>").sort()
  }
}
