import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Program from "./support/program.ts"
import * as RedisServer from "./support/redisServer.ts"

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..")
const isNode = !("Deno" in globalThis) && !("Bun" in globalThis)

/** Runs an example as it comes, with these variables besides, to its end. */
const example = (file: string, args: ReadonlyArray<string>, variables: Readonly<Record<string, string>> = {}) =>
  Effect.async<{ readonly code: number | null; readonly out: string }>((resume) => {
    const names = ["ISSUER", "CLIENT_ID", "CLIENT_SECRET", "TOKEN_URL", "SCOPE", "STORE_PASSPHRASE", "REDIS_URL"]
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !names.includes(name)))
    const [program, before] = Program.command(`examples/${file}`)
    const child = execFile(
      program,
      [...before, ...args],
      // No display: no browser opens.
      {
        cwd: root,
        env: { ...inherited, DISPLAY: "", WAYLAND_DISPLAY: "", BROWSER: "", ...variables },
        timeout: 80_000
      },
      (_, out, err) => resume(Effect.succeed({ code: child.exitCode, out: out + err }))
    )
    return Effect.sync(() => child.kill())
  })

describe("the command-line example", () => {
  // Half a minute of waiting for a device's polls, which one runtime is enough for.
  it.live.skipIf(!isNode)(
    "logs in once, is known to the next process, and forgotten after the logout; what it keeps is encrypted",
    () =>
      Effect.gen(function* () {
        const { code, out } = yield* example("cli-login.ts", [], { STORE_PASSPHRASE: "c4nary horse battery" })
        const said = out.split("\n").filter((line) => /^\$|^ {2}(NotLoggedIn|Logged|You)/.test(line))
        assert.deepStrictEqual(
          said,
          [
            ...["$ cli-login whoami", "  NotLoggedIn: nobody is logged in here: login"],
            ...["$ cli-login login", "  Logged in", "  Logged in as ada."],
            ...["$ cli-login whoami", "  You are ada."],
            ...["$ cli-login logout", "  Logged out, here and at the server."],
            ...["$ cli-login whoami", "  NotLoggedIn: nobody is logged in here: login"]
          ],
          out
        )
        assert.strictEqual(code, 0)
        assert.notInclude(out, "c4nary")
      }),
    90_000
  )

  it.live(
    "says how it is used, and what it misses",
    () =>
      Effect.gen(function* () {
        const used = yield* example("cli-login.ts", ["logni"])
        assert.deepStrictEqual(used, {
          code: 1,
          out: "Usage: give login, whoami or logout, or nothing for a demonstration\n"
        })
        const config = { EFFECT_CREDENTIALS_CONFIG: "/nonexistent/effect-credentials", ISSUER: "https://id.test" }
        const half = yield* example("cli-login.ts", ["whoami"], config)
        assert.match(half.out, /^PartialCredentials: .*CLIENT_ID is missing\n$/)
        assert.strictEqual(half.code, 1)
      }),
    40_000
  )
})

describe("the workers example", () => {
  it.live(
    "shares one login: nobody spends the refresh token a second time, which the server would punish",
    () =>
      Effect.gen(function* () {
        const { code, out } = yield* example("workers.ts", [], { WORKERS: "2", SECONDS: "3" })
        const shown = (row: string) => Number(new RegExp(`^${row} +(\\d+)$`, "m").exec(out)?.[1])
        assert.strictEqual(code, 0, out)
        assert.deepStrictEqual([shown("workers"), shown("failed"), shown("401s")], [2, 0, 0])
        assert.isAtLeast(shown("API requests"), 2)
        assert.isAtLeast(shown("token requests"), 1)
      }),
    90_000
  )
})

describe("the fleet example", () => {
  it.live.skipIf(!RedisServer.isInstalled)(
    "shares one login through Redis",
    () =>
      Effect.gen(function* () {
        const { code, out } = yield* example("fleet.ts", [], { WORKERS: "2", SECONDS: "2" })
        const shown = (row: string) => Number(new RegExp(`^${row} +(\\d+)$`, "m").exec(out)?.[1])
        assert.strictEqual(code, 0, out)
        assert.deepStrictEqual([shown("workers"), shown("failed"), shown("401s")], [2, 0, 0])
        assert.isAtLeast(shown("token requests"), 1)
      }),
    90_000
  )

  it.live(
    "says what is missing where there is no Redis",
    () =>
      Effect.gen(function* () {
        const { code, out } = yield* example("fleet.ts", [], { PATH: "/nonexistent" })
        assert.strictEqual(code, 0)
        assert.match(out, /^There is no redis-server on this machine: install it/)
      }),
    40_000
  )
})
