/**
 * Where Node, Bun and Deno are. The last two are dev dependencies; their binaries lie in a package per platform, and the
 * command in `node_modules/.bin` may be a placeholder, since installing can skip the scripts that put the binary in its place.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { root } from "./modules.ts"

/** A runtime, and how it runs a program. */
export interface Runtime {
  readonly name: "node" | "bun" | "deno"
  readonly version: string
  readonly command: string
  /** What precedes the path of a JavaScript file. */
  readonly run: ReadonlyArray<string>
}

const exe = process.platform === "win32" ? ".exe" : ""

/** Every file `binary` of the packages in `node_modules/scope`. */
const platformBinaries = (scope: string, binary: string): ReadonlyArray<string> => {
  const folder = path.join(root, "node_modules", scope)
  return fs.existsSync(folder) ? fs.readdirSync(folder).map((name) => path.join(folder, name, binary)) : []
}

/** The first that runs, with its version: which of several builds fits this machine is best asked by starting it. */
const firstThatRuns = (name: string, commands: ReadonlyArray<string>): { command: string; version: string } => {
  for (const command of commands) {
    if (!fs.existsSync(command)) continue
    const { error, status, stdout } = spawnSync(command, ["--version"], { encoding: "utf8" })
    const version = /\d+\.\d+\.\d+/.exec(stdout ?? "")?.[0]
    if (error === undefined && status === 0 && version !== undefined) return { command, version }
  }
  throw new Error(`${name} is not installed: run npm install (it comes as a dev dependency)`)
}

/** The three runtimes, in the order in which tests run. */
export const runtimes: Readonly<Record<Runtime["name"], () => Runtime>> = {
  node: () => ({ name: "node", version: process.versions.node, command: process.execPath, run: [] }),
  bun: () => ({
    name: "bun",
    ...firstThatRuns("Bun", [
      path.join(root, "node_modules/bun/bin/bun.exe"),
      ...platformBinaries("@oven", `bin/bun${exe}`)
    ]),
    run: ["--bun"]
  }),
  deno: () => ({
    name: "deno",
    ...firstThatRuns("Deno", [
      path.join(root, `node_modules/deno/deno${exe}`),
      ...platformBinaries("@deno", `deno${exe}`)
    ]),
    run: ["run", "-A"]
  })
}
