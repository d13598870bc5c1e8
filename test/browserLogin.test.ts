import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { visit, type Visited } from "./support/browser.ts"
import * as Program from "./support/program.ts"

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..")

/** Runs the example where there is no display, and logs in at the address that it prints. */
const logsIn = (fields: Readonly<Record<string, string>>) =>
  Effect.promise(
    () =>
      new Promise<{ readonly code: number | null; readonly out: string; readonly page: Visited | undefined }>(
        (resolve) => {
          const hidden = ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER", "ISSUER", "CLIENT_ID", "API_URL"]
          const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !hidden.includes(name)))
          const [file, args] = Program.command("examples/browser-login.ts")
          const child = spawn(file, args, {
            cwd: root,
            env,
            stdio: ["ignore", "pipe", "pipe"]
          })
          let out = ""
          let visited: Promise<Visited> | undefined
          const read = (chunk: unknown) => {
            out += String(chunk)
            const address = /^ {2}(http:\S+)\n/m.exec(out)?.[1]
            if (address !== undefined) visited ??= visit(address, fields)
          }
          child.stdout.on("data", read)
          child.stderr.on("data", read)
          child.on("close", async (code) => resolve({ code, out, page: await visited?.catch(() => undefined) }))
        }
      )
  )

// Elsewhere a browser would open.
describe.runIf(process.platform === "linux")("the login example", () => {
  it.scopedLive(
    "without a display: says where to go, logs in, calls the API as that person, and ends",
    () =>
      Effect.gen(function* () {
        const { code, out, page } = yield* logsIn({ login: "grace", password: "c4nary" })
        assert.include(out, "No browser could be opened (there is no display)")
        assert.include(out, 'Logged in as grace.\nThe API answered {"hello":"world"}\n')
        assert.strictEqual(code, 0, out)
        assert.include(page!.text, "You are logged in")
        assert.notInclude(out, "c4nary")
      }),
    40_000
  )
})
