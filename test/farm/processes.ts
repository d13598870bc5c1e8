/** Programs of this repository as processes of every runtime: built once, so that they start fast, and gone when their scope closes. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { type Runtime, runtimes } from "../tools/runtimes.ts"

const here = path.dirname(fileURLToPath(import.meta.url))

export type Name = Runtime["name"]

/** The runtimes in turn. */
export const mixed = (count: number): ReadonlyArray<Name> =>
  Array.from({ length: count }, (_, n) => (["node", "bun", "deno"] as const)[n % 3]!)

/** Builds `test/farm/<name>.ts` as one file in a directory. */
export const build = (name: string, directory: string): Effect.Effect<string> =>
  Effect.sync(() => {
    const file = path.join(directory, `${name}.mjs`)
    execFileSync(
      runtimes.bun().command,
      ["build", path.join(here, `${name}.ts`), "--target=node", "--format=esm", `--outfile=${file}`],
      { stdio: "ignore" }
    )
    return file
  })

/** A process, its standard output line by line. */
export interface Process {
  readonly pid: number
  /** The next line; undefined once the process has ended and all were read. */
  readonly line: Effect.Effect<string | undefined>
  readonly say: (line: string) => Effect.Effect<void>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** How it ended: a code or a signal. */
  readonly ended: Effect.Effect<number | NodeJS.Signals>
  /** SIGKILL, and its end. */
  readonly kill: Effect.Effect<void>
}

const commands = new Map<Name, readonly [string, ReadonlyArray<string>]>()
const commandOf = (name: Name) => {
  const { command, run } = runtimes[name]()
  const found = commands.get(name) ?? ([command, run] as const)
  commands.set(name, found)
  return found
}

/** Starts a program; the scope's end kills it. */
export const start = (
  runtime: Name,
  file: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {}
): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync((): Process => {
      const [command, run] = commands.get(runtime) ?? commandOf(runtime)
      const child: ChildProcess = spawn(command, [...run, file, ...args], {
        stdio: ["pipe", "pipe", "inherit"],
        env: { ...process.env, ...environment }
      })
      const lines: Array<string> = []
      const waiting: Array<(line: string | undefined) => void> = []
      let rest = ""
      let isOver = false
      child.stdin!.on("error", () => {})
      child.stdout!.on("data", (chunk: Uint8Array) => {
        const parts = (rest + new TextDecoder().decode(chunk)).split("\n")
        rest = parts.pop()!
        for (const line of parts) {
          const next = waiting.shift()
          if (next === undefined) lines.push(line)
          else next(line)
        }
      })
      child.stdout!.on("close", () => {
        isOver = true
        for (const next of waiting.splice(0)) next(undefined)
      })
      const end = new Promise<number | NodeJS.Signals>((resolve, reject) => {
        child.once("error", reject)
        child.once("exit", (code, signal) => resolve(code ?? signal ?? -1))
      })
      const signal = (signal: NodeJS.Signals) => Effect.sync(() => void child.kill(signal))
      const ended = Effect.promise(() => end)
      return {
        pid: child.pid!,
        line: Effect.async((resume) => {
          const line = lines.shift()
          if (line !== undefined || isOver) return resume(Effect.succeed(line))
          const next = (line: string | undefined) => resume(Effect.succeed(line))
          waiting.push(next)
          return Effect.sync(() => {
            const place = waiting.indexOf(next)
            if (place >= 0) waiting.splice(place, 1)
          })
        }),
        say: (line) => Effect.sync(() => void child.stdin!.write(`${line}\n`)),
        signal,
        ended,
        kill: Effect.zipRight(signal("SIGKILL"), Effect.asVoid(ended))
      }
    }),
    (process) => process.kill
  )
