/** The public modules: every file of src outside `internal/`, named by its base name. */
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

/** The repository. */
export const root = fileURLToPath(new URL("../..", import.meta.url))

/** Every source file, relative to `src`, with forward slashes. */
export const sources = (): ReadonlyArray<string> =>
  fs
    .readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.endsWith(".ts"))
    .sort()

/** A module that users import. */
export interface PublicModule {
  /** `.` for the barrel, else `./Token`. */
  readonly subpath: string
  /** Relative to `src`, without its extension: `providers/StaticToken`. */
  readonly file: string
}

/** What users can import: the barrel first, then one flat subpath per module. */
export const publicModules = (): ReadonlyArray<PublicModule> =>
  sources()
    .filter((file) => !file.startsWith("internal/"))
    .map((source) => {
      const file = source.slice(0, -".ts".length)
      return { subpath: file === "index" ? "." : `./${path.posix.basename(file)}`, file }
    })
    .sort((a, b) => (a.subpath < b.subpath ? -1 : 1))

/** What the build joins, by the name of the file: these sources with all that they import; what is in the first is not in the second. */
export const joined = (): Readonly<Record<string, ReadonlyArray<string>>> => ({
  protocol: sources().filter((source) => source.startsWith("protocol/")),
  client: ["AuthenticatedHttpClient.ts", "Provider.ts"]
})

/** The `exports` of package.json and deno.json, and what deno.json's `imports` say of this package itself. */
export const manifests = (): {
  readonly npm: Record<string, { readonly types: string; readonly default: string }>
  readonly jsr: Record<string, string>
  readonly self: Record<string, string>
} => ({
  npm: Object.fromEntries(
    publicModules().map(({ file, subpath }) => [
      subpath,
      { types: `./dist/${file}.d.ts`, default: `./dist/${file}.js` }
    ])
  ),
  jsr: Object.fromEntries(publicModules().map(({ file, subpath }) => [subpath, `./src/${file}.ts`])),
  self: Object.fromEntries(
    publicModules().map(({ file, subpath }) => [`effect-credentials${subpath.slice(1)}`, `./src/${file}.ts`])
  )
})

/** A JSON file of the repository. */
export const readJson = (file: string): any => JSON.parse(fs.readFileSync(path.join(root, file), "utf8"))
