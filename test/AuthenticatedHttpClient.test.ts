import * as Cookies from "@effect/platform/Cookies"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import * as fc from "fast-check"
import { inspect } from "node:util"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as Authorization from "../src/Authorization.ts"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import * as Credentials from "../src/Credentials.ts"
import { CrossOriginRedirect, InvalidOption, RefreshError } from "../src/CredentialsError.ts"
import * as Provider from "../src/Provider.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as Challenge from "../src/protocol/Challenge.ts"
import * as Testing from "../src/Testing.ts"
import { fakeCredentials, tokenOf } from "./support/credentials.ts"

const api = "https://api.example.com"
const me = `${api}/me`

type Answer = Response | Error | ((request: HttpClientRequest.HttpClientRequest) => Response)

/** A client that remembers what it was asked for and answers from a list; the last answer stays. */
const answering = (...answers: ReadonlyArray<Answer>) => {
  const seen: Array<HttpClientRequest.HttpClientRequest> = []
  const client = HttpClient.make((request) =>
    Effect.suspend(() => {
      const answer = answers[Math.min(seen.push(request), answers.length) - 1] ?? new Response("fine")
      if (seen.length > 1_000) return Effect.dieMessage("it is asked again and again")
      if (answer instanceof Error) {
        return new HttpClientError.RequestError({ request, reason: "Transport", cause: answer })
      }
      return Effect.succeed(
        HttpClientResponse.fromWeb(request, typeof answer === "function" ? answer(request) : answer.clone())
      )
    })
  )
  return { client, seen, sent: () => seen.map(({ headers }) => headers["authorization"]) }
}

const over = <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  credentials: Credentials.Credentials,
  options?: Partial<AuthenticatedHttpClient.Options>
) => Either.getOrThrow(AuthenticatedHttpClient.make(client, credentials, { origins: [api], ...options }))

const unauthorized = () => new Response("who are you", { status: 401 })
const redirect = (location: string, status = 302) => new Response("gone", { status, headers: { location } })

describe("origins", () => {
  it.effect("a request to a listed origin carries the token", () =>
    Effect.gen(function* () {
      const { client, sent } = answering()
      yield* over(client, fakeCredentials()).get(me)
      assert.deepStrictEqual(sent(), ["Bearer t1"])
    })
  )

  it.effect("a request elsewhere goes out untouched, and nothing is acquired for it (S010)", () =>
    Effect.gen(function* () {
      const { client, seen } = answering()
      const credentials = fakeCredentials()
      const request = HttpClientRequest.get("https://other.example/x")
      yield* over(client, credentials).execute(request).pipe(Effect.withTracerEnabled(false))
      assert.strictEqual(seen[0], request)
      assert.strictEqual(credentials.count.token, 0)
    })
  )

  it.effect.each([
    `${api}.evil.test/`,
    `${api}@evil.test/`,
    `https://api.example.com:p@evil.test/`,
    `https://evil.test/${api}`,
    `https://evil.test\\@api.example.com/`,
    `https://evil.test#@api.example.com`,
    `https://evil.test?@api.example.com`,
    `//api.example.com/`,
    `/me`,
    `me`,
    `https:/\\evil.test`,
    "http://api.example.com/",
    "https://api.example.com:444/",
    "https://api.example.com./",
    "https://xapi.example.com/",
    "https://a.api.example.com/",
    "https://user:pass@api.example.com/",
    "https://user@api.example.com/",
    "https://:pass@api.example.com/",
    "ftp://api.example.com/",
    "data:text/plain,https://api.example.com",
    "blob:https://api.example.com/me",
    ""
  ])("%j gets no token (S005, S010, S011)", (url) =>
    Effect.gen(function* () {
      const { client, sent } = answering()
      const credentials = fakeCredentials()
      yield* Effect.either(over(client, credentials).get(url))
      assert.deepStrictEqual(new Set(sent()), new Set(sent().length === 0 ? [] : [undefined]))
      assert.strictEqual(credentials.count.token, 0)
    })
  )

  it.effect.each([me, "HTTPS://API.EXAMPLE.COM/me", "https://api.example.com:443", `${api}?a=b`, ` ${me}`])(
    "%j is the listed origin in another spelling",
    (url) =>
      Effect.gen(function* () {
        const { client, sent } = answering()
        yield* over(client, fakeCredentials()).get(url)
        assert.deepStrictEqual(sent(), ["Bearer t1"])
      })
  )

  it("no URL gets the token unless its parsed origin is listed, and every other listed one does (S011)", () => {
    const { client, sent, seen } = answering()
    const authenticated = over(client, fakeCredentials(), { origins: [api, "http://127.0.0.1:8080"] })
    const part = fc.constantFrom(
      "https:",
      "http:",
      "//",
      "/",
      "\\",
      "@",
      ":",
      "?",
      "#",
      ".",
      "api.example.com",
      "evil.test"
    )
    const other = fc.constantFrom("127.0.0.1", "8080", "443", "%40", "\t", "\n", " ", "API.EXAMPLE.COM", "user", "ａpi")
    const start = fc.constantFrom("", api, me, "https://", "http://127.0.0.1:8080", "https://api.example.com@")
    const url = fc.tuple(start, fc.array(fc.oneof(part, other), { maxLength: 6 })).map(([a, b]) => a + b.join(""))
    let listed = 0
    fc.assert(
      fc.property(url, (url) => {
        seen.length = 0
        Effect.runSync(Effect.either(authenticated.get(url)))
        if (sent().length === 0) return
        const { origin, password, username } = new URL(url)
        const isListed = [api, "http://127.0.0.1:8080"].includes(origin) && username === "" && password === ""
        if (isListed) listed++
        assert.deepStrictEqual(sent(), [isListed ? "Bearer t1" : undefined], url)
      }),
      { numRuns: 3_000 }
    )
    assert.isAbove(listed, 100)
  }, 60_000)

  it.effect("a base URL put before or after is applied once, and decides (S010)", () =>
    Effect.gen(function* () {
      const { client, seen, sent } = answering()
      const prefix = HttpClient.mapRequest(HttpClientRequest.prependUrl(api))
      const elsewhere = HttpClient.mapRequest(HttpClientRequest.prependUrl("https://other.example"))
      const credentials = fakeCredentials()
      yield* over(prefix(client), credentials).get("/inside")
      yield* prefix(over(client, credentials)).get("/outside")
      yield* over(elsewhere(client), credentials).get("/inside")
      yield* elsewhere(over(client, credentials)).get("/outside")
      assert.deepStrictEqual(
        seen.map(({ url }) => url),
        [`${api}/inside`, `${api}/outside`, "https://other.example/inside", "https://other.example/outside"]
      )
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t1", undefined, undefined])
      assert.strictEqual(credentials.count.token, 2)
    })
  )

  it.effect("parameters and fragments cannot move a request elsewhere, nor keep it from being recognised", () =>
    Effect.gen(function* () {
      const { client, seen, sent } = answering()
      const authenticated = over(client, fakeCredentials())
      const request = HttpClientRequest.get(me, { urlParams: { next: "https://evil.test/" }, hash: "@evil.test" })
      yield* authenticated.execute(request)
      yield* authenticated.execute(HttpClientRequest.setUrl(request, "https://evil.test/"))
      assert.deepStrictEqual(sent(), ["Bearer t1", undefined])
      assert.strictEqual(UrlParams.toString(seen[0]!.urlParams), "next=https%3A%2F%2Fevil.test%2F")
    })
  )

  it.effect("a header that the caller set wins, whatever its spelling, and a 401 is his (S013)", () =>
    Effect.gen(function* () {
      const { client, sent } = answering(unauthorized())
      const credentials = fakeCredentials()
      const response = yield* over(client, credentials).get(me, { headers: { AUTHORIZATION: "Basic bWU=" } })
      assert.strictEqual(response.status, 401)
      assert.deepStrictEqual(sent(), ["Basic bWU="])
      assert.deepStrictEqual(credentials.count, { token: 0, renew: 0, flights: 0 })
    })
  )

  it.effect("a header that the client below us sets wins too", () =>
    Effect.gen(function* () {
      const { client, sent } = answering()
      const credentials = fakeCredentials()
      yield* over(HttpClient.mapRequest(client, HttpClientRequest.bearerToken("own")), credentials).get(me)
      assert.deepStrictEqual([sent(), credentials.count.token], [["Bearer own"], 0])
    })
  )

  it.effect("each origin gets its own header", () =>
    Effect.gen(function* () {
      const files = "https://files.example.com"
      const { client, seen } = answering()
      const authorization = Authorization.byOrigin({ [files]: Authorization.header("x-key") }, Authorization.bearer)
      const authenticated = over(client, fakeCredentials({ authorization }), { origins: [api, files] })
      yield* authenticated.get(me)
      yield* authenticated.get(`${files}/a`)
      assert.deepStrictEqual(
        seen.map(({ headers }) => [headers["authorization"], headers["x-key"]]),
        [
          ["Bearer t1", undefined],
          [undefined, "t1"]
        ]
      )
    })
  )

  it.effect("the option authorization goes before what the credentials say", () =>
    Effect.gen(function* () {
      const { client, seen } = answering()
      yield* over(client, fakeCredentials(), { authorization: Authorization.header("x-key") }).get(me)
      assert.deepStrictEqual([seen[0]!.headers["x-key"], seen[0]!.headers["authorization"]], ["t1", undefined])
    })
  )

  it.effect.each(["", "a\r\nb", "a b", "tök€n", "x".repeat(65_537)])(
    "the token %j is never sent: a typed error (S101, S102)",
    (text) =>
      Effect.gen(function* () {
        const { client, seen } = answering()
        const credentials = { ...fakeCredentials(), token: Effect.succeed(tokenOf(text)) }
        const error = yield* Effect.flip(over(client, credentials).get(me))
        assert.instanceOf(error, RefreshError)
        assert.strictEqual((error as RefreshError).reason._tag, "InvalidResponse")
        assert.strictEqual(seen.length, 0)
      })
  )
})

describe("401", () => {
  it.effect("renews the token that was refused and sends the request once more (S292, S294)", () =>
    Effect.gen(function* () {
      const { client, seen, sent } = answering(unauthorized(), new Response("hello"))
      const credentials = fakeCredentials()
      const response = yield* over(client, credentials).post(me, { body: HttpBody.text("body") })
      assert.deepStrictEqual([response.status, yield* response.text], [200, "hello"])
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
      assert.deepStrictEqual(credentials.count, { token: 1, renew: 1, flights: 1 })
      assert.deepStrictEqual(seen[1]!.body, seen[0]!.body)
    })
  )

  it.effect("a second 401 is returned as it is (S292)", () =>
    Effect.gen(function* () {
      const { client, seen } = answering(unauthorized())
      const credentials = fakeCredentials()
      const response = yield* over(client, credentials).get(me)
      assert.deepStrictEqual([response.status, yield* response.text], [401, "who are you"])
      assert.deepStrictEqual([seen.length, credentials.count.renew], [2, 1])
    })
  )

  it.effect("100 requests that are refused at once renew once (S292)", () =>
    Effect.gen(function* () {
      const credentials = fakeCredentials()
      const allIn = yield* Deferred.make<void>()
      let waiting = 0
      const client = HttpClient.make((request) => {
        const isOld = request.headers["authorization"] === "Bearer t1"
        if (isOld && ++waiting === 100) Deferred.unsafeDone(allIn, Effect.void)
        const response = HttpClientResponse.fromWeb(request, new Response(null, { status: isOld ? 401 : 200 }))
        return Effect.as(isOld ? Deferred.await(allIn) : Effect.void, response)
      })
      const authenticated = over(client, credentials)
      const responses = yield* Effect.forEach(Array.from({ length: 100 }), () => authenticated.get(me), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(new Set(responses.map(({ status }) => status)), new Set([200]))
      assert.deepStrictEqual([credentials.count.renew, credentials.count.flights], [100, 1])
    })
  )

  it.scoped("a refusal that comes when the token was renewed meanwhile renews nothing (S292)", () =>
    Effect.gen(function* () {
      let acquired = 0
      const credentials = yield* Credentials.make(
        Provider.make({ name: "Counted", acquire: () => Effect.sync(() => tokenOf(`t${++acquired}`)) })
      )
      const isLate = yield* Deferred.make<void>()
      const client = HttpClient.make((request) => {
        const isOld = request.headers["authorization"] === "Bearer t1"
        const response = HttpClientResponse.fromWeb(request, new Response(null, { status: isOld ? 401 : 200 }))
        return Effect.as(isOld && request.url.endsWith("/slow") ? Deferred.await(isLate) : Effect.void, response)
      })
      const authenticated = over(client, credentials)
      const slow = yield* Effect.fork(authenticated.get(`${api}/slow`))
      yield* Effect.yieldNow()
      assert.strictEqual((yield* authenticated.get(me)).status, 200)
      yield* Deferred.succeed(isLate, undefined)
      assert.strictEqual((yield* Fiber.join(slow)).status, 200)
      assert.strictEqual(acquired, 2)
    })
  )

  it.effect.each([403, 400, 407, 429, 500])("a %i passes through", (status) =>
    Effect.gen(function* () {
      const { client, seen } = answering(new Response(null, { status }))
      const credentials = fakeCredentials()
      assert.strictEqual((yield* over(client, credentials).get(me)).status, status)
      assert.deepStrictEqual([seen.length, credentials.count.renew], [1, 0])
    })
  )

  const form = new FormData()
  form.set("a", "b")
  it.effect.each([
    ["none", HttpBody.empty],
    ["text", HttpBody.text("a")],
    ["JSON", HttpBody.unsafeJson({ a: 1 })],
    ["FormData", HttpBody.formData(form)],
    ["a raw string", HttpBody.raw("a")],
    ["URLSearchParams", HttpBody.raw(new URLSearchParams("a=b"))],
    ["a Blob", HttpBody.raw(new Blob(["a"]))],
    ["an ArrayBuffer", HttpBody.raw(new ArrayBuffer(2))],
    ["a view", HttpBody.raw(new DataView(new ArrayBuffer(2)))]
  ] as ReadonlyArray<[string, HttpBody.HttpBody]>)("a body can be sent twice: %s", ([, body]) =>
    Effect.gen(function* () {
      const { client, seen } = answering(unauthorized(), new Response())
      const request = HttpClientRequest.put(me).pipe(HttpClientRequest.setBody(body))
      assert.strictEqual((yield* over(client, fakeCredentials()).execute(request)).status, 200)
      assert.strictEqual(seen[1]!.body, body)
    })
  )

  it.effect.each([
    ["an Effect stream", HttpBody.stream(Stream.make(new Uint8Array(1)))],
    ["a web stream", HttpBody.raw(new Blob(["a"]).stream())],
    ["a generator", HttpBody.raw((function* () {})())]
  ] as ReadonlyArray<[string, HttpBody.HttpBody]>)(
    "a body cannot be sent twice, the 401 stays: %s (S292)",
    ([, body]) =>
      Effect.gen(function* () {
        const { client, seen } = answering(unauthorized())
        const credentials = fakeCredentials()
        const request = HttpClientRequest.put(me).pipe(HttpClientRequest.setBody(body))
        const response = yield* over(client, credentials).execute(request)
        assert.deepStrictEqual([response.status, yield* response.text], [401, "who are you"])
        assert.deepStrictEqual([seen.length, credentials.count.renew], [1, 0])
      })
  )

  it.effect.each(["TooSoon", "InvalidResponse"] as const)(
    "where renewing says %s the 401 is returned with its body",
    (tag) =>
      Effect.gen(function* () {
        const { client, seen } = answering(unauthorized())
        const credentials = fakeCredentials()
        credentials.fails.renew = { _tag: tag, retryAfter: Duration.seconds(1), description: "same again" }
        const response = yield* over(client, credentials).get(me)
        assert.deepStrictEqual([response.status, yield* response.text, seen.length], [401, "who are you", 1])
      })
  )

  it.effect("any other failure to renew is the caller's (S299)", () =>
    Effect.gen(function* () {
      const { client, seen } = answering(unauthorized())
      const credentials = fakeCredentials()
      credentials.fails.renew = { _tag: "Rejected", code: "invalid_grant", status: 400 }
      const error = yield* Effect.flip(over(client, credentials).get(me))
      assert.deepInclude(error, { _tag: "RefreshError", reason: credentials.fails.renew })
      assert.strictEqual(seen.length, 1)
    })
  )

  it.effect("retryUnauthorized: false returns the 401", () =>
    Effect.gen(function* () {
      const { client } = answering(unauthorized())
      const credentials = fakeCredentials()
      assert.strictEqual((yield* over(client, credentials, { retryUnauthorized: false }).get(me)).status, 401)
      assert.strictEqual(credentials.count.renew, 0)
    })
  )

  it.effect("replays are counted under the provider's name", () =>
    Effect.gen(function* () {
      const { client } = answering(unauthorized(), new Response())
      yield* over(client, fakeCredentials({ name: "CountedOnce" })).get(me)
      const counter = Metric.tagged(
        Metric.counter("effect_credentials_unauthorized_replays", {
          description: "Requests sent once more with a renewed token after a 401",
          incremental: true
        }),
        "provider",
        "CountedOnce"
      )
      assert.strictEqual((yield* Metric.value(counter)).count, 1)
    })
  )

  it.effect("the refused answer is read away, but a large or endless one is not waited for", () =>
    Effect.gen(function* () {
      let pulled = 0
      const endless = new ReadableStream({
        pull: (controller) => {
          pulled++
          controller.enqueue(new Uint8Array(16_384))
        }
      })
      const { client } = answering(() => new Response(endless, { status: 401 }), new Response("hello"))
      const response = yield* over(client, fakeCredentials()).get(me)
      assert.strictEqual(yield* response.text, "hello")
      assert.isAbove(pulled, 1)
      assert.isBelow(pulled, 20)
    })
  )
})

describe("failures", () => {
  it.effect("no token: the error says so, and nothing is sent (S299)", () =>
    Effect.gen(function* () {
      const { client, seen } = answering()
      const credentials = fakeCredentials()
      credentials.fails.token = { _tag: "Timeout", after: Duration.seconds(30) }
      const error = yield* Effect.flip(over(client, credentials).get(me))
      assert.deepInclude(error, { _tag: "RefreshError", reason: credentials.fails.token })
      assert.strictEqual(seen.length, 0)
    })
  )

  it.effect("a request that failed is shown as the caller made it, without the token (S018)", () =>
    Effect.gen(function* () {
      const { client } = answering(new Error("socket closed"))
      const credentials = { ...fakeCredentials(), token: Effect.succeed(tokenOf("c4nary")) }
      const error = yield* Effect.flip(over(client, credentials).get(me, { headers: { "x-mine": "1" } }))
      assert.deepInclude(error, { _tag: "RequestError", reason: "Transport" })
      const { request } = error as HttpClientError.RequestError
      assert.deepStrictEqual([request.url, request.headers["x-mine"]], [me, "1"])
      assert.notInclude(inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error), "c4nary")
    })
  )

  it.effect("an answer from an origin that is not listed is an error (S001)", () =>
    Effect.gen(function* () {
      const elsewhere = HttpClient.make((request) =>
        Effect.succeed(
          HttpClientResponse.fromWeb(HttpClientRequest.setUrl(request, "https://evil.test/x?secret"), new Response())
        )
      )
      const error = yield* Effect.flip(over(elsewhere, fakeCredentials()).get(me))
      assert.deepStrictEqual(error, new CrossOriginRedirect({ from: api, to: "https://evil.test" }))
    })
  )

  it.effect("an answer that fetch got elsewhere is an error, one from a listed origin is not (S001)", () =>
    Effect.gen(function* () {
      const from = (url: string) => () =>
        Object.defineProperties(new Response(), { redirected: { value: true }, url: { value: url } })
      const { client } = answering(from("https://evil.test/x"), from(`${api}/y`))
      const authenticated = over(client, fakeCredentials())
      const error = yield* Effect.flip(authenticated.get(me))
      assert.deepStrictEqual(error, new CrossOriginRedirect({ from: api, to: "https://evil.test" }))
      assert.strictEqual((yield* authenticated.get(me)).status, 200)
    })
  )

  it.effect("a redirect that a browser hides is an error", () =>
    Effect.gen(function* () {
      const { client } = answering(() =>
        Object.defineProperties(new Response(), { status: { value: 0 }, type: { value: "opaqueredirect" } })
      )
      const error = yield* Effect.flip(over(client, fakeCredentials()).get(me))
      assert.deepStrictEqual(error, new CrossOriginRedirect({ from: api, to: "unknown" }))
    })
  )

  it.effect("interrupting a request neither renews nor asks again (S300)", () =>
    Effect.gen(function* () {
      const credentials = fakeCredentials()
      const never = HttpClient.make(() => Effect.never)
      const fiber = yield* Effect.fork(over(never, credentials).get(me))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(credentials.count, { token: 1, renew: 0, flights: 0 })
    })
  )
})

describe("what a 401 says", () => {
  const challenged = (challenge: string, status = 401) =>
    new Response("no", { status, headers: { "www-authenticate": challenge } })
  const stepUp = `Bearer error="insufficient_user_authentication", error_description="A fresh login is needed", acr_values="mfa phr", max_age=300`

  it.effect("another login is needed (RFC 9470): nothing is renewed, and the error says what it has to be like", () =>
    Effect.gen(function* () {
      const { client, seen } = answering(challenged(stepUp))
      const credentials = fakeCredentials()
      const error = yield* Effect.flip(over(client, credentials).get(me))
      assert.instanceOf(error, RefreshError)
      assert.deepStrictEqual(error.reason, {
        _tag: "ReauthenticationRequired",
        subtype: "insufficient_user_authentication",
        description: "A fresh login is needed",
        acrValues: ["mfa", "phr"],
        maxAge: Duration.seconds(300)
      })
      assert.strictEqual(
        error.message,
        `Fake: the login has to be done again: insufficient_user_authentication (A fresh login is needed); ask for it with acr_values "mfa phr" and max_age 300`
      )
      assert.isFalse(error.isRetryable)
      assert.deepStrictEqual([seen.length, credentials.count.renew], [1, 0])
      const json = JSON.parse(JSON.stringify(Schema.encodeSync(RefreshError)(error)))
      assert.deepStrictEqual(Schema.decodeUnknownSync(RefreshError)(json).reason, error.reason)
    })
  )

  it.effect("it says so too where the body cannot be sent twice, and after a renewal", () =>
    Effect.gen(function* () {
      const body = HttpBody.stream(Stream.make(new Uint8Array(1)))
      const first = answering(challenged(stepUp))
      const error = yield* Effect.flip(over(first.client, fakeCredentials()).post(me, { body }))
      assert.strictEqual(error._tag, "RefreshError")
      const second = answering(unauthorized(), challenged(stepUp))
      const credentials = fakeCredentials()
      assert.strictEqual((yield* Effect.flip(over(second.client, credentials).get(me)))._tag, "RefreshError")
      assert.strictEqual(credentials.count.renew, 1)
    })
  )

  it.effect("who wants every 401 gets this one as well", () =>
    Effect.gen(function* () {
      const { client } = answering(challenged(stepUp))
      const response = yield* over(client, fakeCredentials(), { retryUnauthorized: false }).get(me)
      assert.strictEqual(response.status, 401)
    })
  )

  it.effect.each([401, 403])("another scope is needed: the %i is returned, nothing is renewed (S292)", (status) =>
    Effect.gen(function* () {
      const { client, seen } = answering(challenged(`Bearer error="insufficient_scope", scope="admin"`, status))
      const credentials = fakeCredentials()
      const response = yield* over(client, credentials).get(me)
      assert.deepStrictEqual([response.status, yield* response.text], [status, "no"])
      assert.deepStrictEqual([seen.length, credentials.count.renew], [1, 0])
      assert.deepStrictEqual(Option.getOrThrow(Challenge.refusalIn(response.headers)).scope, ["admin"])
    })
  )

  it.effect.each([
    "Bearer",
    `Bearer error="invalid_token"`,
    `Bearer error="token_expired"`,
    `Basic realm="insufficient_scope"`,
    `Negotiate error="insufficient_user_authentication"`,
    `Bearer error="invalid_token", error_description="insufficient_user_authentication"`,
    `Bearer error="invalid_token", DPoP error="insufficient_scope"`,
    `"`,
    ""
  ])("%j is a token that is not valid: it is renewed once", (challenge) =>
    Effect.gen(function* () {
      const { client, sent } = answering(challenged(challenge), new Response("hello"))
      assert.strictEqual((yield* over(client, fakeCredentials()).get(me)).status, 200)
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
    })
  )

  it.effect("a challenge that quotes the token is not repeated", () =>
    Effect.gen(function* () {
      const { client } = answering((request) =>
        challenged(
          `Bearer error="insufficient_user_authentication", error_description="seen ${request.headers["authorization"]}", acr_values="canary-s3cret-1"`
        )
      )
      const error = yield* Effect.flip(over(client, fakeCredentials({ prefix: "canary-s3cret-" })).get(me))
      assert.strictEqual(error._tag, "RefreshError")
      assert.notInclude(inspect(error, { depth: 9 }) + error.message + JSON.stringify(error), "canary-s3cret")
    })
  )
})

describe("redirects", () => {
  it.effect("are followed within the listed origins, relative ones too, with the token each time", () =>
    Effect.gen(function* () {
      const { client, seen, sent } = answering(redirect("../b?x=%20y#z"), redirect(`${api}/c`), new Response("hello"))
      const response = yield* over(client, fakeCredentials()).get(`${api}/v1/a`, { urlParams: { q: "1" } })
      assert.strictEqual(yield* response.text, "hello")
      assert.deepStrictEqual(
        seen.map(({ url }) => url),
        [`${api}/v1/a`, `${api}/b?x=%20y`, `${api}/c`]
      )
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t1", "Bearer t1"])
    })
  )

  it.effect.each([
    "https://evil.test/x",
    "//evil.test/x",
    "/\\evil.test/x",
    "\\\\evil.test",
    "https:\\\\evil.test",
    "https://api.example.com.evil.test/",
    "https://api.example.com@evil.test/",
    "https://user:pass@api.example.com/",
    "https://a.api.example.com/",
    "https://api.example.com./",
    "http://api.example.com/",
    "https://api.example.com:444/",
    "file:///etc/passwd",
    "data:text/plain,x",
    "blob:https://api.example.com/x",
    "ftp://api.example.com/",
    "javascript:alert(1)",
    "https://"
  ])("a redirect to %j is returned as the 3xx that it is (S001, S004, S005, S006, S007)", (location) =>
    Effect.gen(function* () {
      const { client, seen } = answering(redirect(location))
      const response = yield* over(client, fakeCredentials()).get(me)
      assert.deepStrictEqual([response.status, response.headers["location"], seen.length], [302, location, 1])
      assert.strictEqual(yield* response.text, "gone")
    })
  )

  it("no Location is followed unless it resolves to the origin of the request (S005)", async () => {
    const part = fc.constantFrom(
      "https:",
      "http:",
      "/",
      "\\",
      "@",
      ":",
      "?",
      "#",
      ".",
      "api.example.com",
      "evil.test",
      ".."
    )
    const other = fc.constantFrom("443", "80", "%2f", "\t", " ", "API.EXAMPLE.COM", "user", "%61pi", "file:")
    let followed = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(part, other), { maxLength: 7 }).map((parts) => parts.join("").trim()),
        async (location) => {
          const { client, seen } = answering(redirect(location), new Response())
          await Effect.runPromise(over(client, fakeCredentials()).get(`${api}/v1/a`))
          const target = URL.canParse(location, `${api}/v1/a`) ? new URL(location, `${api}/v1/a`) : undefined
          const isOurs = target?.origin === api && target.username === "" && target.password === ""
          if (isOurs) followed++
          assert.strictEqual(seen.length, isOurs ? 2 : 1, location)
          if (isOurs) assert.strictEqual(new URL(seen[1]!.url).origin, api)
        }
      ),
      { numRuns: 500 }
    )
    assert.isAbove(followed, 30)
  }, 60_000)

  it.effect("end after ten: the eleventh is returned (S009)", () =>
    Effect.gen(function* () {
      const { client, seen } = answering(redirect("/again", 307))
      assert.strictEqual((yield* over(client, fakeCredentials()).get(me)).status, 307)
      assert.strictEqual(seen.length, 11)
    })
  )

  it.effect.each([
    [301, "POST", "GET"],
    [302, "POST", "GET"],
    [303, "POST", "GET"],
    [303, "PUT", "GET"],
    [303, "DELETE", "GET"],
    [303, "HEAD", "HEAD"],
    [301, "PUT", "PUT"],
    [302, "PATCH", "PATCH"],
    [302, "GET", "GET"],
    [302, "HEAD", "HEAD"],
    [307, "POST", "POST"],
    [308, "POST", "POST"]
  ] as const)("%i turns %s into %s, as the Fetch standard says", ([status, before, after]) =>
    Effect.gen(function* () {
      const { client, seen } = answering(redirect("/b", status), redirect("/c", 307), new Response())
      const hasBody = before !== "GET" && before !== "HEAD"
      const request = HttpClientRequest.make(before)(me, { headers: { "x-mine": "1" } }).pipe(
        hasBody ? HttpClientRequest.bodyText("body", "text/odd") : (self) => self,
        HttpClientRequest.setHeader("content-language", "en")
      )
      yield* over(client, fakeCredentials()).execute(request)
      assert.strictEqual(seen.length, 3)
      const keepsBody = hasBody && after === before
      for (const { body, headers, method } of seen.slice(1)) {
        assert.deepStrictEqual([method, body._tag, headers["x-mine"]], [after, keepsBody ? "Uint8Array" : "Empty", "1"])
        assert.deepStrictEqual(
          [headers["content-type"], headers["content-length"]],
          keepsBody ? ["text/odd", "4"] : [undefined, undefined]
        )
        if (after === "GET" && before !== "GET") assert.isUndefined(headers["content-language"])
      }
    })
  )

  it.effect("a body that cannot be sent twice is not redirected, but dropped where the standard drops it", () =>
    Effect.gen(function* () {
      for (const [status, sends] of [
        [307, 1],
        [302, 1],
        [303, 2]
      ] as const) {
        const { client, seen } = answering(redirect("/b", status), new Response())
        const request = HttpClientRequest.put(me).pipe(HttpClientRequest.bodyStream(Stream.make(new Uint8Array(1))))
        const response = yield* over(client, fakeCredentials()).execute(request)
        assert.deepStrictEqual([response.status, seen.length], [sends === 1 ? status : 200, sends])
      }
    })
  )

  it.effect("to another listed origin carry that origin's header, and leave the caller's cookies at home (S002)", () =>
    Effect.gen(function* () {
      const files = "https://files.example.com"
      const { client, seen } = answering(redirect(`${files}/a`), redirect(`${api}/b`), new Response())
      const authorization = Authorization.byOrigin(
        { [files]: Authorization.header("x-key") },
        Authorization.header("x-api")
      )
      const headers = {
        cookie: "mine=1",
        authorization: "Basic bWU=",
        "proxy-authorization": "p",
        host: "h",
        "x-mine": "1"
      }
      yield* over(client, fakeCredentials({ authorization }), { origins: [api, files] })
        .get(me, { headers })
        .pipe(Effect.either)
      // The caller set authorization, which is not ours here only if byOrigin does not name it.
      const sent = seen.map(({ headers }): Record<string, string> => ({ ...headers }))
      for (const request of sent) for (const name of ["traceparent", "b3"]) delete request[name]
      assert.deepStrictEqual(sent, [
        { ...headers, "x-api": "t1" },
        { "x-mine": "1", "x-key": "t1" },
        { "x-mine": "1", "x-api": "t1" }
      ])
    })
  )

  it.effect("to a listed origin that gets no header end there: its 401 renews nothing (S293)", () =>
    Effect.gen(function* () {
      const files = "https://files.example.com"
      const { client, sent } = answering(redirect(`${files}/a`), unauthorized())
      const credentials = fakeCredentials({ authorization: Authorization.byOrigin({ [api]: Authorization.bearer }) })
      const response = yield* over(client, credentials, { origins: [api, files] }).get(me)
      assert.deepStrictEqual([response.status, sent()], [401, ["Bearer t1", undefined]])
      assert.strictEqual(credentials.count.renew, 0)
    })
  )

  it.effect("a base URL below us is not applied again, and a 401 behind a redirect is answered there", () =>
    Effect.gen(function* () {
      const { client, seen, sent } = answering(redirect("/v2/a"), unauthorized(), redirect("/v3/a"), unauthorized())
      const below = HttpClient.mapRequest(client, HttpClientRequest.prependUrl(`${api}/v1`))
      const response = yield* over(below, fakeCredentials()).get("/a")
      assert.strictEqual(response.status, 401)
      assert.deepStrictEqual(
        seen.map(({ url }) => url),
        [`${api}/v1/a`, `${api}/v2/a`, `${api}/v2/a`, `${api}/v3/a`]
      )
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2"])
    })
  )

  it.effect("of requests without our credentials are left to the client", () =>
    Effect.gen(function* () {
      const { client, seen } = answering(redirect("/b"))
      const authenticated = over(client, fakeCredentials())
      yield* authenticated.get("https://other.example/")
      yield* authenticated.get(me, { headers: { authorization: "mine" } })
      yield* AuthenticatedHttpClient.anonymous(authenticated.get(me))
      assert.strictEqual(seen.length, 3)
    })
  )
})

/** What the client below sees of fetch's options. */
const seesInit = () => {
  const inits: Array<RequestInit | undefined> = []
  const client = HttpClient.make((request, _url, _signal, fiber) => {
    inits.push(fiber.getFiberRef(FiberRef.currentContext).unsafeMap.get(FetchHttpClient.RequestInit.key))
    return Effect.succeed(HttpClientResponse.fromWeb(request, new Response()))
  })
  return { client, inits }
}

describe("what fetch is told", () => {
  it.effect("not to follow redirects, only where our credentials go; everything else as the caller said", () =>
    Effect.gen(function* () {
      const { client, inits } = seesInit()
      const authenticated = over(client, fakeCredentials())
      yield* authenticated.get(me)
      yield* authenticated.get("https://other.example/")
      yield* authenticated.get(me).pipe(Effect.provideService(FetchHttpClient.RequestInit, { keepalive: true }))
      assert.deepStrictEqual(inits, [{ redirect: "manual" }, undefined, { keepalive: true, redirect: "manual" }])
    })
  )

  it.effect("what the client's own layer was given stays", () =>
    Effect.gen(function* () {
      const { client, inits } = seesInit()
      const layer = HttpClient.layerMergedContext(Effect.succeed(client)).pipe(
        Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, { keepalive: true }))
      )
      yield* Effect.flatMap(HttpClient.HttpClient, (client) => over(client, fakeCredentials()).get(me)).pipe(
        Effect.provide(layer)
      )
      assert.deepStrictEqual(inits, [{ keepalive: true, redirect: "manual" }])
    })
  )

  it.effect("whatever else differs between one request and the next reaches the client", () =>
    Effect.gen(function* () {
      const [One, Other] = [Context.GenericTag<string>("test/One"), Context.GenericTag<string>("test/Other")]
      const seen: Array<ReadonlyArray<unknown>> = []
      const client = HttpClient.make((request, _url, _signal, { currentContext: { unsafeMap } }) => {
        seen.push([unsafeMap.get(One.key), unsafeMap.get(Other.key)])
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response()))
      })
      const authenticated = over(client, fakeCredentials())
      const services: ReadonlyArray<Context.Context<any>> = [
        Context.make(One, "a"),
        Context.make(One, "b"),
        Context.make(Other, "b"),
        Context.make(One, "a").pipe(Context.add(Other, "b")),
        Context.make(Other, "a").pipe(Context.add(One, "b")),
        Context.empty() as Context.Context<any>
      ]
      for (const context of services) yield* authenticated.get(me).pipe(Effect.provide(context))
      assert.deepStrictEqual(
        seen,
        services.map(({ unsafeMap }) => [unsafeMap.get(One.key), unsafeMap.get(Other.key)])
      )
    })
  )

  it.effect.each([
    ["a success", new Response()],
    ["a failure", new Error("down")],
    ["a 401", unauthorized()],
    ["a redirect", redirect("/b")]
  ] as const)("after %s the caller's context is what it was", ([, answer]) =>
    Effect.gen(function* () {
      const { client } = answering(answer)
      const before = yield* Effect.context<never>()
      yield* Effect.either(over(client, fakeCredentials()).get(me))
      assert.isTrue(Context.isContext(before))
      assert.strictEqual(yield* Effect.context<never>(), before)
      assert.deepStrictEqual(yield* FiberRef.get(Headers.currentRedactedNames), [
        "authorization",
        "cookie",
        "set-cookie",
        "x-api-key"
      ])
    })
  )
})

describe("around and below", () => {
  it.effect("every attempt of a retry reads the token again, above and below (S296)", () =>
    Effect.gen(function* () {
      const down = new Response(null, { status: 503 })
      const times = HttpClient.retryTransient({ times: 2 })
      for (const build of [
        (client: HttpClient.HttpClient, credentials: Credentials.Credentials) => times(over(client, credentials)),
        (client: HttpClient.HttpClient, credentials: Credentials.Credentials) => over(times(client), credentials),
        (client: HttpClient.HttpClient, credentials: Credentials.Credentials) =>
          over(client, credentials).pipe(HttpClient.filterStatusOk, HttpClient.retry(Schedule.recurs(2)))
      ]) {
        const credentials = fakeCredentials()
        const rotating = () => {
          credentials.rotate()
          return down.clone()
        }
        const { client, sent } = answering(rotating, rotating, new Response())
        assert.strictEqual((yield* build(client, credentials).get(me)).status, 200)
        assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2", "Bearer t3"])
      }
    })
  )

  it.effect("a retry below us reads it again during the replay after a 401, too (S296)", () =>
    Effect.gen(function* () {
      const credentials = fakeCredentials()
      const rotating = () => {
        credentials.rotate()
        return new Response(null, { status: 503 })
      }
      const { client, sent } = answering(unauthorized(), rotating, new Response())
      const below = HttpClient.retryTransient(client, { times: 1 })
      assert.strictEqual((yield* over(below, credentials).get(me)).status, 200)
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2", "Bearer t3"])
    })
  )

  it.effect("a client that takes statuses for errors makes no difference: what the caller gets is that error", () =>
    Effect.gen(function* () {
      const { client, sent, seen } = answering(unauthorized(), redirect("/b"), new Response("hello"), unauthorized())
      const credentials = fakeCredentials()
      const authenticated = over(HttpClient.filterStatusOk(client), credentials)
      const response = yield* authenticated.get(me)
      assert.deepStrictEqual([response.status, yield* response.text], [200, "hello"])
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2", "Bearer t2"])
      assert.strictEqual(seen[2]!.url, `${api}/b`)

      const error = yield* Effect.flip(authenticated.get(me))
      assert.ok(error._tag === "ResponseError" && error.reason === "StatusCode")
      assert.deepStrictEqual([error.response.status, yield* error.response.text], [401, "who are you"])
      assert.deepStrictEqual([seen.length, credentials.count.renew], [5, 2])
    })
  )

  it.effect("cookies work above and below", () =>
    Effect.gen(function* () {
      for (const above of [true, false]) {
        const { client, seen, sent } = answering(
          new Response(null, { headers: { "set-cookie": "session=1" } }),
          unauthorized(),
          redirect("/b"),
          new Response()
        )
        const ref = yield* Ref.make(Cookies.empty)
        const cookies = HttpClient.withCookiesRef(ref)
        const credentials = fakeCredentials()
        const authenticated = above ? cookies(over(client, credentials)) : over(cookies(client), credentials)
        yield* authenticated.get(me)
        yield* authenticated.get(me)
        assert.deepStrictEqual(
          seen.map(({ headers }) => headers["cookie"]),
          [undefined, "session=1", "session=1", "session=1"]
        )
        assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2"])
      }
    })
  )

  it.effect("platform's followRedirects above us keeps the token at home (S001, S302)", () =>
    Effect.gen(function* () {
      const { client, sent, seen } = answering(redirect("https://evil.test/x"), new Response())
      yield* HttpClient.followRedirects(over(client, fakeCredentials())).get(me)
      assert.strictEqual(seen[1]!.url, "https://evil.test/x")
      assert.deepStrictEqual(sent(), ["Bearer t1", undefined])
    })
  )

  it.effect("platform's followRedirects below us is found out (S001, S302)", () =>
    Effect.gen(function* () {
      const { client } = answering(redirect("https://evil.test/x"), new Response())
      const error = yield* Effect.flip(over(HttpClient.followRedirects(client), fakeCredentials()).get(me))
      assert.deepStrictEqual(error, new CrossOriginRedirect({ from: api, to: "https://evil.test" }))
    })
  )

  it.effect("a generated client carries the token, and its error channel says RefreshError (S299)", () =>
    Effect.gen(function* () {
      const Api = HttpApi.make("Api").add(
        HttpApiGroup.make("me").add(HttpApiEndpoint.get("name", "/me").addSuccess(Schema.String))
      )
      const { client, sent, seen } = answering(unauthorized(), Response.json("Ada"))
      const credentials = fakeCredentials()
      const generated = yield* HttpApiClient.makeWith(Api, { httpClient: over(client, credentials), baseUrl: api })
      assert.strictEqual(yield* generated.me.name(), "Ada")
      assert.deepStrictEqual([seen[1]!.url, sent()], [me, ["Bearer t1", "Bearer t2"]])
      credentials.fails.token = { _tag: "Rejected", code: "invalid_client", status: 401 }
      const error = yield* Effect.flip(generated.me.name())
      assert.strictEqual(error._tag, "RefreshError")
    })
  )

  it.effect("1,000 interleaved requests of two clients never mix their tokens (S012)", () =>
    Effect.gen(function* () {
      const build = (name: string) => {
        const server = answering(() => new Response())
        const below = HttpClient.tapRequest(server.client, () => Effect.yieldNow())
        const origin = `https://${name}.example.com` as const
        return { ...server, get: over(below, fakeCredentials({ prefix: name }), { origins: [origin] }).get(origin) }
      }
      const [a, b] = [build("a"), build("b")]
      yield* Effect.forEach(Array.from({ length: 1_000 }), (_, i) => (i % 2 ? a : b).get, { concurrency: 50 })
      assert.deepStrictEqual(new Set(a.sent()), new Set(["Bearer a1"]))
      assert.deepStrictEqual(new Set(b.sent()), new Set(["Bearer b1"]))
    })
  )
})

describe("per request", () => {
  it.effect("anonymous sends without credentials and acquires nothing (U74)", () =>
    Effect.gen(function* () {
      const { client, sent } = answering(unauthorized())
      const credentials = fakeCredentials()
      const authenticated = over(client, credentials)
      yield* authenticated.get(me).pipe(AuthenticatedHttpClient.anonymous)
      assert.deepStrictEqual([sent(), credentials.count.token, credentials.count.renew], [[undefined], 0, 0])
      yield* authenticated.get(me)
      assert.strictEqual(sent()[1], "Bearer t1")
    })
  )

  it.effect("withCredentials sends other credentials, their way, and renews those", () =>
    Effect.gen(function* () {
      const { client, seen } = answering(unauthorized(), new Response())
      const own = fakeCredentials()
      const other = fakeCredentials({ prefix: "other", authorization: Authorization.header("x-key") })
      yield* AuthenticatedHttpClient.withCredentials(over(client, own).get(me), other)
      assert.deepStrictEqual(
        seen.map(({ headers }) => [headers["authorization"], headers["x-key"]]),
        [
          [undefined, "other1"],
          [undefined, "other2"]
        ]
      )
      assert.deepStrictEqual([own.count.token, other.count.flights], [0, 1])
    })
  )

  it.effect("withCredentials does not reach further than origins does", () =>
    Effect.gen(function* () {
      const { client, sent } = answering()
      const other = fakeCredentials()
      yield* over(client, fakeCredentials())
        .get("https://other.example")
        .pipe(AuthenticatedHttpClient.withCredentials(other))
      assert.deepStrictEqual([sent(), other.count.token], [[undefined], 0])
    })
  )
})

describe("spans", () => {
  const recording = () => {
    const attributes: Array<[string, unknown]> = []
    const tracer = Tracer.make({
      span: (name, parent, context, links, startTime, kind) => ({
        _tag: "Span",
        name,
        spanId: "1",
        traceId: "1",
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes: new Map(),
        links,
        sampled: true,
        kind,
        end: () => {},
        attribute: (key, value) => void attributes.push([key, value]),
        event: () => {},
        addLinks: () => {}
      }),
      context: (f) => f()
    })
    return { attributes, run: Effect.withTracer(tracer) }
  }

  it.effect("show no header that we set, whatever its name (S022)", () =>
    Effect.gen(function* () {
      const name = fc.sample(fc.stringMatching(/^[a-z][a-z0-9-]{3,12}$/), { seed: 7, numRuns: 1 })[0]!
      const authorization = Authorization.header(name).pipe(Authorization.withHeaders({ "developer-token": "c4nary" }))
      const credentials = { ...fakeCredentials({ authorization }), token: Effect.succeed(tokenOf("c4nary")) }
      const { client, seen } = answering(redirect("/b"), new Response())
      const { attributes, run } = recording()
      yield* run(over(client, credentials).get(me, { headers: { "x-mine": "shown" } }))
      assert.deepStrictEqual([seen[1]!.headers[name], seen[1]!.headers["developer-token"]], ["c4nary", "c4nary"])
      const text = inspect(attributes)
      assert.include(text, "shown")
      assert.include(text, `http.request.header.${name}`)
      assert.notInclude(text, "c4nary")
    })
  )

  it.effect("show none of other credentials' headers either, whichever came before (S022)", () =>
    Effect.gen(function* () {
      const { client, seen } = answering()
      const authenticated = over(client, fakeCredentials())
      const secret = (name: string) => fakeCredentials({ authorization: Authorization.header(name), prefix: "c4nary" })
      const { attributes, run } = recording()
      yield* run(authenticated.get(me))
      for (const name of ["x-one", "x-two"]) {
        yield* run(AuthenticatedHttpClient.withCredentials(authenticated.get(me), secret(name)))
        assert.strictEqual(seen.at(-1)!.headers[name], "c4nary1")
      }
      const reset = Effect.locally(Headers.currentRedactedNames, ["x-mine"])
      yield* run(AuthenticatedHttpClient.withCredentials(authenticated.get(me), secret("x-two"))).pipe(reset)
      assert.notInclude(inspect(attributes, { maxArrayLength: null }), "c4nary")
    })
  )

  it.effect("keep what the program itself redacts", () =>
    Effect.gen(function* () {
      const { client } = answering()
      const { attributes, run } = recording()
      const credentials = fakeCredentials({ authorization: Authorization.header("x-key") })
      yield* run(over(client, credentials).get(me, { headers: { "x-mine": "hidden" } })).pipe(
        Effect.locally(Headers.currentRedactedNames, ["x-mine"])
      )
      assert.notInclude(inspect(attributes), "hidden")
    })
  )
})

describe("layers", () => {
  const echo = answering((request) => new Response(request.headers["authorization"] ?? "none"))
  const Echo = Layer.succeed(HttpClient.HttpClient, echo.client)
  const Default = Layer.succeed(Credentials.Credentials, fakeCredentials({ prefix: "default" }))
  const Named = Layer.succeed(Credentials.Tag("named"), fakeCredentials({ prefix: "named" }))

  it.effect("two clients with credentials of their own live in one program", () =>
    Effect.gen(function* () {
      const NamedClient = AuthenticatedHttpClient.Tag("named")
      const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
      const named = yield* NamedClient
      assert.strictEqual(yield* (yield* client.get(me)).text, "Bearer default1")
      assert.strictEqual(yield* (yield* named.get(me)).text, "Bearer named1")
    }).pipe(
      Effect.provide(
        Layer.merge(
          AuthenticatedHttpClient.layer({ origins: [api] }),
          AuthenticatedHttpClient.layer({
            origins: [api],
            credentials: Credentials.Tag("named"),
            tag: AuthenticatedHttpClient.Tag("named")
          })
        ).pipe(Layer.provide([Echo, Default, Named]))
      )
    )
  )

  it.effect("layerHttpClient is the platform's HttpClient", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* (yield* HttpClient.get(me)).text, "Bearer default1")
      assert.strictEqual(yield* (yield* HttpClient.get("https://other.example")).text, "none")
    }).pipe(
      Effect.provide(AuthenticatedHttpClient.layerHttpClient({ origins: [api] }).pipe(Layer.provide([Echo, Default])))
    )
  )

  it.effect(
    "token requests never go through the client that needs their token, not even at a listed origin (S111)",
    () =>
      Effect.gen(function* () {
        const server = Testing.authorizationServer({ lifetime: "5 minutes" })
        const provider = ClientCredentials.make({
          server: AuthorizationServer.discover(server.issuer),
          clientId: "me",
          clientSecret: "s3cret"
        })
        const Authenticated = AuthenticatedHttpClient.layerHttpClient({ origins: ["https://api.test", server.issuer] })
        yield* Effect.gen(function* () {
          const credentials = yield* Credentials.Credentials
          for (let n = 0; n < 3; n++) {
            // Both ways to ask, with the authenticated client as the HttpClient of whoever asks.
            yield* credentials.token
            assert.strictEqual((yield* HttpClient.get("https://api.test/me")).status, 200)
            yield* TestClock.adjust("6 minutes")
          }
          // Refused, and renewed below a request of its own.
          server.revokeAccessTokens()
          assert.strictEqual((yield* HttpClient.get("https://api.test/me")).status, 200)
        }).pipe(
          Effect.provide(
            Layer.provideMerge(Authenticated, Layer.provideMerge(Credentials.layer(provider), server.layer))
          )
        )
        const asked = [...server.discovery.requests, ...server.tokenEndpoint.requests]
        assert.deepStrictEqual(
          asked.map(({ headers }) => headers["authorization"]?.split(" ")[0]),
          [undefined, "Basic", "Basic", "Basic", "Basic"]
        )
      })
  )

  const drop = (reason: RefreshError["reason"]) => {
    const credentials = fakeCredentials()
    credentials.fails.token = reason
    const layer = AuthenticatedHttpClient.layerHttpClient({ origins: [api] }).pipe(
      Layer.provide([Echo, Layer.succeed(Credentials.Credentials, credentials)])
    )
    return { credentials, layer }
  }

  it.effect("there a refused login is not hammered by retryTransient, one that may help is tried again", () =>
    Effect.gen(function* () {
      const program = Effect.flatMap(HttpClient.HttpClient, (client) =>
        Effect.flip(HttpClient.retryTransient(client, { times: 3 }).get(me, { headers: { "x-mine": "1" } }))
      )
      const refused = drop({ _tag: "Rejected", code: "invalid_client", status: 401 })
      const error = yield* Effect.provide(program, refused.layer)
      assert.deepInclude(error, { _tag: "RequestError", reason: "Encode" })
      assert.include(error.message, "invalid_client")
      assert.isUndefined(error.cause)
      assert.strictEqual(error.request.headers["x-mine"], "1")
      assert.isUndefined(error.request.headers["authorization"])
      assert.strictEqual(refused.credentials.count.token, 1)

      const away = drop({ _tag: "Transport", description: "connection refused" })
      assert.deepInclude(yield* Effect.provide(program, away.layer), { _tag: "RequestError", reason: "Transport" })
      assert.strictEqual(away.credentials.count.token, 4)
    })
  )

  it.effect("there an answer from elsewhere is an Encode error that says so", () =>
    Effect.gen(function* () {
      const { client } = answering(redirect("https://evil.test/x"), new Response())
      const error = yield* Effect.flip(HttpClient.get(me)).pipe(
        Effect.provide(
          AuthenticatedHttpClient.layerHttpClient({ origins: [api] }).pipe(
            Layer.provide([Layer.succeed(HttpClient.HttpClient, HttpClient.followRedirects(client)), Default])
          )
        )
      )
      assert.deepInclude(error, { _tag: "RequestError", reason: "Encode" })
      assert.include(error.message, "https://evil.test")
    })
  )

  it.effect.each([
    ["api.example.com", 0],
    ["/", 0],
    ["", 0],
    [" ", 0],
    ["http://api.example.com", 0],
    ["http://127.0.0.1.evil.test", 0],
    ["ftp://api.example.com", 0],
    ["https://api.example.com/v1", 0],
    ["https://api.example.com?a", 0],
    ["https://api.example.com/#", 0],
    ["https://user@api.example.com", 0],
    ["https://@api.example.com", 0],
    ["https://api.exa\nmple.com", 0],
    ["https://*.example.com:x", 0]
  ] as const)("%j is no origin: InvalidOption, and nothing is sent", ([text, i]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        AuthenticatedHttpClient.make(echo.client, fakeCredentials(), { origins: [text] })
      )
      assert.instanceOf(error, InvalidOption)
      assert.strictEqual(error.option, `origins[${i}]`)
      const second = AuthenticatedHttpClient.make(echo.client, fakeCredentials(), { origins: [api, text] })
      assert.strictEqual((yield* Effect.flip(second)).option, "origins[1]")
    })
  )

  it.effect.each([
    "https://api.example.com",
    "https://api.example.com/",
    "http://localhost:3000",
    "http://127.0.0.1:8080",
    "http://[::1]"
  ])("%j is one", (text) => AuthenticatedHttpClient.make(echo.client, fakeCredentials(), { origins: [text] }))

  it.effect("no origins at all is an InvalidOption", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        AuthenticatedHttpClient.make(echo.client, fakeCredentials(), { origins: [] as never })
      )
      assert.strictEqual(error.option, "origins")
    })
  )

  it.effect("a header that cannot be sent is an InvalidOption while the layer is built (S101)", () =>
    Effect.gen(function* () {
      const authorization = Authorization.withHeaders(Authorization.bearer, { "x-key": "c4nary\r\nx" })
      for (const layer of [
        AuthenticatedHttpClient.layer({ origins: [api], authorization }).pipe(Layer.provide([Echo, Default])),
        AuthenticatedHttpClient.layerHttpClient({ origins: [api] }).pipe(
          Layer.provide([Echo, Layer.succeed(Credentials.Credentials, fakeCredentials({ authorization }))])
        )
      ]) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(layer as Layer.Layer<unknown, InvalidOption>)))
        assert.strictEqual(error.option, "authorization")
        assert.notInclude(inspect(error), "c4nary")
      }
    })
  )
})

describe("virtual time", () => {
  /** An API that every request takes a while to get to, and tokens that do not live long. */
  const far = (latency: Duration.DurationInput, lifetime: Duration.DurationInput) =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ lifetime })
      const credentials = yield* Credentials.make(
        ClientCredentials.make({ tokenEndpoint: server.tokenEndpoint.url, clientId: "me", clientSecret: "s3cret" })
      ).pipe(Effect.provide(server.layer))
      const slow = HttpClient.transform(server.client, (sent) => Effect.delay(sent, latency))
      return { server, credentials, client: over(slow, credentials, { origins: ["https://api.test"] }) }
    })

  it.scoped(
    "a token that expires on its way to the API is renewed there and then, and the caller sees the answer (S295)",
    () =>
      Effect.gen(function* () {
        const { client, credentials, server } = yield* far("5 seconds", "1 minute")
        yield* credentials.token
        yield* TestClock.adjust("57 seconds")
        const fiber = yield* Effect.fork(client.get("https://api.test/me"))
        yield* TestClock.adjust("11 seconds")
        assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
        const sent = server.api.requests.map(({ headers }) => headers["authorization"])
        assert.deepStrictEqual(sent, ["Bearer at-1", "Bearer at-2"])
        assert.strictEqual(server.issued.length, 2)
      })
  )

  it.scoped("the early renewal leaves time for a usual way: no token expires on it (S295)", () =>
    Effect.gen(function* () {
      const { client, credentials, server } = yield* far("900 millis", "10 seconds")
      yield* Effect.fork(Stream.runDrain(Credentials.refreshes(credentials)))
      yield* TestClock.adjust("350 millis")
      for (let n = 0; n < 60; n++) {
        const fiber = yield* Effect.fork(client.get("https://api.test/me"))
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      }
      assert.strictEqual(server.api.requests.length, 60)
      assert.isAtLeast(server.issued.length, 5)
    })
  )

  it.effect("a refused answer that drips for ever is given up after a second", () =>
    Effect.gen(function* () {
      const { client } = answering(() => new Response(new ReadableStream({}), { status: 401 }), new Response("hello"))
      const fiber = yield* Effect.fork(over(client, fakeCredentials()).get(me))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
    })
  )
})
