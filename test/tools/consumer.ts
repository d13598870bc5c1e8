/**
 * Packs the package and uses it as a stranger would: `npm run check:package`.
 *
 * The tarball goes through publint and "are the types wrong", then into four empty projects beside effect and @effect/platform, each installed by another program:
 * npm, pnpm, Bun and Deno. There the barrel and every subpath are type-checked strictly (both ways to resolve modules, declarations included) and imported,
 * a small program runs, and a bundle for browsers has what it asked for.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { forBrowsers } from "../support/bundle.ts"
import { publicModules, readJson, root } from "./modules.ts"
import { type Runtime, runtimes } from "./runtimes.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-consumer-"))
const npm = process.env["npm_execpath"]
let failed = 0
let passed = 0

/** Counts one check, and shows what there is to say if it failed. */
const checked = (title: string, ok: boolean, complaint: string): boolean => {
  console.log(`${ok ? "✓" : "✗"} ${title}`)
  if (!ok) console.log(complaint)
  if (ok) passed++
  else failed++
  return ok
}

/** Runs a command as one check. */
const check = (title: string, cwd: string, command: string, ...args: ReadonlyArray<string>): boolean => {
  const { error, status, stderr, stdout } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" }
  })
  return checked(title, status === 0, [error?.message, stdout, stderr].filter(Boolean).join("\n"))
}
const npmArgs = (...args: ReadonlyArray<string>): [string, ...Array<string>] =>
  npm === undefined ? ["npm", ...args] : [process.execPath, npm, ...args]
const bin = (file: string): string => path.join(root, "node_modules", file)
const version = (name: string): string => readJson(`node_modules/${name}/package.json`).version
const installed = (name: string): string => `${name}@${version(name)}`

const subpaths = publicModules()
  .filter(({ subpath }) => subpath !== ".")
  .map(({ subpath }) => subpath.slice(2))
const imports = subpaths.map((name) => `import * as ${name} from "effect-credentials/${name}"`).join("\n")

/** Ten lines that need the barrel, a subpath, a layer and a token. */
const program = `
import * as Barrel from "effect-credentials"
import { Effect, Redacted } from "effect"
${imports}

export const layer = StaticToken.layer({ token: Redacted.make("s3cret") })
export const subpaths = { ${subpaths.join(", ")} }
// @ts-expect-error types that cannot be found would accept anything
export const mistake = () => StaticToken.layer({ token: 1 })
export const program = Effect.gen(function* () {
  const credentials = yield* Barrel.Credentials.Credentials
  const token = yield* credentials.token
  return \`\${token.tokenType} \${String(token.accessToken)} \${Redacted.value(token.accessToken)}\`
}).pipe(Effect.provide(layer))
`

/** What the barrel holds is what the subpaths hold, and the program prints its token. */
const main = `${program}
const strangers = Object.entries(Barrel).filter(([name, module]) => subpaths[name] !== module).map(([name]) => name)
if (strangers.length > 0) throw new Error("the barrel and the subpaths differ: " + strangers.join(", "))
const printed = await Effect.runPromise(program)
if (!/^bearer <redacted> s3cret$/i.test(printed)) throw new Error("unexpected: " + printed)
`

const compilerOptions = (module: "NodeNext" | "Preserve", moduleResolution: "NodeNext" | "Bundler"): string =>
  JSON.stringify({
    compilerOptions: {
      target: "ES2022",
      lib: ["ES2022", "DOM", "DOM.Iterable"],
      types: [],
      module,
      moduleResolution,
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      declaration: true,
      outDir: "out"
    },
    files: ["consumer.ts"]
  })

/** A project that has the program and nothing installed. */
const project = (name: string, manifest: Readonly<Record<string, unknown>> = {}): string => {
  const cwd = path.join(folder, name)
  const files = {
    "package.json": JSON.stringify({ name: "consumer", private: true, type: "module", ...manifest }),
    "consumer.ts": program,
    "main.mjs": main,
    "tsconfig.nodenext.json": compilerOptions("NodeNext", "NodeNext"),
    "tsconfig.bundler.json": compilerOptions("Preserve", "Bundler")
  }
  fs.mkdirSync(cwd)
  for (const [file, content] of Object.entries(files)) fs.writeFileSync(path.join(cwd, file), content)
  return cwd
}

const types = (cwd: string, title: string, tsc: string): void => {
  for (const resolution of ["nodenext", "bundler"]) {
    check(
      `${path.basename(cwd)}: types, ${title}, ${resolution}`,
      cwd,
      process.execPath,
      tsc,
      "-p",
      `tsconfig.${resolution}.json`
    )
  }
}
const runs = (cwd: string, runtime: Runtime): void => {
  const title = `${path.basename(cwd)}: runs on ${runtime.name} ${runtime.version}`
  check(title, cwd, runtime.command, ...runtime.run, "main.mjs")
}
const ourTypes = (cwd: string): void => types(cwd, installed("typescript"), bin("typescript/bin/tsc"))

const peers = [installed("effect"), installed("@effect/platform")]

const npmProject = async (tarball: string): Promise<void> => {
  const cwd = project("npm")
  const install = npmArgs("install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
  if (!check("npm: installs", cwd, ...install, tarball, ...peers, "typescript@^5.9")) return
  types(cwd, "TypeScript 5", path.join(cwd, "node_modules/typescript/bin/tsc"))
  ourTypes(cwd)
  runs(cwd, runtimes.node())
  const app = `import { AuthenticatedHttpClient, ClientCredentials } from "effect-credentials"
globalThis.used = [AuthenticatedHttpClient.layer, ClientCredentials.layer]`
  const { files, packages } = await forBrowsers(app, { folder: cwd })
  const providers = files.filter((file) => file.includes("/providers/")).map((file) => path.basename(file))
  const found = `${packages.join(", ")}; ${providers.join(", ")}`
  const wanted = "@effect/platform, effect, effect-credentials; ClientCredentials.js"
  checked("npm: a bundle has what it asked for", found === wanted, `it has ${found}`)
}

/** Nothing can be imported that is not declared: pnpm puts only that in reach. */
const pnpmProject = (tarball: string): void => {
  const cwd = project("pnpm")
  const store = path.join(folder, "pnpm-store")
  const add = [bin("pnpm/bin/pnpm.cjs"), "add", "--ignore-scripts", "--prefer-offline", "--store-dir", store]
  if (!check("pnpm: installs", cwd, process.execPath, ...add, tarball, ...peers)) return
  ourTypes(cwd)
  runs(cwd, runtimes.node())
}

const bunProject = (tarball: string): void => {
  const cwd = project("bun")
  const bun = runtimes.bun()
  if (!check("bun: installs", cwd, bun.command, "add", "--ignore-scripts", tarball, ...peers)) return
  ourTypes(cwd)
  runs(cwd, bun)
}

/** Deno takes no tarball but from a registry, and links a package that is not published yet. */
const denoProject = (tarball: string): void => {
  const cwd = project("deno", {
    dependencies: {
      "effect-credentials": readJson("package.json").version,
      effect: version("effect"),
      "@effect/platform": version("@effect/platform")
    },
    // Deno asks for the native parts of msgpackr for every system, and a registry may lack some of the newest.
    overrides: { "msgpackr-extract": "3.0.3" }
  })
  const deno = runtimes.deno()
  fs.mkdirSync(path.join(cwd, "package"))
  fs.writeFileSync(path.join(cwd, "deno.json"), JSON.stringify({ links: ["./package"] }))
  const unpack = ["-xzf", tarball, "--strip-components=1", "-C", "package"]
  if (!check("deno: unpacks", cwd, "tar", ...unpack)) return
  if (!check("deno: installs", cwd, deno.command, "install", "--quiet")) return
  check("deno: types", cwd, deno.command, "check", "--quiet", "consumer.ts")
  runs(cwd, deno)
}

try {
  if (check("build and pack", root, ...npmArgs("pack", "--silent", "--pack-destination", folder))) {
    const tarball = path.join(
      folder,
      fs.readdirSync(folder).find((file) => file.endsWith(".tgz"))!
    )
    check("publint", root, process.execPath, bin("publint/src/cli.js"), "run", tarball, "--strict")
    check(
      "are the types wrong",
      root,
      process.execPath,
      bin("@arethetypeswrong/cli/dist/index.js"),
      tarball,
      "--profile",
      "esm-only"
    )
    await npmProject(tarball)
    pnpmProject(tarball)
    bunProject(tarball)
    denoProject(tarball)
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}
console.log(`${passed} checks passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
