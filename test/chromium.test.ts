import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import type { ServerResponse } from "node:http"
import { text } from "node:stream/consumers"
import { beforeAll, describe, it } from "vitest"
import { forBrowsers } from "./support/bundle.ts"
import { temporary } from "./support/directories.ts"
import { json, platformServer } from "./support/platformServer.ts"

const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  fs.existsSync(path)
)
const isNode = !("Deno" in globalThis) && !("Bun" in globalThis)

/** For a single test, not for daily life: nothing but the page is to be asked for. */
const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

/** An API and its authorization server, which let pages of one other origin in and allow no header but the one that carries tokens. */
const protectedApi = (app: () => string) =>
  Effect.gen(function* () {
    const alive = new Set<string>()
    const spent: Array<string> = []
    const preflights = new Set<unknown>()
    const issue = (name: string) => {
      const token = `${name}.${alive.size + spent.length}`
      alive.add(token)
      return token
    }
    const token = async (response: ServerResponse) => {
      const parameters = new URLSearchParams(await text(response.req))
      const refreshToken = parameters.get("refresh_token")
      if (refreshToken === null) {
        const [, basic = ""] = (response.req.headers.authorization ?? "").split(" ")
        const [client, secret] = atob(basic).split(":")
        if (secret !== "s3cret") return json(response, { error: "invalid_client" }, 401)
        return json(response, { access_token: issue(client!), token_type: "Bearer", expires_in: 3600 })
      }
      const [place, nth] = refreshToken.split("-")
      spent.push(refreshToken)
      json(response, {
        access_token: issue(parameters.get("client_id")!),
        token_type: "Bearer",
        expires_in: 3600,
        refresh_token: `${place}-${Number(nth) + 1}`
      })
    }
    const { origin } = yield* platformServer(async ({ headers, url }, response) => {
      response.setHeader("access-control-allow-origin", app())
      if (response.req.method === "OPTIONS") {
        preflights.add(headers["access-control-request-headers"])
        return void response.writeHead(204, { "access-control-allow-headers": "authorization" }).end()
      }
      if (url === "/token") return void token(response)
      if (url === "/revoke") return void response.end(`${alive.delete(await text(response.req))}`)
      if (url === "/redirect") return void response.writeHead(302, { location: "/me" }).end()
      const bearer = /^Bearer (.*)$/.exec(headers.authorization ?? "")?.[1] ?? ""
      if (!alive.has(bearer)) return void response.writeHead(401, { "www-authenticate": "Bearer" }).end()
      response.end(`hello ${bearer.split(".")[0]}`)
    })
    return { origin, issue, spent, preflights }
  })

/** Runs the app in a real browser until its page and its worker have told what they got. */
const inChromium = Effect.gen(function* () {
  const { code } = yield* Effect.promise(() =>
    forBrowsers(fs.readFileSync(new URL("support/pages/app.ts", import.meta.url), "utf8"))
  )
  let app = ""
  const api = yield* protectedApi(() => app)
  const elsewhere = yield* platformServer(({ headers }, response) => {
    response.setHeader("access-control-allow-origin", app)
    response.end(`authorization: ${headers.authorization}`)
  })
  const told = { page: yield* Deferred.make<unknown>(), worker: yield* Deferred.make<unknown>() }
  const { origin } = yield* platformServer(async (asked, response) => {
    const { pathname, search } = new URL(asked.url, "http://app")
    if (pathname === "/app.js") return void response.setHeader("content-type", "text/javascript").end(code)
    if (pathname === "/session") return void response.end(api.issue(`${search.slice(1)}-session`))
    if (pathname === "/told") {
      Deferred.unsafeDone(
        told[search.slice(1) as keyof typeof told],
        Effect.succeed(JSON.parse(await text(response.req)))
      )
      return void response.end()
    }
    response.setHeader("content-type", "text/html")
    response.end(`<!doctype html><script type="module" src="/app.js"></script>`)
  })
  app = origin
  const profile = yield* temporary
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(
        chromium!,
        [
          ...flags,
          `--user-data-dir=${profile}`,
          `${app}/?${new URLSearchParams({ api: api.origin, elsewhere: elsewhere.origin })}`
        ],
        // A group of its own, since it is many processes: one that is left goes on writing to its directory.
        { stdio: "ignore", detached: true }
      )
    ),
    (child) =>
      Effect.async<void>((resume) => {
        child.once("exit", () => resume(Effect.void))
        process.kill(-child.pid!, "SIGKILL")
      })
  )
  return { ...api, page: yield* Deferred.await(told.page), worker: yield* Deferred.await(told.worker) }
})

// The bundle is the same on all runtimes, and so is the browser.
describe.runIf(chromium !== undefined && isNode)("in Chromium", () => {
  let seen: Effect.Effect.Success<typeof inChromium>
  beforeAll(async () => {
    seen = await Effect.runPromise(Effect.timeout(Effect.scoped(inChromium), "50 seconds"))
  }, 60_000)

  describe.each(["page", "worker"] as const)("a %s", (place) => {
    it("calls an API of another origin with tokens it renews, gets or asks for; and refuses redirects, which it cannot judge", () => {
      assert.deepStrictEqual(seen[place], {
        singlePage: {
          together: [`hello ${place}-app`, `hello ${place}-app`, `hello ${place}-app`],
          revoked: `hello ${place}-app`,
          stranger: "authorization: undefined",
          redirected: "CrossOriginRedirect",
          refused: "InvalidResponse"
        },
        withServer: `hello ${place}-session`,
        byItself: `hello ${place}-service`
      })
    })

    it("spends each refresh token once: for all who ask together, and after a 401", () => {
      const spent = seen.spent.filter((token) => token.startsWith(place))
      assert.deepStrictEqual(spent, [`${place}-1`, `${place}-2`])
    })
  })

  it("asks servers to allow one header, the one that carries credentials", () => {
    assert.deepStrictEqual([...seen.preflights], ["authorization"])
  })
})
