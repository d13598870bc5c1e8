/**
 * Packs the package and uses it as a stranger would: `npm run check:package`.
 *
 * The tarball goes through publint and "are the types wrong", then into an empty project beside effect and @effect/platform. There
 * every subpath is type-checked strictly (TypeScript 5 and ours, both ways to resolve modules, declarations included)
 * and imported on Node, Bun and Deno, and a small program runs.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { publicModules, readJson, root } from "./modules.ts"
import { runtimes } from "./runtimes.ts"

const project = fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-consumer-"))
const npm = process.env["npm_execpath"]
let failed = 0
let passed = 0

/** Runs a command as one check; what it printed is shown if it fails. */
const check = (title: string, cwd: string, command: string, ...args: ReadonlyArray<string>): boolean => {
  const { error, status, stderr, stdout } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" }
  })
  const ok = status === 0
  console.log(`${ok ? "✓" : "✗"} ${title}`)
  if (!ok) console.log([error?.message, stdout, stderr].filter(Boolean).join("\n"))
  if (ok) passed++
  else failed++
  return ok
}
const npmArgs = (...args: ReadonlyArray<string>): [string, ...Array<string>] =>
  npm === undefined ? ["npm", ...args] : [process.execPath, npm, ...args]
const bin = (file: string): string => path.join(root, "node_modules", file)
const write = (file: string, content: string): void => fs.writeFileSync(path.join(project, file), content)
const installed = (name: string): string => `${name}@${readJson(`node_modules/${name}/package.json`).version}`

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
      declaration: true,
      outDir: "out"
    },
    files: ["consumer.ts"]
  })

try {
  if (check("build and pack", root, ...npmArgs("pack", "--silent", "--pack-destination", project))) {
    const tarball = path.join(
      project,
      fs.readdirSync(project).find((file) => file.endsWith(".tgz"))!
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
    write("package.json", JSON.stringify({ name: "consumer", private: true, type: "module" }))
    const wanted = [tarball, installed("effect"), installed("@effect/platform"), "typescript@^5.9"]
    if (
      check(
        "install",
        project,
        ...npmArgs("install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", ...wanted)
      )
    ) {
      write("consumer.ts", program)
      write("main.mjs", main)
      write("tsconfig.nodenext.json", compilerOptions("NodeNext", "NodeNext"))
      write("tsconfig.bundler.json", compilerOptions("Preserve", "Bundler"))
      for (const resolution of ["nodenext", "bundler"]) {
        for (const [title, folder] of [
          ["TypeScript 5", project],
          [installed("typescript"), root]
        ] as const) {
          const tsc = path.join(folder, "node_modules/typescript/bin/tsc")
          check(`types, ${title}, ${resolution}`, project, process.execPath, tsc, "-p", `tsconfig.${resolution}.json`)
        }
      }
      for (const runtime of [runtimes.node(), runtimes.bun(), runtimes.deno()]) {
        check(`runs on ${runtime.name} ${runtime.version}`, project, runtime.command, ...runtime.run, "main.mjs")
      }
    }
  }
} finally {
  fs.rmSync(project, { recursive: true, force: true })
}
console.log(`${passed} checks passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
