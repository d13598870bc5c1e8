/** Bundles of what an app's browser would load. */
import { build, type Plugin } from "esbuild"
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

/** Does not let a bundler believe that what nobody uses of our modules can be left out: it has to see that for itself, as where several are in one file. */
const disbelieving: Plugin = {
  name: "disbelieving",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\.?\// }, ({ importer, path: file, resolveDir }) =>
      importer.startsWith(path.join(root, "src")) || importer === "<stdin>"
        ? { path: path.join(resolveDir, file), sideEffects: true }
        : undefined
    )
}

interface Options {
  /** What has the package. Default: this repository. */
  readonly folder?: string
  /** Packages that are left out. */
  readonly without?: ReadonlyArray<string>
  readonly plugins?: Array<Plugin>
}

/** Bundles a module for browsers, as an app's bundler would. */
export const forBrowsers = async (
  program: string,
  { folder = root, plugins = [], without = [] }: Options = {}
): Promise<Bundle> => {
  const { metafile, outputFiles } = await build({
    stdin: { contents: program, resolveDir: folder, loader: "ts" },
    absWorkingDir: folder,
    bundle: true,
    external: [...without],
    plugins,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minifySyntax: true,
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

/** What a bundle keeps of these sources and all that they import if nobody uses anything of them, and nobody has said that they do nothing when they are loaded. */
export const keptOf = async (sources: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const program = sources.map((source) => `import "./src/${source}"`).join("\n")
  const { files } = await forBrowsers(program, { plugins: [disbelieving] })
  return files.filter((file) => file.startsWith("src/"))
}
