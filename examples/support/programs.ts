/** Other programs of this directory, started as a person would start them, on the same runtime. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const flags = "Deno" in globalThis ? ["run", "-A"] : process.execArgv

/** Runs a program with these variables to its end and says with which code it ended. What it prints is handed on, line by line. */
export const program = (
  file: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>,
  printed: (line: string) => void
): Effect.Effect<number> =>
  Effect.async((resume) => {
    const child = spawn(
      process.execPath,
      [...flags, path.join(path.dirname(fileURLToPath(import.meta.url)), "..", file), ...args],
      { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] }
    )
    for (const stream of [child.stdout, child.stderr]) {
      let rest = ""
      stream.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n")
        rest = lines.pop()!
        lines.forEach(printed)
      })
    }
    child.once("error", () => resume(Effect.succeed(1)))
    child.once("close", (code) => resume(Effect.succeed(code ?? 1)))
    return Effect.sync(() => child.kill())
  })
