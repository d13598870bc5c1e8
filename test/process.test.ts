import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const here = path.dirname(fileURLToPath(import.meta.url))
const flags = "Deno" in globalThis ? ["run", "-A"] : "Bun" in globalThis ? [] : ["--import", "tsx"]

/** Runs a program on this runtime; kills it after 20 s, which `signal` then tells. */
const run = (program: string) =>
  new Promise<{ readonly signal: unknown; readonly code: unknown; readonly out: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [...flags, path.join(here, "support/processes", program)],
      { timeout: 20_000, cwd: path.join(here, "..") },
      (_, out, err) => resolve({ signal: child.signalCode, code: child.exitCode, out: out + err })
    )
  })

describe("a process", () => {
  it("ends when its program does: neither the schedule, nor a flight, nor a watcher keeps it alive (S139, S140)", async () => {
    assert.deepStrictEqual(await run("scheduled.ts"), { signal: null, code: 0, out: "finished\n" })
  }, 30_000)
})
