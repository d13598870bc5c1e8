import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFile } from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { listen } from "../examples/support/listen.ts"
import * as Program from "./support/program.ts"

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..")

const secret = "c4nary-secret"
const accessToken = "c4nary-t0ken"
const names = ["TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET", "SCOPE", "API_URL"] as const

/** Runs the quickstart with these settings and no others, until it ends or `isEnough` of what it printed. */
const quickstart = (settings: Partial<Record<(typeof names)[number], string>>, isEnough = (_: string) => false) =>
  Effect.promise(
    () =>
      new Promise<{ readonly code: number | null; readonly out: string }>((resolve) => {
        const inherited = Object.entries(process.env).filter(([name]) => !names.some((own) => own === name))
        const [file, args] = Program.command("examples/quickstart.ts")
        const child = execFile(
          file,
          args,
          { cwd: root, env: { ...Object.fromEntries(inherited), ...settings }, timeout: 30_000 },
          (_, out, err) => resolve({ code: child.exitCode, out: out + err })
        )
        let printed = ""
        child.stdout?.on("data", (text) => {
          if (isEnough((printed += text))) child.kill()
        })
      })
  )

/** A server that issues a token to everybody and greets whoever brings it, and what it was asked. */
const server: Effect.Effect<{ readonly url: string; readonly seen: Array<string> }, never, Scope.Scope> = Effect.gen(
  function* () {
    const seen: Array<string> = []
    const url = yield* listen((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization?.split(" ")[0]}`)
      response.writeHead(200, { "content-type": "application/json" })
      response.end(
        request.url === "/token"
          ? JSON.stringify({ access_token: accessToken, token_type: "Bearer", expires_in: 2, scope: "api" })
          : "{}"
      )
    })
    return { url, seen }
  }
)

describe("the quickstart", () => {
  it.scopedLive(
    "half configured: says what is set and what is missing, sends nothing and exits with 1",
    () =>
      Effect.gen(function* () {
        const { seen, url } = yield* server
        const settings = { TOKEN_URL: `${url}/token`, CLIENT_SECRET: secret, API_URL: `${url}/api`, SCOPE: "  " }
        const { code, out } = yield* quickstart(settings)
        assert.strictEqual(
          out,
          "PartialCredentials: ClientCredentials is half configured: TOKEN_URL, CLIENT_SECRET, API_URL are set, CLIENT_ID, SCOPE are missing\n"
        )
        assert.strictEqual(code, 1)
        assert.deepStrictEqual(seen, [])
      }),
    40_000
  )

  it.scopedLive(
    "wholly configured: uses those servers, and prints neither token nor secret",
    () =>
      Effect.gen(function* () {
        const { seen, url } = yield* server
        const { out } = yield* quickstart(
          { TOKEN_URL: `${url}/token`, CLIENT_ID: "me", CLIENT_SECRET: secret, SCOPE: "api", API_URL: `${url}/api` },
          (printed) => printed.includes("renewed")
        )
        assert.match(out, /issued +a token that lives 2\.0 s\n.*renewed/s)
        assert.notInclude(out, secret)
        assert.notInclude(out, btoa(`me:${secret}`))
        assert.notInclude(out, accessToken)
        assert.deepStrictEqual([...new Set(seen)].sort(), ["GET /api Bearer", "POST /token Basic"])
      }),
    40_000
  )
})
