/** The program that runs, started once more as a person would start it, on the same runtime. */
import { Effect } from "effect"
import { spawn } from "node:child_process"

const flags = "Deno" in globalThis ? ["run", "-A"] : process.execArgv

/** Runs this program with these arguments and variables to its end and says with which code it ended. What it prints is handed on, line by line. */
export const program = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>,
  printed: (line: string) => void
): Effect.Effect<number> =>
  Effect.async((resume) => {
    const child = spawn(process.execPath, [...flags, process.argv[1]!, ...args], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"]
    })
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
