/** From nothing to the answer of one call: a process of its own for each, with Node's start. */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { bundle, programOf } from "./bundled.ts"
import { type Contender, type Table } from "./harness.ts"
import { listen } from "./loopback.ts"
import { missing, programs } from "./peers.ts"

const { origin } = await listen({ takes: 0, lives: 3_600 })

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-bench-"))
process.once("exit", () => fs.rmSync(folder, { recursive: true, force: true }))

const report = programOf("report")

/** A process that runs a program, which says what is expected. */
const started = (
  name: string,
  program: string,
  { expected = "200 {}", modules }: { readonly expected?: string | undefined; readonly modules?: number }
): Contender => {
  const durations: Array<number> = []
  return {
    name,
    run: () =>
      new Promise<number>((resolve, reject) => {
        const start = performance.now()
        const child = spawn(process.execPath, ["--import", report, program, origin], {
          stdio: ["ignore", "pipe", "inherit", "pipe"]
        })
        let said = ""
        let used = ""
        child.stdout!.on("data", (chunk: Buffer) => (said += chunk))
        child.stdio[3]!.on("data", (chunk: Buffer) => (used += chunk))
        child.once("close", () => {
          durations.push(performance.now() - start)
          if (said.trim() === expected) resolve(Number(used) / 1_000)
          else reject(new Error(`${program}: ${said}`))
        })
      }),
    counts: () => ({
      "real ms": Math.round(durations.sort((a, b) => a - b)[durations.length >> 1]!),
      ...(modules !== undefined && { modules })
    })
  }
}

const floor = "effect and HttpClient"
const byHand = "by hand on Effect"
const without = "by hand, without Effect"
const note = ["ms: processor time of the process, all threads", ...(missing === undefined ? [] : [missing])].join("; ")

/** Every module by itself, as Node loads what nobody bundled. */
const unbundled = async (name: string, program: string, expected?: string): Promise<Contender> => {
  const { modules } = await bundle(program, { platform: "node" })
  return started(name, programOf(program), { modules, expected })
}

const bundled = async (name: string, program: string): Promise<Contender> => {
  const file = path.join(folder, `${program}.mjs`)
  const { code } = await bundle(program, { platform: "node" })
  fs.writeFileSync(file, code)
  return started(name, file, {})
}

const calls: ReadonlyArray<readonly [name: string, program: string]> = [
  [without, "fetch"],
  [floor, "plain"],
  [byHand, "byHand"],
  ["ours", "ours"]
]
const all = <A>(promises: ReadonlyArray<Promise<A>>): Promise<ReadonlyArray<A>> => Promise.all(promises)
const importing = await all([
  unbundled("Node alone", "nothing", ""),
  unbundled(floor, "importsPlain", ""),
  unbundled("ours", "importsOurs", "")
])
const calling = await all([
  ...calls.map(([name, program]) => unbundled(name, program)),
  unbundled("ours, from the barrel", "oursFromBarrel"),
  ...programs.map(([name, program]) => unbundled(name, program))
])
const callingBundled = await all([...calls, ...programs].map(([name, program]) => bundled(name, program)))

const table = (title: string, contenders: ReadonlyArray<Contender>, floors: ReadonlyArray<string>): Table => ({
  title,
  floors,
  isTold: true,
  unit: "ms",
  batch: 1,
  rounds: 20,
  note,
  contenders
})

export const tables = (): ReadonlyArray<Table> => [
  table("cold: a process that imports, not bundled", importing, [floor]),
  table("cold: a process that makes one call, not bundled", calling, [byHand, floor, without]),
  table("cold: a process that makes one call, bundled", callingBundled, [byHand, floor, without])
]
