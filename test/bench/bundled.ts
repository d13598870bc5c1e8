/** Programs, bundled as an app's bundler would: one file, minified, without what nobody uses. */
import { build, type Metafile } from "esbuild"
import * as path from "node:path"

export interface Bundle {
  readonly code: Uint8Array
  /** How many bytes are left of each file, by its path in a package (`effect/Schema.js`) or in this repository (`src/Token.ts`). */
  readonly bytes: Readonly<Record<string, number>>
  /** How many modules Node loads if nobody bundles: those that are imported when they are needed do not count. */
  readonly modules: number
}

const nameOf = (input: string): string => input.replace(/.*node_modules\//, "").replace(/^.*?(?=src\/)/, "")

const bytesOf = ({ outputs }: Metafile): Bundle["bytes"] =>
  Object.fromEntries(
    Object.values(outputs).flatMap(({ inputs }) =>
      Object.entries(inputs).map(([input, { bytesInOutput }]) => [nameOf(input), bytesInOutput])
    )
  )

const modulesOf = ({ inputs }: Metafile, entry: string): number => {
  const loaded = new Set<string>()
  const load = (file: string): void => {
    if (loaded.has(file)) return
    loaded.add(file)
    for (const { kind, path } of inputs[file]?.imports ?? []) if (kind === "import-statement") load(path)
  }
  load(entry)
  return loaded.size
}

/** Bundles one of `programs`. */
export const bundle = async (name: string, platform: "browser" | "node" = "browser"): Promise<Bundle> => {
  const entry = path.posix.join("programs", `${name}.ts`)
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    platform,
    target: "es2022",
    minify: true,
    legalComments: "none",
    metafile: true,
    write: false,
    outdir: "bundled"
  })
  return { code: outputFiles[0]!.contents, bytes: bytesOf(metafile), modules: modulesOf(metafile, entry) }
}
