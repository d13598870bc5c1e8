/** Programs, bundled as an app's bundler would: one file, minified, without what nobody uses. */
import { build, type Metafile } from "esbuild"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

// Programs import the package by its name. As they are written, that means the sources (tsconfig.json); compiled, they find what is published, built anew.
const compiled = path.dirname(fileURLToPath(import.meta.url))
const root = path.join(process.cwd(), "../..")
const published = path.join(compiled, "node_modules/effect-credentials")
execFileSync(process.execPath, ["--import", "tsx", "test/tools/build.ts"], { cwd: root, stdio: "inherit" })
fs.rmSync(published, { recursive: true, force: true })
for (const part of ["package.json", "dist"])
  fs.cpSync(path.join(root, part), path.join(published, part), { recursive: true })

export interface Bundle {
  readonly code: Uint8Array
  /** How many bytes are left of each file, by its path in a package (`effect/dist/esm/Schema.js`) or in this repository (`src/Token.ts`). */
  readonly bytes: Readonly<Record<string, number>>
  /** How many modules Node loads if nobody bundles: those that are imported when they are needed do not count. */
  readonly modules: number
}

const nameOf = (input: string): string =>
  input.includes("node_modules/") ? input.replace(/.*node_modules\//, "") : input.replace(/^(\.\.\/)*/, "")

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
    for (const { external, kind, path } of inputs[file]?.imports ?? [])
      if (external !== true && (kind === "import-statement" || kind === "require-call")) load(path)
  }
  load(entry)
  return loaded.size
}

/** The file of one of `programs`, compiled. */
export const programOf = (name: string): string => path.join(compiled, "programs", `${name}.js`)

const requiring = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);'

interface Options {
  readonly platform?: "browser" | "node"
  /** What it has of this package. Default: what is published. */
  readonly of?: "package" | "sources"
}

/** Bundles one of `programs`. */
export const bundle = async (name: string, { of = "package", platform = "browser" }: Options = {}): Promise<Bundle> => {
  const entry = of === "sources" ? `programs/${name}.ts` : path.relative(".", programOf(name))
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
    outdir: "bundled",
    // Libraries that are no ES modules look for Node's own modules with it.
    ...(platform === "node" && { banner: { js: requiring } }),
    // Without what the package's name means in this repository.
    ...(of === "package" && { tsconfigRaw: {} })
  })
  return {
    code: outputFiles[0]!.contents,
    bytes: bytesOf(metafile),
    modules: modulesOf(metafile, entry.replaceAll("\\", "/"))
  }
}
