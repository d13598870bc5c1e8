/** SDKs as they are published, over our `fetch`: each against a stand-in on this machine. */
import { assert, describe, it } from "@effect/vitest"
import { Octokit } from "@octokit/core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import OpenAI from "openai"
import { standIn, type Answer, type Seen } from "../examples/support/standIn.ts"
import * as Fetch from "../src/Fetch.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"

/** A server that issues `t1`, `t2`, …, and an API beside it that likes only the latest; `withdraw` makes that one worthless. */
const served = (
  options: Partial<Fetch.Options>,
  answer: (request: Seen) => Answer
): Effect.Effect<
  {
    readonly url: string
    readonly fetch: typeof globalThis.fetch
    /** What came to the API, and what it answered. */
    readonly calls: ReadonlyArray<string>
    readonly issued: () => number
    readonly withdraw: () => void
  },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const calls: Array<string> = []
    let issued = 0
    let accepted = "none"
    const url = yield* standIn((request) => {
      if (request.path === "/token") {
        accepted = `t${++issued}`
        return { json: { access_token: accepted, token_type: "Bearer", expires_in: 3600 } }
      }
      const isGood = request.headers["authorization"] === `Bearer ${accepted}`
      calls.push(`${request.method} ${request.path} ${request.headers["authorization"]} ${isGood ? 200 : 401}`)
      return isGood ? answer(request) : { status: 401, json: { message: "Bad credentials" } }
    })
    const credentials = ClientCredentials.layer({
      tokenEndpoint: `${url}/token`,
      clientId: "me",
      clientSecret: "s3cret"
    })
    const { close, fetch } = Fetch.makeFetch(credentials, { origins: [url], ...options })
    yield* Effect.addFinalizer(() => Effect.promise(close))
    return { url, fetch, calls, issued: () => issued, withdraw: () => void (accepted = "none") }
  })

describe("an SDK over our fetch renews a withdrawn token once and sends its request once more:", () => {
  it.scopedLive("openai, whose own key gives way to ours", () =>
    Effect.gen(function* () {
      const server = yield* served({ replacesHeaders: true }, ({ json }) => ({
        json: {
          id: "chat-1",
          object: "chat.completion",
          created: 0,
          model: json.model,
          choices: [
            { index: 0, finish_reason: "stop", message: { role: "assistant", content: json.messages[0].content } }
          ]
        }
      }))
      const openai = new OpenAI({
        baseURL: `${server.url}/v1`,
        apiKey: "not used",
        fetch: server.fetch,
        maxRetries: 0
      })
      const say = (content: string): Effect.Effect<string | null | undefined> =>
        Effect.promise(() =>
          openai.chat.completions
            .create({ model: "echo", messages: [{ role: "user", content }] })
            .then(({ choices }: { readonly choices: ReadonlyArray<any> }) => choices[0]?.message.content)
        )
      assert.strictEqual(yield* say("hello"), "hello")
      server.withdraw()
      assert.strictEqual(yield* say("still there?"), "still there?")
      const path = "POST /v1/chat/completions"
      assert.deepStrictEqual(server.calls, [`${path} Bearer t1 200`, `${path} Bearer t1 401`, `${path} Bearer t2 200`])
      assert.strictEqual(server.issued(), 2)
    })
  )

  it.scopedLive("octokit, with calls at the same time and a body", () =>
    Effect.gen(function* () {
      const server = yield* served({}, ({ json, path }) => ({ json: { path, name: json?.name } }))
      const octokit = new Octokit({ baseUrl: server.url, request: { fetch: server.fetch } })
      const create = (name: string): Effect.Effect<unknown> =>
        Effect.promise(() =>
          octokit.request("POST /user/repos", { name }).then(({ data }: { readonly data: unknown }) => data)
        )
      assert.deepStrictEqual(yield* create("first"), { path: "/user/repos", name: "first" })
      server.withdraw()
      const names = ["a", "b", "c", "d"]
      assert.deepStrictEqual(
        yield* Effect.all(names.map(create), { concurrency: "unbounded" }),
        names.map((name) => ({ path: "/user/repos", name }))
      )
      // Four were refused, one renewed for all of them.
      assert.strictEqual(server.issued(), 2)
      assert.strictEqual(server.calls.filter((call) => call.endsWith("Bearer t2 200")).length, names.length)
    })
  )

  it.scopedLive("what the API goes on to refuse is the SDK's own error, after one replay", () =>
    Effect.gen(function* () {
      const server = yield* served({}, () => ({ status: 401, json: { message: "Requires two factors" } }))
      const octokit = new Octokit({ baseUrl: server.url, request: { fetch: server.fetch } })
      const error = yield* Effect.flip(Effect.tryPromise({ try: () => octokit.request("GET /user"), catch: String }))
      assert.match(error, /HttpError: Requires two factors/)
      assert.strictEqual(server.calls.length, 2)
    })
  )
})
