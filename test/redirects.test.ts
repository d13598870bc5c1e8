/** Redirects on real sockets: two servers on two ports are two origins. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Cookies from "@effect/platform/Cookies"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as fc from "fast-check"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as Authorization from "../src/Authorization.ts"
import type { CrossOriginRedirect, RefreshError } from "../src/CredentialsError.ts"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import { type FakeCredentials, fakeCredentials } from "./support/credentials.ts"

interface Hit {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** A server that remembers what reached it; `answer` says status and headers. */
const server = (answer: (hit: Hit) => { status: number; headers?: Record<string, string>; body?: string }) =>
  Effect.acquireRelease(
    Effect.async<{ origin: `http://${string}`; hits: Array<Hit>; close: () => void }>((resume) => {
      const hits: Array<Hit> = []
      const listening = http.createServer((request, response) => {
        const chunks: Array<Uint8Array> = []
        request.on("data", (chunk) => chunks.push(chunk))
        request.on("end", () => {
          const { headers, method = "", url = "" } = request
          const hit = {
            method,
            url,
            headers,
            body: new TextDecoder().decode(Uint8Array.from(chunks.flatMap((c) => [...c])))
          }
          hits.push(hit)
          const { body, headers: answered, status } = answer(hit)
          response.writeHead(status, answered)
          response.end(hit.method === "HEAD" ? undefined : body)
        })
      })
      listening.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            origin: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`,
            hits,
            close: () => {
              listening.closeAllConnections()
              listening.close()
            }
          })
        )
      )
    }),
    ({ close }) => Effect.sync(close)
  )

type Failure = HttpClientError.HttpClientError | RefreshError | CrossOriginRedirect
type Client = HttpClient.HttpClient.With<Failure>

const layers: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["fetch", FetchHttpClient.layer],
  ["node", NodeHttpClient.layer],
  // Its requests fail on Bun 1.4.5, with or without us.
  ...("Bun" in globalThis ? [] : [["undici", NodeHttpClient.layerUndici] as const])
]

/** Names are made up, so that no fixed list can know them. */
const names = fc.sample(
  fc.uniqueArray(fc.stringMatching(/^[a-z]{4,8}(-[a-z]{2,6})?$/), { minLength: 3, maxLength: 3 }),
  {
    numRuns: 1
  }
)[0]!
const own = ["authorization", "x-api-key", "developer-token", "dpop", "x-goog-api-key", ...names]
const authorization = Authorization.bearer.pipe(
  Authorization.withHeaders(Object.fromEntries(own.slice(1).map((name) => [name, `secret of ${name}`])))
)

const ownHeaders = ({ headers }: Hit) => own.filter((name) => headers[name] !== undefined)

const orders: ReadonlyArray<readonly [string, (client: Client) => Client]> = [
  ["alone", (client) => client],
  ["under followRedirects", HttpClient.followRedirects()],
  [
    "under cookies, retries and a base URL",
    (client) =>
      client.pipe(
        HttpClient.withCookiesRef(Effect.runSync(Ref.make(Cookies.empty))),
        HttpClient.retryTransient({ times: 1 }),
        HttpClient.mapRequest(HttpClientRequest.setHeader("x-mine", "1"))
      )
  ]
]

const built = (origins: readonly [string, ...Array<string>], credentials: FakeCredentials) =>
  Effect.flatMap(HttpClient.HttpClient, (client) => AuthenticatedHttpClient.make(client, credentials, { origins }))

for (const [name, layer] of layers) {
  describe(name, () => {
    for (const [order, around] of orders)
      for (const status of [301, 302, 303, 307, 308])
        for (const method of ["GET", "POST"] as const)
          it.scopedLive(
            `${status} on ${method} elsewhere, ${order}: no header of ours gets there (S001, S002, S302)`,
            () =>
              Effect.gen(function* () {
                const b = yield* server(() => ({ status: 200 }))
                const a = yield* server(() => ({ status, headers: { location: `${b.origin}/there` } }))
                const client = around(yield* built([a.origin], fakeCredentials({ authorization })))
                const response = yield* client.execute(
                  HttpClientRequest.make(method)(`${a.origin}/here`).pipe(
                    HttpClientRequest.setBody(method === "GET" ? HttpBody.empty : HttpBody.text("client_secret=c4nary"))
                  )
                )
                assert.deepStrictEqual(a.hits.map(ownHeaders), [own])
                assert.strictEqual(a.hits[0]!.headers["authorization"], "Bearer t1")
                if (order === "under followRedirects") {
                  assert.strictEqual(response.status, 200)
                  assert.deepStrictEqual(b.hits.map(ownHeaders), [[]])
                } else {
                  assert.deepStrictEqual([response.status, response.headers["location"]], [status, `${b.origin}/there`])
                  assert.deepStrictEqual(b.hits, [])
                }
              }).pipe(Effect.provide(layer))
          )

    it.scopedLive("platform's followRedirects below us is found out: it takes the headers along (S001)", () =>
      Effect.gen(function* () {
        const b = yield* server(() => ({ status: 200 }))
        const a = yield* server(() => ({ status: 302, headers: { location: b.origin } }))
        const client = yield* Effect.flatMap(HttpClient.HttpClient, (client) =>
          AuthenticatedHttpClient.make(HttpClient.followRedirects(client), fakeCredentials({ authorization }), {
            origins: [a.origin]
          })
        )
        const error = yield* Effect.flip(client.get(a.origin))
        assert.deepInclude(error, { _tag: "CrossOriginRedirect", from: a.origin, to: b.origin })
      }).pipe(Effect.provide(layer))
    )

    it.scopedLive("a client wrapped in HttpClient.transform does not follow either (S001)", () =>
      Effect.gen(function* () {
        const b = yield* server(() => ({ status: 200 }))
        const a = yield* server(() => ({ status: 302, headers: { location: b.origin } }))
        const client = yield* Effect.flatMap(HttpClient.HttpClient, (client) =>
          AuthenticatedHttpClient.make(
            HttpClient.transform(client, (effect) => effect),
            fakeCredentials({ authorization }),
            { origins: [a.origin] }
          )
        )
        const response = yield* client.get(a.origin)
        assert.deepStrictEqual([response.status, b.hits.length], [302, 0])
      }).pipe(Effect.provide(layer))
    )

    for (const status of [301, 302, 303, 307, 308])
      it.scopedLive(`${status} within the listed origins is followed, each hop with its own header`, () =>
        Effect.gen(function* () {
          const b = yield* server(({ url }) =>
            url === "/1" ? { status, headers: { location: "2?x=%20y" } } : { status: 200, body: "there" }
          )
          const a = yield* server(() => ({ status, headers: { location: `${b.origin}/1` }, body: "moved" }))
          const credentials = fakeCredentials({
            authorization: Authorization.byOrigin({ [b.origin]: Authorization.header("x-key") }, Authorization.bearer)
          })
          const client = yield* built([a.origin, b.origin], credentials)
          const response = yield* client.post(a.origin, { body: HttpBody.text("body"), headers: { cookie: "mine=1" } })
          assert.strictEqual(yield* response.text, "there")
          const keeps = status > 303
          const shown = ({ body, headers, method, url }: Hit) => [
            method,
            url,
            body,
            headers["authorization"],
            headers["x-key"],
            headers["cookie"],
            headers["content-type"]
          ]
          const sent = keeps ? "body" : ""
          const type = keeps ? "text/plain" : undefined
          assert.deepStrictEqual(a.hits.map(shown), [
            ["POST", "/", "body", "Bearer t1", undefined, "mine=1", "text/plain"]
          ])
          assert.deepStrictEqual(b.hits.map(shown), [
            [keeps ? "POST" : "GET", "/1", sent, undefined, "t1", undefined, type],
            [keeps ? "POST" : "GET", "/2?x=%20y", sent, undefined, "t1", undefined, type]
          ])
        }).pipe(Effect.provide(layer))
      )

    it.scopedLive("a chain that leaves and would come back ends where it leaves (S008)", () =>
      Effect.gen(function* () {
        const addresses = { a: "" }
        const b = yield* server(() => ({ status: 302, headers: { location: addresses.a } }))
        const a = yield* server(({ url }) => ({
          status: 302,
          headers: { location: url === "/" ? "/out" : b.origin }
        }))
        addresses.a = a.origin
        const client = yield* built([a.origin], fakeCredentials({ authorization }))
        const response = yield* client.get(a.origin)
        assert.deepStrictEqual([response.status, response.headers["location"]], [302, b.origin])
        assert.deepStrictEqual([a.hits.length, b.hits.length], [2, 0])
      }).pipe(Effect.provide(layer))
    )

    it.scopedLive("a loop ends (S009)", () =>
      Effect.gen(function* () {
        const a = yield* server(() => ({ status: 302, headers: { location: "/" } }))
        assert.strictEqual((yield* (yield* built([a.origin], fakeCredentials())).get(a.origin)).status, 302)
        assert.strictEqual(a.hits.length, 11)
      }).pipe(Effect.provide(layer))
    )

    for (const [kind, body] of [
      ["text", () => HttpBody.text("the body")],
      ["a Blob", () => HttpBody.raw(new Blob(["the body"]))],
      [
        "FormData",
        () => {
          const form = new FormData()
          form.set("field", "the body")
          return HttpBody.formData(form)
        }
      ]
    ] as const) {
      if (kind === "a Blob" && name !== "fetch") continue
      if (kind === "FormData" && name === "undici") continue
      it.scopedLive(`after a 401 the body is sent whole a second time: ${kind} (S292)`, () =>
        Effect.gen(function* () {
          const a = yield* server(({ headers }) =>
            headers["authorization"] === "Bearer t1"
              ? { status: 401, body: "no ".repeat(2_000) }
              : { status: 200, body: "yes" }
          )
          const client = yield* built([a.origin], fakeCredentials())
          const response = yield* client.post(a.origin, { body: body() })
          assert.deepStrictEqual([response.status, yield* response.text], [200, "yes"])
          assert.deepStrictEqual(
            a.hits.map(({ headers }) => headers["authorization"]),
            ["Bearer t1", "Bearer t2"]
          )
          for (const hit of a.hits) assert.include(hit.body, "the body")
        }).pipe(Effect.provide(layer))
      )
    }

    it.scopedLive("a 401 that stays is returned with its body", () =>
      Effect.gen(function* () {
        const a = yield* server(() => ({ status: 401, body: "who are you" }))
        const response = yield* (yield* built([a.origin], fakeCredentials())).get(a.origin)
        assert.deepStrictEqual([response.status, yield* response.text, a.hits.length], [401, "who are you", 2])
        const credentials = fakeCredentials()
        credentials.fails.renew = { _tag: "InvalidResponse", description: "same again" }
        const kept = yield* (yield* built([a.origin], credentials)).get(a.origin)
        assert.deepStrictEqual([kept.status, yield* kept.text, a.hits.length], [401, "who are you", 3])
      }).pipe(Effect.provide(layer))
    )
  })
}
