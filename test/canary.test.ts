/**
 * Secrets are planted everywhere, everything observable is searched (security cases S017–S021, S035, S037).
 */
import { describe, expect, it } from "@effect/vitest"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import {
  Cause,
  Config,
  ConfigProvider,
  Data,
  DateTime,
  Effect,
  Either,
  Exit,
  Fiber,
  Layer,
  Metric,
  Option,
  Redacted,
  Schema,
  Stream,
  TestClock,
  TestContext
} from "effect"
import * as fc from "fast-check"
import { inspect } from "node:util"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as Authorization from "../src/Authorization.ts"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import * as ClientAuthentication from "../src/ClientAuthentication.ts"
import * as Credentials from "../src/Credentials.ts"
import { RefreshError } from "../src/CredentialsError.ts"
import * as Grant from "../src/protocol/Grant.ts"
import * as TokenRequest from "../src/protocol/TokenRequest.ts"
import * as TokenResponse from "../src/protocol/TokenResponse.ts"
import * as Provider from "../src/Provider.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as RefreshToken from "../src/providers/RefreshToken.ts"
import * as StaticToken from "../src/providers/StaticToken.ts"
import * as TokenFactory from "../src/providers/TokenFactory.ts"
import * as Testing from "../src/Testing.ts"
import * as Token from "../src/Token.ts"
import * as TokenEndpoint from "../src/TokenEndpoint.ts"
import * as TokenStore from "../src/TokenStore.ts"
import { canary, type Observation, observe, printed, scanner } from "./support/LeakScanner.ts"

describe("the scanner finds what is planted", () => {
  const secret = canary("planted", `+/ "%é`)
  const scan = scanner({ planted: secret })
  class Leaky extends Data.TaggedError("Leaky")<{ readonly request: unknown }> {}

  const sinks: Record<string, Effect.Effect<unknown, unknown>> = {
    stringLogger: Effect.logTrace(secret),
    logfmtLogger: Effect.annotateLogs(Effect.logDebug("hello"), "who", secret),
    jsonLogger: Effect.withLogSpan(Effect.log("hello"), secret),
    structuredLogger: Effect.log({ headers: { authorization: secret } }),
    console: Effect.logWarning("failed", Cause.fail(new Error(secret))),
    "standard streams": Effect.sync(() => process.stderr.write(secret)),
    "span, inspect": Effect.withSpan(Effect.void, "a", { attributes: { b: { c: secret } } }),
    "span, JSON": Effect.withSpan(Effect.log(secret), "the tracer's own logger makes events"),
    "span's exit, inspect": Effect.ignore(Effect.withSpan(Effect.fail({ request: { body: secret } }), "a")),
    "span's exit, Cause.pretty": Effect.ignore(Effect.withSpan(Effect.fail(new Error(secret)), "a")),
    "metric, inspect": Metric.increment(Metric.tagged(Metric.counter("canary_test"), "who", secret)),
    "result, String": Effect.succeed({ toString: () => secret }),
    "result, JSON": Effect.succeed([1, { toJSON: () => ({ secret }) }]),
    "result, inspect": Effect.succeed(Object.defineProperty({}, "hidden", { value: secret, enumerable: false })),
    "error, message": Effect.fail(new Error(secret)),
    "error, stack": Effect.fail(new Error(secret)),
    "error, Cause.pretty": Effect.fail(new Error("it failed", { cause: new Error(secret) })),
    "error, properties": Effect.fail(new Leaky({ request: { headers: { authorization: secret } } })),
    "cause, Cause.pretty": Effect.fail(new Error(secret)),
    "defect, inspect": Effect.die({ secret })
  }

  it.each(Object.entries(sinks))("in %s", async (sink, program) => {
    expect(scan(await observe(program)).map((sighting) => sighting.sink)).toContain(sink)
  })

  it("by each method of the console", async () => {
    for (const method of ["log", "info", "warn", "error", "debug", "trace", "dir", "table", "group"] as const) {
      const found = scan(await observe(Effect.sync(() => console[method]({ deep: [secret] }))))
      expect(found.map(({ sink }) => sink)).toContain("console")
    }
  })

  it("in every form, and in pieces", () => {
    const bytes = new TextEncoder().encode(`app:${secret}`)
    const encoded = btoa(String.fromCharCode(...bytes))
    const forms: Record<string, string> = {
      plain: `Bearer ${secret}`,
      "a piece": `…${secret.slice(3, 13)}…`,
      "as JSON": JSON.stringify(secret),
      "percent-encoded": encodeURIComponent(secret).slice(18, 30),
      "in a form": new URLSearchParams({ secret }).toString(),
      base64: encoded,
      base64url: encoded.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""),
      hex: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
    }
    for (const [form, text] of Object.entries(forms)) expect(scan([["", text]]), form).not.toEqual([])
    for (let at = 0; at < 3; at++) {
      expect(scan([["", btoa("x".repeat(at) + canary("planted"))]]), `base64 at ${at}`).not.toEqual([])
    }
  })

  it("and nothing where nothing is", async () => {
    const secret = Redacted.make(canary("kept"))
    const scan = scanner({ kept: Redacted.value(secret) })
    const program = Effect.withSpan(Effect.zipRight(Effect.log(secret), Effect.fail({ secret })), "a")
    expect(scan(await observe(program))).toEqual([])
    expect(scan([["", canary("another")]])).toEqual([])
  })

  it("and puts the console back", async () => {
    const { log } = console
    await observe(Effect.die("stop"))
    expect(console.log).toBe(log)
  })
})

const secrets = {
  clientSecret: canary("client secret", `+/ "%&=`),
  parameter: canary("a parameter of the request"),
  header: canary("a header beside the token"),
  idToken: canary("id token"),
  extra: canary("another member of the answer"),
  location: canary("a token in a redirect"),
  factory: canary("a token of one's own")
}
const access = Array.from({ length: 50 }, (_, nth) => canary(`access token ${nth}`))
const refresh = Array.from({ length: 50 }, (_, nth) => canary(`refresh token ${nth}`))
const all = {
  ...secrets,
  ...Object.fromEntries(access.map((secret, nth) => [`access token ${nth}`, secret])),
  ...Object.fromEntries(refresh.map((secret, nth) => [`refresh token ${nth}`, secret]))
}
const scan = scanner(all)

const issues = (access_token: unknown, more: object = {}): Testing.Answer => ({
  json: {
    access_token,
    token_type: "Bearer",
    expires_in: 60,
    refresh_token: refresh[49],
    id_token: secrets.idToken,
    ...more
  }
})
const says = (text: string, contentType = "application/json", status = 200): Testing.Answer => ({
  status,
  text,
  headers: { "content-type": contentType }
})

/** What a server could do to a token request, and the reason it leads to. */
const faults: Record<string, readonly [answer: Testing.Answer, reason: string | undefined]> = {
  "all goes well": [{}, undefined],
  "an error and a token come at once": [issues(access[48], { error: "no", error_description: "no" }), "Rejected"],
  "500 comes with everything in it": [says(JSON.stringify(all), "text/plain", 500), "Unavailable"],
  "429 comes with quotes in its headers": [
    {
      status: 429,
      headers: { "retry-after": "3600", "www-authenticate": secrets.clientSecret, "x-debug": secrets.header }
    },
    "Unavailable"
  ],
  "HTML comes": [says(`<html>${access[48]} ${secrets.clientSecret}</html>`, "text/html"), "InvalidResponse"],
  "the bare token comes": [says(access[48]!), "InvalidResponse"],
  "JSON comes without quotes": [says(`{"access_token": ${access[48]}, "token_type": "Bearer"}`), "InvalidResponse"],
  "JSON stops": [says(`{"token_type":"Bearer","access_token":"${access[48]}`), "InvalidResponse"],
  "JSON comes in a string": [says(JSON.stringify(JSON.stringify({ access_token: access[48] }))), "InvalidResponse"],
  "an array of tokens comes": [{ json: [access[47], access[48]] }, "InvalidResponse"],
  "the token is an object": [issues({ value: access[48] }), "InvalidResponse"],
  "the token has a line break": [issues(`${access[48]}\r\nx-evil: ${access[47]}`), "InvalidResponse"],
  "the token has a NUL": [issues(`${access[48]}\0`), "InvalidResponse"],
  "the token type quotes": [issues(access[48], { token_type: secrets.clientSecret }), "InvalidResponse"],
  "the lifetime quotes": [issues(access[48], { expires_in: secrets.clientSecret }), "InvalidResponse"],
  "the refresh token is an array": [issues(access[48], { refresh_token: [refresh[48]] }), "InvalidResponse"],
  "the scope is an object": [issues(access[48], { scope: { of: secrets.extra } }), "InvalidResponse"],
  "the body is too long": [says(`{"access_token":"${access[48]}","x":"${" ".repeat(1_100_000)}"}`), "InvalidResponse"],
  "a redirect has a token in its address": [
    { status: 302, headers: { location: `https://elsewhere.test/?access_token=${secrets.location}` } },
    "InvalidResponse"
  ],
  "there is no connection": [{ lost: "request" }, "Transport"],
  "the answer is lost": [{ lost: "answer" }, "Transport"],
  "half the body is lost": [{ lost: "body" }, "Transport"],
  "no answer comes": [{ delay: Infinity }, "Timeout"]
}

/** How a server may quote what it was sent. */
const quotes: Record<string, (request: Testing.SeenRequest) => Testing.Answer> = {
  "its body": ({ body }) => Testing.refuse("invalid_request", `cannot read ${Redacted.value(body)}`),
  "its header": ({ headers }) => Testing.refuse("invalid_client", `not ${headers["authorization"]}`),
  "its parameters": ({ parameters }) => Testing.refuse("invalid_grant", `unknown: ${Object.values(parameters)}`),
  "its parameters as JSON": ({ parameters }) => Testing.refuse("invalid_grant", JSON.stringify({ ...parameters })),
  "a parameter as the error's code": ({ parameters }) => Testing.refuse(parameters["ticket"]!, "see the code"),
  "a parameter as the error's subtype": ({ parameters }) => ({
    status: 400,
    json: { error: "invalid_grant", error_subtype: parameters["ticket"], suberror: parameters["ticket"] }
  })
}

const makeServer = (quote?: (request: Testing.SeenRequest) => Testing.Answer) => {
  const refuse = quote && ((request: Testing.SeenRequest) => Effect.succeed(quote(request)))
  return Testing.authorizationServer({
    lifetime: "1 minute",
    mint: (kind, nth) => (kind === "access" ? access : refresh)[nth]!,
    refreshTokens: true,
    extra: { id_token: secrets.idToken, more: { deep: [secrets.extra] } },
    ...(refuse && { grants: { client_credentials: refuse, refresh_token: refuse } })
  })
}

type Recipe = (server: Testing.TestServer) => Provider.Provider<HttpClient.HttpClient | TokenStore.TokenStore>

/** What the providers have in common. */
const target = ({ revocationEndpoint, tokenEndpoint }: Testing.TestServer) => ({
  server: AuthorizationServer.make({ token_endpoint: tokenEndpoint.url, revocation_endpoint: revocationEndpoint.url }),
  clientId: "app",
  scope: ["read"],
  parameters: { ticket: Redacted.make(secrets.parameter) },
  authorization: Authorization.withHeaders(Authorization.bearer, { "developer-token": Redacted.make(secrets.header) })
})

const clientCredentials: Recipe = (server) =>
  ClientCredentials.make({ ...target(server), clientSecret: secrets.clientSecret })

const refreshToken: Recipe = (server) =>
  RefreshToken.make({
    ...target(server),
    clientSecret: Effect.succeed(secrets.clientSecret),
    refreshToken: Option.getOrThrow(Effect.runSync(server.login({ scope: ["read"] })).refreshToken)
  })

const recipes: Record<string, Recipe> = {
  "with Basic": clientCredentials,
  "with the secret in a form": (server) =>
    ClientCredentials.make({
      ...target(server),
      authentication: ClientAuthentication.clientSecretPost(Redacted.make(secrets.clientSecret))
    }),
  "with the secret in JSON": (server) =>
    ClientCredentials.make({
      ...target(server),
      authentication: ClientAuthentication.clientSecretPost(secrets.clientSecret),
      body: "json"
    }),
  "with an assertion": (server) =>
    ClientCredentials.make({
      ...target(server),
      authentication: ClientAuthentication.clientSecretJwt(secrets.clientSecret)
    }),
  "with a refresh token": refreshToken,
  "with a store": (server) => Provider.persisted(clientCredentials(server), "me")
}

/** Lets virtual time run until the effect has ended. */
const inVirtualTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    while (Option.isNone(yield* Fiber.poll(fiber))) yield* TestClock.adjust("1 minute")
    return yield* Fiber.join(fiber)
  }).pipe(Effect.provide(TestContext.TestContext))

/** All that a program may do with credentials; `later` is answered to all token requests but the first. */
const use = (provider: ReturnType<Recipe>, server: Testing.TestServer, later?: Testing.Answer) =>
  Effect.gen(function* () {
    const store = yield* TokenStore.TokenStore
    const credentials = yield* Credentials.make(provider)
    const events: Array<Credentials.Event> = []
    yield* Effect.forkScoped(Stream.runForEach(credentials.events, (event) => Effect.sync(() => events.push(event))))
    yield* Effect.yieldNow()
    const client = yield* AuthenticatedHttpClient.make(server.client, credentials, { origins: [server.api.url] })
    const dropIn = yield* Layer.build(AuthenticatedHttpClient.layerHttpClient({ origins: [server.api.url] })).pipe(
      Effect.provideService(Credentials.Credentials, credentials)
    )
    const status = Effect.map(({ status }: { readonly status: number }) => status)
    const call = Effect.exit(status(client.get(`${server.api.url}/me?page=1`)))
    const exits: Array<Exit.Exit<unknown, unknown>> = [yield* call]
    if (later !== undefined) {
      server.tokenEndpoint.answerAlways(later)
      server.revokeAccessTokens()
      exits.push(yield* call)
      yield* Effect.sleep("5 minutes")
    }
    exits.push(yield* Effect.exit(credentials.token))
    exits.push(yield* Effect.exit(credentials.tokenValidFor("10 days")))
    exits.push(yield* Effect.exit(Effect.provide(status(HttpClient.get(server.api.url)), dropIn)))
    server.api.answerNext({ lost: "answer" }, { lost: "request" })
    exits.push(yield* call, yield* call)
    const held = yield* credentials.current
    if (Option.isSome(held)) exits.push(yield* Effect.exit(credentials.renew(held.value)))
    yield* credentials.maintain
    const causes = exits.filter(Exit.isFailure).map(({ cause }) => cause)
    const errors = causes.flatMap((cause) => Array.from(Cause.failures(cause)))
    const encoded = errors
      .filter((error) => error instanceof RefreshError)
      .map((error) => Schema.encodeSync(RefreshError)(error))
    const values = [provider, provider.authorization, credentials, held, store, server]
    yield* Effect.logInfo("this is what there is", ...values, exits)
    // Printed while it is alive: nothing is held any more when all is over.
    const alive = values.flatMap((value) => printed("value", value))
    exits.push(yield* Effect.exit(credentials.revoke))
    const outcomes = [...events, ...encoded, ...causes, ...errors, exits.at(-1)]
    return { first: Exit.isFailure(exits[0]!) ? errors[0] : undefined, alive, outcomes }
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.merge(server.layer, TokenStore.layerMemory())),
    Effect.withSpan("the program")
  )

/** Runs it observed; `reason` says how the first call failed. */
const run = async (program: ReturnType<typeof use>) => {
  let first: unknown = "nothing"
  let alive: Observation = []
  const observation = await observe(
    Effect.map(program, (outcome) => {
      first = outcome.first
      alive = outcome.alive
      return outcome.outcomes
    })
  )
  expect(alive).not.toEqual([])
  return { observation: [...observation, ...alive], reason: first instanceof RefreshError ? first.reason._tag : first }
}

describe("nothing of a secret is seen anywhere", () => {
  it.each(Object.entries(faults))("when %s (S017, S018, S020, S021, S035, S037)", async (_, [answer, expected]) => {
    const server = makeServer()
    server.tokenEndpoint.answerAlways(answer)
    const { observation, reason } = await run(inVirtualTime(use(clientCredentials(server), server)))
    expect(scan(observation)).toEqual([])
    expect(reason).toBe(expected)
  })

  describe.each([
    ["client credentials", clientCredentials],
    ["a refresh token", refreshToken]
  ])("after a good start with %s", (_, recipe) => {
    it.each(Object.entries(faults))("when %s (S017, S018, S020, S021, S035, S037)", async (_, [answer]) => {
      const server = makeServer()
      const { observation, reason } = await run(inVirtualTime(use(recipe(server), server, answer)))
      expect(scan(observation)).toEqual([])
      expect(reason).toBe(undefined)
      expect(server.api.requests[0]!.headers["developer-token"]).toBe(secrets.header)
      expect(server.tokenEndpoint.requests.length).toBeGreaterThan(1)
    })
  })

  describe.each(Object.entries(recipes))("%s", (_, recipe) => {
    it.each(Object.entries(quotes))("when a refusal quotes %s (S017, S018)", async (_, quote) => {
      const server = makeServer(quote)
      const { observation, reason } = await run(use(recipe(server), server))
      expect(reason).toBe("Rejected")
      const assertion = server.tokenEndpoint.requests[0]!.parameters["client_assertion"]
      expect(scanner({ ...all, ...(assertion && { assertion }) })(observation)).toEqual([])
    })
  })

  it.each<[string, (headers: string) => HttpClientError.RequestError["cause"]]>([
    ["in its text", (headers) => new TypeError(`${headers} is an invalid header value`)],
    ["in its cause", (headers) => new TypeError("fetch failed", { cause: new Error(headers) })],
    ["as what it failed with", (headers) => ({ request: { headers } })]
  ])("when the platform's error quotes the request %s (S018, S021)", async (_, causeOf) => {
    const server = makeServer()
    const broken = HttpClient.make((request) => {
      const sent = JSON.stringify([request.headers, request.body])
      return Effect.fail(
        new HttpClientError.RequestError({ request, reason: "Transport", description: sent, cause: causeOf(sent) })
      )
    })
    const program = use(clientCredentials(server), { ...server, layer: Layer.succeed(HttpClient.HttpClient, broken) })
    const { observation, reason } = await run(inVirtualTime(program))
    expect(scan(observation)).toEqual([])
    expect(reason).toBe("Transport")
  })

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error(secrets.factory)
      }
    ],
    ["rejects", () => Promise.reject({ token: secrets.factory })],
    ["fails", () => Effect.fail({ _tag: "NoToken", token: secrets.factory })],
    ["fails with a text", () => Effect.fail(secrets.factory)],
    ["dies", () => Effect.dieMessage("on purpose")],
    ["returns a token that cannot be sent", () => `${secrets.factory}\r\nx-evil: 1`],
    ["returns a token", () => secrets.factory]
  ])("when the caller's own function %s (S017, S021)", async (_, token) => {
    const server = makeServer()
    const provider = TokenFactory.make({ token: token as () => Promise<string> })
    const { observation } = await run(inVirtualTime(use(provider, server)))
    expect(scan(observation)).toEqual([])
  })
})

describe("what can be printed", () => {
  const clientSecret = Redacted.make(secrets.clientSecret)
  const options = { tokenEndpoint: "https://id.test/token", clientId: "app", clientSecret }
  const token = Token.make({
    accessToken: Redacted.make(access[0]!),
    refreshToken: Option.some(Redacted.make(refresh[0]!)),
    idToken: Option.some(Redacted.make(secrets.idToken)),
    extra: Redacted.make({ more: secrets.extra }),
    issuedAt: DateTime.unsafeMake(0)
  })
  const grant = Grant.refreshToken(Redacted.make(refresh[0]!), {
    parameters: { ticket: Redacted.make(secrets.parameter) }
  })
  const request = TokenRequest.withBasic(TokenRequest.fromGrant(grant), "app", clientSecret)

  it.each<[string, unknown]>([
    ["a token", token],
    ["a grant", grant],
    ["a request", request],
    ["a request with a parameter", TokenRequest.withParam(request, "client_secret", clientSecret)],
    ["a token endpoint", TokenEndpoint.make("Test", options)],
    ["a client's secret, for Basic", ClientAuthentication.clientSecretBasic(secrets.clientSecret)],
    ["a client's secret, for the body", ClientAuthentication.clientSecretPost(secrets.clientSecret)],
    ["a client's secret, to sign with", ClientAuthentication.clientSecretJwt(secrets.clientSecret)],
    ["a client's key", ClientAuthentication.privateKeyJwt({ key: secrets.clientSecret })],
    ["headers beside a token", Authorization.withHeaders(Authorization.bearer, { "x-key": secrets.header })],
    ["a provider", ClientCredentials.make({ ...options, clientSecret: secrets.clientSecret })],
    ["a provider with a refresh token", RefreshToken.make({ ...options, refreshToken: refresh[0]! })],
    ["a provider with a token", StaticToken.make({ token: Redacted.make(access[0]!) })]
  ])("of %s holds no secret (S037)", (_, value) => {
    expect(scan(printed("value", value))).toEqual([])
  })
})

describe("a mistake in the options is told without its value (S017)", () => {
  const broken = (secret: string) => `${secret}\r\nx-evil: 1`
  const { factory, clientSecret, header } = secrets
  const options = { tokenEndpoint: "https://id.test/token", clientId: "app" }
  const pem = `-----BEGIN PRIVATE KEY-----\n${btoa(clientSecret)}\n-----END PRIVATE KEY-----`

  it.each<[string, string, () => Provider.Provider<HttpClient.HttpClient>]>([
    [
      "a secret with a line break",
      "clientSecret",
      () => ClientCredentials.make({ ...options, clientSecret: broken(clientSecret) })
    ],
    [
      "an address that holds a secret",
      "tokenEndpoint",
      () =>
        ClientCredentials.make({ ...options, tokenEndpoint: `http://me:${clientSecret}@id.test/?key=${clientSecret}` })
    ],
    [
      "an address that is none",
      "tokenEndpoint",
      () => ClientCredentials.make({ ...options, tokenEndpoint: clientSecret })
    ],
    [
      "an identifier that holds a secret",
      "clientId",
      () => ClientCredentials.make({ ...options, clientId: broken(clientSecret) })
    ],
    ["a scope that holds a secret", "scope", () => ClientCredentials.make({ ...options, scope: [`a ${factory}`] })],
    [
      "a key that is no key",
      "key",
      () =>
        ClientCredentials.make({
          ...options,
          authentication: ClientAuthentication.privateKeyJwt({ key: clientSecret })
        })
    ],
    [
      "a key that is broken",
      "key",
      () => ClientCredentials.make({ ...options, authentication: ClientAuthentication.privateKeyJwt({ key: pem }) })
    ],
    ["a token with a line break", "token", () => StaticToken.make({ token: broken(factory) })]
  ])("%s", async (_, option, provider) => {
    const program = Effect.provide(Effect.scoped(Credentials.make(provider())), makeServer().layer)
    const observation = await observe(program)
    const error = await Effect.runPromise(Effect.flip(program))
    expect([error._tag, error.option]).toEqual(["InvalidOption", option])
    expect(scan(observation)).toEqual([])
  })

  it("and so is one about headers", () => {
    const authorization = Authorization.withHeaders(Authorization.bearer, { "x-key": broken(header) })
    const refused = (own: StaticToken.Options, options: { readonly authorization?: Authorization.Authorization }) =>
      Effect.gen(function* () {
        const credentials = yield* Credentials.make(StaticToken.make(own))
        const server = makeServer()
        return yield* AuthenticatedHttpClient.make(server.client, credentials, {
          origins: [server.api.url],
          ...options
        })
      }).pipe(Effect.scoped, Effect.flip, Effect.runSync)
    for (const error of [
      refused({ token: factory, authorization }, {}),
      refused({ token: factory }, { authorization })
    ]) {
      expect([error._tag, error.option]).toEqual(["InvalidOption", "authorization"])
      expect(scan(printed("error", error))).toEqual([])
    }
  })

  it("and so is one in the configuration", async () => {
    const environment = new Map([
      ["TOKEN_URL", clientSecret],
      ["CLIENT_ID", broken(clientSecret)],
      ["CLIENT_SECRET", broken(clientSecret)],
      ["EXPIRES", factory]
    ])
    const setting = Provider.fromConfig("Test", { token: Config.integer("EXPIRES") }, () =>
      StaticToken.make({ token: factory })
    )
    for (const provider of [ClientCredentials.fromConfig(), setting]) {
      const program = Effect.scoped(Effect.flatMap(provider, Credentials.make)).pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(environment)),
        Effect.provide(makeServer().layer)
      )
      expect(scan(await observe(program))).toEqual([])
      expect(Exit.isFailure(await Effect.runPromiseExit(program))).toBe(true)
    }
  })
})

describe("an answer that cannot be read", () => {
  const secret = fc.constantFrom(access[0]!, refresh[0]!, secrets.idToken, secrets.extra)
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      secret,
      fc.constantFrom(null, true, -1, 0, 3600, 1e999, "Bearer", "3600", ""),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(secret, tie("value"), { maxKeys: 2 })
    )
  }))
  const names = [
    "access_token",
    "token_type",
    "expires_in",
    "expires_at",
    "refresh_token",
    "id_token",
    "scope",
    "extra"
  ]
  const answer = fc.record(Object.fromEntries(names.map((name) => [name, value])), { requiredKeys: [] })
  const body = fc
    .tuple(
      answer,
      fc.constantFrom<(text: string) => string>(
        (text) => text,
        (text) => text.slice(0, -3),
        JSON.stringify,
        (text) => text.replaceAll('"', "")
      )
    )
    .map(([answer, spoil]) => spoil(JSON.stringify(answer)))

  it("is described without what it says, whatever that is (S019, S020)", () => {
    let refused = 0
    fc.assert(
      fc.property(
        body,
        fc.constantFrom("application/json", "text/html", "application/x-www-form-urlencoded"),
        (body, type) => {
          const response = { provider: "Test", status: 200, headers: { "content-type": type }, body }
          const token = TokenResponse.decode({ ...response, requestedAt: DateTime.unsafeMake(0) })
          if (Either.isRight(token)) return
          refused++
          const error = token.left
          const texts = [inspect(error, { depth: 20, showHidden: true }), JSON.stringify(error), error.message]
          expect(scan(texts.map((text) => ["error", text]))).toEqual([])
        }
      ),
      { numRuns: 5_000 }
    )
    expect(refused).toBeGreaterThan(1_000)
  }, 30_000)
})
