import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import type { RefreshError } from "../src/CredentialsError.ts"
import * as ClientAuthentication from "../src/ClientAuthentication.ts"
import * as Grant from "../src/protocol/Grant.ts"
import type { Token } from "../src/Token.ts"
import * as TokenEndpoint from "../src/TokenEndpoint.ts"
import * as FakeServer from "./support/FakeServer.ts"

const tokenEndpoint = "https://id.example.com/token"
const secret = "s3cret-c4nary-0123456789"
const good = { json: { access_token: "t0ken", token_type: "Bearer", expires_in: 60 } }
const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED" })
const reset = Object.assign(new Error("read"), { code: "ECONNRESET" })

const endpoint = (options?: Partial<TokenEndpoint.Options>) =>
  TokenEndpoint.make("Test", {
    ...({ tokenEndpoint, clientId: "me", clientSecret: Redacted.make(secret) } as TokenEndpoint.Options),
    ...options
  } as TokenEndpoint.Options)

const refreshing = Grant.refreshToken(Redacted.make("r3fresh-c4nary"))

/** Runs an exchange to its end in virtual time. */
const run = (
  server: FakeServer.FakeServer,
  grant: Grant.Grant = Grant.clientCredentials(),
  options?: Partial<TokenEndpoint.Options>
): Effect.Effect<Exit.Exit<Token, RefreshError>> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(
      TokenEndpoint.exchange(endpoint(options), grant).pipe(Effect.provide(server.layer), Effect.exit)
    )
    while (Option.isNone(yield* Fiber.poll(fiber))) {
      // Web responses arrive in real time, sleeps end in virtual time.
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve)))
      yield* TestClock.adjust("500 millis")
    }
    return yield* Fiber.join(fiber)
  })

/** The same server, behind a client that takes statuses for errors. */
const strict = (server: FakeServer.FakeServer): FakeServer.FakeServer => ({
  ...server,
  layer: Layer.succeed(HttpClient.HttpClient, HttpClient.filterStatusOk(server.client))
})

const reasonOf = <A>(exit: Exit.Exit<A, { readonly reason: RefreshError["reason"] }>): RefreshError["reason"] =>
  Exit.match(exit, {
    onSuccess: () => {
      throw new Error("expected a failure")
    },
    onFailure: (cause) => Option.getOrThrowWith(Cause.failureOption(cause), () => Cause.squash(cause)).reason
  })

describe("an exchange", () => {
  it.effect("posts a form to the token endpoint, with the secret in the header only", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => good)
      const exit = yield* run(
        server,
        Grant.clientCredentials({ scope: ["a", "b"], parameters: { extra: "&grant_type=x" } })
      )
      expect(Exit.isSuccess(exit)).toBe(true)
      expect(server.seen).toHaveLength(1)
      const [seen] = server.seen
      expect(seen).toMatchObject({ method: "POST", url: tokenEndpoint })
      expect(seen!.headers).toMatchObject({
        accept: "application/json",
        "content-type": "application/x-www-form-urlencoded",
        authorization: `Basic ${btoa(`me:${secret}`)}`
      })
      expect([...seen!.form]).toEqual([
        ["grant_type", "client_credentials"],
        ["scope", "a b"],
        ["extra", "&grant_type=x"]
      ])
      expect(seen!.text).not.toContain(secret)
    })
  )

  it.effect("speaks JSON where the server wants it", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => good)
      yield* run(server, Grant.clientCredentials({ resource: ["https://a.example", "https://b.example"] }), {
        body: "json"
      })
      expect(server.seen[0]!.headers["content-type"]).toBe("application/json")
      expect(JSON.parse(server.seen[0]!.text)).toEqual({
        grant_type: "client_credentials",
        resource: ["https://a.example", "https://b.example"]
      })
    })
  )

  it.effect("counts the lifetime from the request, however slow the answer (S063)", () =>
    Effect.gen(function* () {
      const exit = yield* run(FakeServer.make(() => ({ ...good, delay: "5 seconds" })))
      const token = Exit.isSuccess(exit) ? exit.value : undefined
      expect(token!.issuedAt.epochMillis).toBeLessThan(5_000)
      expect(Option.map(token!.expiresAt, (at) => at.epochMillis - token!.issuedAt.epochMillis)).toEqual(
        Option.some(60_000)
      )
    })
  )

  it.effect("keeps the previous refresh token if the answer has none (S044)", () =>
    Effect.gen(function* () {
      const token = yield* TokenEndpoint.exchange(endpoint(), Grant.refreshToken(Redacted.make("kept"))).pipe(
        Effect.provide(FakeServer.make(() => good).layer)
      )
      expect(Option.map(token.refreshToken, Redacted.value)).toEqual(Option.some("kept"))
    })
  )
})

describe("an answer", () => {
  it.effect("is read up to 1 MiB, and not a byte further (S066)", () =>
    Effect.gen(function* () {
      const long = (length: number) =>
        run(
          FakeServer.make(() => ({
            body: JSON.stringify(good.json).padEnd(length),
            headers: { "content-type": "application/json" }
          }))
        )
      expect(Exit.isSuccess(yield* long(1_048_576))).toBe(true)
      expect(reasonOf(yield* long(1_048_577))).toEqual({
        _tag: "InvalidResponse",
        description: "more than 1 MiB",
        status: 200
      })
    })
  )
})

describe("a client that takes statuses for errors", () => {
  it.effect.each<FakeServer.Answer>([
    { status: 400, json: { error: "invalid_grant", error_description: "gone" } },
    { status: 401, json: { error: "invalid_client" } },
    { status: 403 },
    { status: 429, headers: { "retry-after": "120" } },
    { status: 502 },
    { status: 302, headers: { location: "https://evil.example" } }
  ])("makes no difference to %j, not even where a grant can be spent only once", (answer) =>
    Effect.gen(function* () {
      for (const grant of [refreshing, Grant.clientCredentials()]) {
        const usual = FakeServer.make(() => answer)
        const filtered = FakeServer.make(() => answer)
        expect(reasonOf(yield* run(strict(filtered), grant))).toEqual(reasonOf(yield* run(usual, grant)))
        expect(filtered.seen).toHaveLength(usual.seen.length)
      }
    })
  )
})

describe("another attempt", () => {
  const times = (server: FakeServer.FakeServer) => server.seen.map(({ at }) => at)

  it.effect.each([408, 429, 500, 502, 503, 504])("is made after a %i, three in all (S070)", (status) =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => ({ status }))
      const exit = yield* run(server)
      expect(reasonOf(exit)).toMatchObject({ _tag: "Unavailable", status })
      expect(server.seen).toHaveLength(3)
      const [first, second, third] = times(server) as [number, number, number]
      expect(second - first).toBeGreaterThanOrEqual(400)
      expect(third - second).toBeGreaterThanOrEqual(800)
    })
  )

  it.effect.each(["temporarily_unavailable", "server_error"])("is made after %s", (error) =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) => (nth < 3 ? { status: 400, json: { error } } : good))
      expect(Exit.isSuccess(yield* run(server))).toBe(true)
      expect(server.seen).toHaveLength(3)
    })
  )

  it.effect("is made after the connection was refused, lost, or silent", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) => (nth === 1 ? { lost: refused } : nth === 2 ? { lost: reset } : good))
      expect(Exit.isSuccess(yield* run(server))).toBe(true)
      const silent = FakeServer.make((_, nth) => (nth === 1 ? "never" : good))
      expect(Exit.isSuccess(yield* run(silent))).toBe(true)
      expect(silent.seen).toHaveLength(2)
    })
  )

  it.effect.each<FakeServer.Answer>([
    { status: 400, json: { error: "invalid_grant" } },
    { status: 401, json: { error: "invalid_client" } },
    { status: 400, json: { error: "invalid_scope" } },
    { status: 400, json: { error: "unauthorized_client" } },
    { status: 400, json: { error: "login_required" } },
    { status: 401 },
    { status: 403, body: "<html>", headers: { "content-type": "text/html" } },
    { status: 404 },
    { status: 501 },
    { status: 302, headers: { location: "https://evil.example" } },
    { status: 200, body: "" },
    { body: "x".repeat(1_048_577), headers: { "content-type": "application/json" } },
    { body: new Uint8Array([0xff, 0xfe]), headers: { "content-type": "application/json" } },
    { lost: Object.assign(new Error("certificate"), { code: "CERT_HAS_EXPIRED" }) }
  ])("is not made after %j (S060, S066, S072, S078)", (answer) =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => answer)
      expect(Exit.isFailure(yield* run(server))).toBe(true)
      expect(server.seen).toHaveLength(1)
    })
  )

  it.effect("is not made if it could not end within the time limit (S065)", () =>
    Effect.gen(function* () {
      const silent = FakeServer.make(() => "never")
      const exit = yield* run(silent)
      expect(reasonOf(exit)).toEqual({ _tag: "Timeout", after: Duration.seconds(10) })
      expect(silent.seen).toHaveLength(2)
      const short = FakeServer.make(() => "never")
      yield* run(short, Grant.clientCredentials(), { timeLimit: "3 seconds" })
      expect(short.seen).toHaveLength(1)
      const failing = FakeServer.make(() => ({ status: 503, delay: "7 seconds" }))
      yield* run(failing, Grant.clientCredentials(), { timeLimit: "20 seconds" })
      expect(failing.seen).toHaveLength(2)
    })
  )

  it.effect("waits as long as the server asks (S069)", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) => (nth === 1 ? { status: 429, headers: { "retry-after": "12" } } : good))
      expect(Exit.isSuccess(yield* run(server))).toBe(true)
      const [first, second] = times(server) as [number, number]
      expect(second - first).toBeGreaterThanOrEqual(12_000)
    })
  )

  it.effect("is not waited for if the server asks for more than fits (S069)", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => ({ status: 503, headers: { "retry-after": "120" } }))
      const fiber = yield* Effect.fork(
        TokenEndpoint.exchange(endpoint(), Grant.clientCredentials()).pipe(Effect.provide(server.layer), Effect.exit)
      )
      const exit = yield* Fiber.join(fiber)
      expect(reasonOf(exit)).toEqual({ _tag: "Unavailable", status: 503, retryAfter: Duration.minutes(2) })
      expect(server.seen).toHaveLength(1)
    })
  )

  it.effect("follows a schedule of one's own", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => ({ status: 503 }))
      yield* run(server, Grant.clientCredentials(), {
        retry: Schedule.intersect(Schedule.spaced("2 seconds"), Schedule.recurs(4))
      })
      expect(server.seen).toHaveLength(5)
      const none = FakeServer.make(() => ({ status: 503 }))
      yield* run(none, Grant.clientCredentials(), { retry: Schedule.stop })
      expect(none.seen).toHaveLength(1)
    })
  )

  it.effect("has a proof of its own (S093)", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) => (nth < 3 ? { status: 503 } : good))
      const authentication = ClientAuthentication.clientSecretJwt("x".repeat(32))
      const exit = yield* Effect.exit(
        TokenEndpoint.exchange(
          TokenEndpoint.make("Test", { tokenEndpoint, clientId: "me", authentication, retry: Schedule.recurs(2) }),
          Grant.clientCredentials()
        ).pipe(Effect.provide(server.layer))
      )
      expect(Exit.isSuccess(exit)).toBe(true)
      expect(new Set(server.seen.map(({ form }) => form.get("client_assertion"))).size).toBe(3)
    })
  )

  it.effect("finds the metadata first, if it was that which failed", () =>
    Effect.gen(function* () {
      const issuer = "https://id.example.com"
      const server = FakeServer.make((seen, nth) =>
        seen.method === "POST"
          ? good
          : nth === 1
            ? { status: 503 }
            : { json: { issuer, token_endpoint: tokenEndpoint } }
      )
      const discovering = TokenEndpoint.make("Test", {
        server: AuthorizationServer.discover(issuer),
        clientId: "me",
        retry: Schedule.recurs(2)
      })
      // Even for what can be spent only once: nothing of it was sent.
      yield* TokenEndpoint.exchange(discovering, refreshing).pipe(Effect.provide(server.layer))
      expect(server.seen.map(({ method }) => method)).toEqual(["GET", "GET", "POST"])
    })
  )
})

describe("a grant that can be spent only once", () => {
  it.effect.each<readonly [string, FakeServer.Answer]>([
    ["the connection was lost", { lost: reset }],
    ["nothing came", "never"],
    ["the server failed", { status: 500 }],
    ["a gateway failed", { status: 502 }],
    ["a gateway gave up", { status: 504 }],
    ["the server failed in a way of its own", { status: 520 }]
  ])("is not sent again after %s (S071)", ([, answer]) =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => answer)
      expect(reasonOf(yield* run(server, refreshing))._tag).toBe("Ambiguous")
      expect(server.seen).toHaveLength(1)
    })
  )

  it.effect.each<readonly [string, FakeServer.Answer]>([
    ["the connection was refused", { lost: refused }],
    ["it said to come later", { status: 429 }],
    ["it is down for maintenance", { status: 503 }],
    ["it waited too long for the request", { status: 408 }]
  ])("is sent again if the server did nothing: %s (S071)", ([, answer]) =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) => (nth === 1 ? answer : good))
      expect(Exit.isSuccess(yield* run(server, refreshing))).toBe(true)
      expect(server.seen).toHaveLength(2)
    })
  )

  it.effect("that somebody says is none is treated like any other", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) => (nth === 1 ? { lost: reset } : good))
      expect(Exit.isSuccess(yield* run(server, Grant.refreshToken(Redacted.make("r"), { oneTime: false })))).toBe(true)
    })
  )
})

describe("less scope than asked for", () => {
  const server = () => FakeServer.make(() => ({ json: { ...good.json, scope: "a" } }))
  const grant = Grant.clientCredentials({ scope: ["a", "b"] })
  const logged: Array<string> = []
  const logger = Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ message }) => void logged.push(String(message)))
  )

  it.effect("is a line in the log, an error, or nothing (S048)", () =>
    Effect.gen(function* () {
      const exchange = (reducedScope?: "warn" | "error" | "ignore") =>
        TokenEndpoint.exchange(endpoint({ reducedScope }), grant).pipe(
          Effect.provide(Layer.merge(server().layer, logger)),
          Effect.exit
        )
      expect(Exit.isSuccess(yield* exchange("ignore"))).toBe(true)
      expect(logged).toEqual([])
      expect(reasonOf(yield* exchange("error"))._tag).toBe("InvalidResponse")
      const warned = yield* exchange()
      expect(Exit.isSuccess(warned) && warned.value.scope).toEqual(["a"])
      expect(logged).toEqual(["Test: the server granted less than was asked for, missing: b"])
    })
  )

  it.effect("is known of a code too, where the caller says what the login asked for", () =>
    Effect.gen(function* () {
      const code = Grant.make("authorization_code", { code: Redacted.make("c0de") })
      const self = endpoint({ reducedScope: "error" })
      const exchange = (requestedScope?: ReadonlyArray<string>) =>
        Effect.exit(Effect.provide(TokenEndpoint.exchange(self, code, { requestedScope }), server().layer))
      expect(reasonOf(yield* exchange(["a", "b"]))._tag).toBe("InvalidResponse")
      expect(Exit.isSuccess(yield* exchange(["a"]))).toBe(true)
      expect(Exit.isSuccess(yield* exchange())).toBe(true)
    })
  )

  it.effect("never loses a rotated refresh token: a refresh only warns", () =>
    Effect.gen(function* () {
      const answering = FakeServer.make(() => ({ json: { ...good.json, scope: "a", refresh_token: "r2" } }))
      const token = yield* TokenEndpoint.exchange(
        endpoint({ reducedScope: "error" }),
        Grant.refreshToken(Redacted.make("r1"), { scope: ["a", "b"] })
      ).pipe(Effect.provide(Layer.merge(answering.layer, logger)))
      expect(Option.map(token.refreshToken, Redacted.value)).toEqual(Option.some("r2"))
    })
  )
})

describe("the check", () => {
  it.effect.each<readonly [string, Partial<TokenEndpoint.Options>]>([
    ["tokenEndpoint", { tokenEndpoint: "http://id.example.com/token" }],
    ["tokenEndpoint", { tokenEndpoint: "" }],
    ["clientId", { clientId: "" }],
    ["clientId", { clientId: "a\nb" }],
    ["clientSecret", { clientSecret: "" }],
    ["timeLimit", { timeLimit: 0 }],
    ["attemptTimeLimit", { attemptTimeLimit: "30 days" }]
  ])("names %s, and nothing is sent", ([option, options]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(TokenEndpoint.check(endpoint(options)))
      expect(error).toMatchObject({ _tag: "InvalidOption", provider: "Test", option })
    })
  )

  it.effect("has nothing against what is right", () => TokenEndpoint.check(endpoint()))
})

describe("a redirect", () => {
  it.effect("that the client below followed is noticed (S262)", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((seen) =>
        seen.url === tokenEndpoint ? { status: 302, headers: { location: "https://evil.example/token" } } : good
      )
      const exit = yield* Effect.exit(
        TokenEndpoint.exchange(endpoint(), Grant.clientCredentials()).pipe(
          Effect.provideService(HttpClient.HttpClient, HttpClient.followRedirects(server.client))
        )
      )
      expect(reasonOf(exit)).toMatchObject({ _tag: "InvalidResponse" })
    })
  )

  it.effect("is not followed by fetch, whose other options stay as they were given", () =>
    Effect.gen(function* () {
      const inits: Array<RequestInit | undefined> = []
      const fetch: typeof globalThis.fetch = (_, init) => {
        inits.push(init)
        return Promise.resolve(Response.json(good.json))
      }
      const http = FetchHttpClient.layer.pipe(
        Layer.provide([
          Layer.succeed(FetchHttpClient.Fetch, fetch),
          Layer.succeed(FetchHttpClient.RequestInit, { credentials: "include", redirect: "follow" })
        ])
      )
      const after = yield* TokenEndpoint.exchange(endpoint(), Grant.clientCredentials()).pipe(
        Effect.zipRight(Effect.serviceOption(FetchHttpClient.RequestInit)),
        Effect.provide(http)
      )
      expect(inits[0]).toMatchObject({ credentials: "include", redirect: "manual", cache: "no-store" })
      // Nothing of it stays behind in the caller's own context.
      expect(Option.isNone(after)).toBe(true)
    })
  )
})

describe("secrets", () => {
  it.effect("are in no error, span or log, even if the server sends the request back (S017, S018, S029, S060)", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      const spans: Array<Tracer.Span> = []
      const tracer = recording(spans)
      const everything: Array<unknown> = []
      const canaries = [secret, "r3fresh-c4nary", "t0ken-c4nary", btoa(`me:${secret}`)]
      const echo = (seen: FakeServer.Seen) => `${seen.text} ${seen.headers["authorization"] ?? ""} ${secret}`
      const answers: ReadonlyArray<(seen: FakeServer.Seen) => FakeServer.Answer> = [
        () => ({ json: { ...good.json, access_token: "t0ken-c4nary" } }),
        (seen) => ({
          status: 400,
          json: { error: "invalid_client", error_description: echo(seen), suberror: "r3fresh-c4nary" }
        }),
        (seen) => ({ status: 400, json: { error: seen.form.get("refresh_token") } }),
        (seen) => ({ status: 400, json: { error: { message: echo(seen) } } }),
        (seen) => ({ status: 500, body: echo(seen) }),
        (seen) => ({ body: echo(seen), headers: { "content-type": `text/${secret}` } }),
        () => ({ json: { access_token: "t0ken-c4nary\r\nx" } }),
        () => ({ body: "t0ken-c4nary", headers: { "content-type": "application/json" } }),
        (seen) => ({ lost: new Error(echo(seen)) }),
        (seen) => ({ status: 302, headers: { location: `https://evil.example/?${echo(seen)}` } })
      ]
      for (const body of ["form", "json"] as const) {
        for (const authentication of [
          ClientAuthentication.clientSecretBasic(Redacted.make(secret)),
          ClientAuthentication.clientSecretPost(secret)
        ]) {
          for (const answer of answers) {
            const server = FakeServer.make((seen) => answer(seen))
            const client = TokenEndpoint.make("Test", {
              tokenEndpoint,
              clientId: "me",
              authentication,
              body,
              retry: Schedule.stop
            })
            const exit = yield* TokenEndpoint.exchange(client, refreshing).pipe(
              Effect.provide(server.layer),
              Effect.provide(
                Logger.replace(
                  Logger.defaultLogger,
                  Logger.make((entry) => void logged.push(entry))
                )
              ),
              Effect.withTracer(tracer),
              Effect.exit
            )
            expect(server.seen).toHaveLength(1)
            everything.push(exit, Exit.isFailure(exit) ? Cause.pretty(exit.cause) : exit, client)
          }
        }
      }
      expect(spans.length).toBeGreaterThan(30)
      expect(new Set(spans.map(({ name }) => name))).toEqual(new Set(["TokenEndpoint.exchange"]))
      expect(new Set(spans.flatMap((span) => [...span.attributes.keys()]))).toEqual(
        new Set(["provider", "grant", "attempts"])
      )
      const seen = `${inspect([everything, logged, spans], { depth: 20, showHidden: true })}${JSON.stringify([everything, logged])}`
      for (const canary of canaries) expect(seen).not.toContain(canary)
    })
  )
})

/** A tracer that keeps every span with its exit. */
const recording = (spans: Array<Tracer.Span>): Tracer.Tracer =>
  Tracer.make({
    span(name, parent, context, links, startTime, kind) {
      const attributes = new Map<string, unknown>()
      const span: Tracer.Span & { status: Tracer.SpanStatus } = {
        _tag: "Span",
        spanId: String(spans.length),
        traceId: "trace",
        sampled: true,
        name,
        parent,
        context,
        links,
        kind,
        attributes,
        status: { _tag: "Started", startTime },
        attribute: (key, value) => void attributes.set(key, value),
        event: () => {},
        addLinks: () => {},
        end: (endTime, exit) => void (span.status = { _tag: "Ended", startTime, endTime, exit })
      }
      spans.push(span)
      return span
    },
    context: (f) => f()
  })

describe("revocation", () => {
  const server = AuthorizationServer.make({
    token_endpoint: tokenEndpoint,
    revocation_endpoint: "https://id.example.com/revoke"
  })
  const client = TokenEndpoint.make("Test", {
    server,
    clientId: "me",
    clientSecret: Redacted.make(secret),
    retry: Schedule.recurs(2)
  })
  const revoke = (fake: FakeServer.FakeServer, from = client) =>
    TokenEndpoint.revoke(from, Redacted.make("t0ken-c4nary"), "refresh_token").pipe(
      Effect.provide(fake.layer),
      Effect.exit
    )

  it.effect("posts the token and what it is, in the body only (S308, S309)", () =>
    Effect.gen(function* () {
      const fake = FakeServer.make(() => ({ status: 200, body: "whatever" }))
      expect(Exit.isSuccess(yield* revoke(fake))).toBe(true)
      expect(fake.seen[0]).toMatchObject({
        method: "POST",
        url: "https://id.example.com/revoke",
        headers: { authorization: `Basic ${btoa(`me:${secret}`)}` }
      })
      expect([...fake.seen[0]!.form]).toEqual([
        ["token", "t0ken-c4nary"],
        ["token_type_hint", "refresh_token"]
      ])
    })
  )

  it.effect.each<readonly [FakeServer.Answer, string, number]>([
    [{ status: 400, json: { error: "unsupported_token_type" } }, "Rejected", 1],
    [{ status: 503 }, "Unavailable", 3],
    [{ status: 404 }, "InvalidResponse", 1],
    [{ status: 302, headers: { location: "https://evil.example" } }, "InvalidResponse", 1],
    [{ status: 400, body: "<html>t0ken-c4nary", headers: { "content-type": "text/html" } }, "InvalidResponse", 1]
  ])("that is answered with %j fails (S306)", ([answer, tag, count]) =>
    Effect.gen(function* () {
      const fake = FakeServer.make(() => answer)
      const exit = yield* revoke(fake)
      expect(reasonOf(exit)._tag).toBe(tag)
      expect(fake.seen).toHaveLength(count)
      expect(inspect(exit, { depth: 20 })).not.toContain("c4nary")
    })
  )

  it.effect("needs an endpoint", () =>
    Effect.gen(function* () {
      const exit = yield* revoke(
        FakeServer.make(() => undefined),
        endpoint()
      )
      expect(reasonOf(exit)).toMatchObject({
        _tag: "InvalidResponse",
        description: "the server's metadata has no revocation_endpoint"
      })
    })
  )
})

describe("introspection", () => {
  const server = AuthorizationServer.make({
    token_endpoint: tokenEndpoint,
    introspection_endpoint: "https://id.example.com/introspect"
  })
  const client = TokenEndpoint.make("Test", { server, clientId: "me", clientSecret: Redacted.make(secret) })
  const introspect = (fake: FakeServer.FakeServer) =>
    TokenEndpoint.introspect(client, Redacted.make("t0ken"), "access_token").pipe(
      Effect.provide(fake.layer),
      Effect.exit
    )

  it.effect("says whether a token is active, and what else the server said", () =>
    Effect.gen(function* () {
      const fake = FakeServer.make(() => ({ json: { active: true, sub: "me", scope: "a b" } }))
      expect(yield* introspect(fake)).toEqual(
        Exit.succeed({ active: true, members: { active: true, sub: "me", scope: "a b" } })
      )
      expect([...fake.seen[0]!.form]).toEqual([
        ["token", "t0ken"],
        ["token_type_hint", "access_token"]
      ])
    })
  )

  it.effect.each<FakeServer.Answer>([
    { json: {} },
    { json: { active: "true" } },
    { body: "" },
    { json: { active: true, error: "invalid_client" } }
  ])("believes nothing else: %j", (answer) =>
    Effect.gen(function* () {
      expect(Exit.isFailure(yield* introspect(FakeServer.make(() => answer)))).toBe(true)
    })
  )
})
