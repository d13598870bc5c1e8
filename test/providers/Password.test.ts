import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { inspect } from "node:util"
import * as AuthorizationServer from "../../src/AuthorizationServer.ts"
import * as Credentials from "../../src/Credentials.ts"
import { RefreshError } from "../../src/CredentialsError.ts"
import * as Provider from "../../src/Provider.ts"
import * as Password from "../../src/providers/Password.ts"
import * as Testing from "../../src/Testing.ts"
import * as Token from "../../src/Token.ts"
import * as TokenStore from "../../src/TokenStore.ts"
import { show } from "../support/engine.ts"
import { contract } from "./contract.ts"

const good = "c4nary p+a&s=s:wörd "

const serverOf = (options?: Testing.Options) =>
  Testing.authorizationServer({
    grants: {
      password: ({ parameters }, issue) =>
        parameters["username"] === "ada" && parameters["password"] === good
          ? issue({ subject: "ada" })
          : Effect.succeed({
              status: 400,
              json: { error: "invalid_grant", error_description: `no: ${parameters["password"]}` }
            })
    },
    lifetime: "5 minutes",
    ...options
  })

const url = "https://portal.test/users/auth"

/** A portal like PILOT's: everything in an envelope, refreshes at another place. */
const portalOf = (answer?: Testing.Answer) => {
  let logins = 0
  let valid: string | undefined
  const envelope = (result: unknown) => ({
    json: { code: 200, error_msg: "", page: 0, total: 1, num_of_pages: 1, result }
  })
  const issue = () => {
    valid = `rt-${++logins}`
    return envelope({ access_token: `at-${logins}`, expires_in: 300, refresh_token: valid, token_type: "Bearer" })
  }
  const server = Testing.authorizationServer({
    routes: ({ body, url: at }) => {
      if (answer !== undefined) return Effect.succeed(answer)
      const sent = JSON.parse(Redacted.value(body))
      if (at === url) {
        return Effect.sync(() =>
          sent.password === good ? issue() : { status: 401, json: { code: 401, error_msg: `wrong: ${sent.password}` } }
        )
      }
      if (at === "https://portal.test/users/refresh") {
        return Effect.sync(() =>
          sent.refreshtoken === valid ? issue() : { status: 401, json: { code: 401, error_msg: "expired" } }
        )
      }
      return undefined
    }
  })
  return { server, endSession: () => (valid = undefined) }
}

const portal = {
  url,
  username: "ada",
  password: good,
  response: { accessToken: "result.access_token", message: "error_msg" },
  refresh: { url: "https://portal.test/users/refresh", member: "refreshtoken" }
} as const

const token = (server: Testing.TestServer, provider: Provider.Provider<HttpClient.HttpClient>) =>
  Effect.scoped(Effect.flatMap(Credentials.make(provider), (credentials) => credentials.token)).pipe(
    Effect.provide(server.layer)
  )

describe("Password", () => {
  const server = serverOf()
  const options = { tokenEndpoint: server.tokenEndpoint.url, clientId: "tool", username: "ada" }
  contract<HttpClient.HttpClient>({
    name: "Password",
    make: () => Password.make({ ...options, password: good }),
    failing: () => Password.make({ ...options, password: "c4nary-wrong" }),
    secrets: ["c4nary"],
    provide: (effect) => Effect.scoped(Effect.provide(effect, server.layer))
  })

  it.effect("sends name and password as they are, with what else is asked for (RFC 6749 §4.3)", () =>
    Effect.gen(function* () {
      const server = serverOf()
      const options = { tokenEndpoint: server.tokenEndpoint.url, username: "ada", password: Redacted.make(good) }
      yield* token(server, Password.make({ ...options, clientId: "tool", scope: ["read", "write"], audience: "aud" }))
      yield* token(server, Password.make(options))
      yield* token(server, Password.make({ ...options, clientId: "tool", clientSecret: "s" }))
      const sent = server.tokenEndpoint.requests.map(({ body }) =>
        Array.from(new URLSearchParams(Redacted.value(body)))
      )
      const grant = [
        ["grant_type", "password"],
        ["username", "ada"],
        ["password", good]
      ]
      assert.deepStrictEqual(sent, [
        [...grant, ["scope", "read write"], ["audience", "aud"], ["client_id", "tool"]],
        grant,
        grant
      ])
      assert.strictEqual(server.tokenEndpoint.requests[2]!.headers["authorization"], `Basic ${btoa("tool:s")}`)
    })
  )

  it.scoped("spends refresh tokens from then on, and sends the password again when one is refused", () =>
    Effect.gen(function* () {
      const server = serverOf()
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(
          Password.make({ ...options, tokenEndpoint: server.tokenEndpoint.url, password: good })
        )
        yield* credentials.token
        yield* TestClock.adjust("6 minutes")
        yield* credentials.token
        server.endSessions()
        yield* TestClock.adjust("6 minutes")
        yield* credentials.token
      }).pipe(Effect.provide(server.layer))
      assert.deepStrictEqual(
        server.tokenEndpoint.requests.map(({ parameters }) => parameters["grant_type"]),
        ["password", "refresh_token", "refresh_token", "password"]
      )
    })
  )

  it.scoped("the password is sent once, is seen nowhere, and is not needed to give the tokens back (S103)", () =>
    Effect.gen(function* () {
      const server = serverOf()
      const provider = Password.make({
        server: AuthorizationServer.discover(server.issuer),
        clientId: "tool",
        username: "ada",
        password: good
      })
      yield* Effect.gen(function* () {
        const store = yield* TokenStore.TokenStore
        const credentials = yield* Credentials.make(Provider.persisted(provider, "me"))
        yield* credentials.token
        yield* TestClock.adjust("6 minutes")
        const token = yield* credentials.token
        const stored = yield* store.get("me")
        const seen = inspect([provider, credentials, token, stored], { depth: 20, showHidden: true })
        assert.notInclude(seen, good)
        assert.notInclude(
          JSON.stringify(Schema.encodeSync(Schema.Option(Token.Token))(stored)),
          JSON.stringify(good).slice(1, -1)
        )
        yield* credentials.revoke
      }).pipe(Effect.provide([server.layer, TokenStore.layerMemory()]))
      const withPassword = server.requests.filter(({ body }) => Redacted.value(body).includes("password="))
      assert.deepStrictEqual([withPassword.length, server.revoked.length], [1, 2])
    })
  )

  it.effect("reads a password that changes whenever it is sent, and says when there is none", () =>
    Effect.gen(function* () {
      const server = serverOf({ refreshTokens: false })
      const options = { tokenEndpoint: server.tokenEndpoint.url, username: "ada" }
      let n = 0
      yield* token(server, Password.make({ ...options, password: Effect.sync(() => (n++, good)) }))
      assert.strictEqual(n, 1)
      const empty = yield* Effect.flip(token(server, Password.make({ ...options, password: Effect.succeed("") })))
      assert.strictEqual(empty.message, "Password: the password is empty: check where it comes from")
      const gone = new RefreshError({ provider: "Vault", reason: { _tag: "Source", description: "sealed" } })
      const sealed = yield* Effect.flip(token(server, Password.make({ ...options, password: Effect.fail(gone) })))
      assert.strictEqual(sealed.message, "Vault: sealed")
      assert.strictEqual(server.requests.length, 1)
    })
  )

  it.effect("options that cannot work fail the layer by name, and nothing is sent", () =>
    Effect.gen(function* () {
      const server = serverOf()
      const cases: ReadonlyArray<readonly [string, Partial<Record<keyof Password.Options, unknown>>]> = [
        ["username", { username: "" }],
        ["username", { username: "a\r\nb" }],
        ["password", { password: " " }],
        ["password", { password: Redacted.make("") }],
        ["clientId", { clientId: " " }],
        ["scope", { scope: ["a b"] }],
        ["parameters", { parameters: { username: "eve" } }],
        ["tokenEndpoint", { tokenEndpoint: "http://id.test/token" }]
      ]
      for (const [option, more] of cases) {
        const provider = Password.make({ ...options, password: good, ...more } as Password.Options)
        const error = yield* Effect.flip(token(server, provider))
        assert.deepStrictEqual("option" in error ? error.option : error, option, JSON.stringify(more))
      }
      assert.strictEqual(server.requests.length, 0)
    })
  )

  it.effect("reads its settings from the environment", () =>
    Effect.gen(function* () {
      const load = (variables: Record<string, string>) =>
        Effect.either(
          Effect.withConfigProvider(Password.fromConfig(), ConfigProvider.fromMap(new Map(Object.entries(variables))))
        )
      const server = serverOf()
      const complete = yield* load({
        TOKEN_URL: server.tokenEndpoint.url,
        CLIENT_ID: "tool",
        LOGIN_USERNAME: "ada",
        LOGIN_PASSWORD: good
      })
      assert.strictEqual(complete._tag, "Right")
      if (complete._tag === "Right") yield* token(server, complete.right)
      const missing = yield* load({ USERNAME: "the machine's own" })
      assert.strictEqual(missing._tag === "Left" && missing.left._tag, "MissingCredentials")
    })
  )
})

describe("Password.login", () => {
  const { server } = portalOf()
  contract<HttpClient.HttpClient>({
    name: "Password",
    make: () => Password.login(portal),
    failing: () => Password.login({ ...portal, password: "c4nary-wrong" }),
    secrets: ["c4nary"],
    provide: (effect) => Effect.scoped(Effect.provide(effect, server.layer))
  })

  it.scoped("logs in, spends refresh tokens, and logs in again when one is refused", () =>
    Effect.gen(function* () {
      const { endSession, server } = portalOf()
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(Password.login(portal))
        assert.strictEqual(show(yield* credentials.token), "at-1")
        yield* TestClock.adjust("6 minutes")
        assert.strictEqual(show(yield* credentials.token), "at-2")
        endSession()
        yield* TestClock.adjust("6 minutes")
        assert.strictEqual(show(yield* credentials.token), "at-3")
      }).pipe(Effect.provide(server.layer))
      assert.deepStrictEqual(
        server.requests.map(({ body, headers, url }) => [
          new URL(url).pathname,
          headers["content-type"],
          JSON.parse(Redacted.value(body))
        ]),
        [
          ["/users/auth", "application/json", { username: "ada", password: good }],
          ["/users/refresh", "application/json", { refreshtoken: "rt-1" }],
          ["/users/refresh", "application/json", { refreshtoken: "rt-2" }],
          ["/users/auth", "application/json", { username: "ada", password: good }]
        ]
      )
      for (const { headers } of server.requests) assert.isUndefined(headers["authorization"])
    })
  )

  it.effect("calls the members what the server calls them, and takes the token from wherever it is", () =>
    Effect.gen(function* () {
      const { server } = portalOf({ json: { result: "t0ken" } })
      const made = yield* token(
        server,
        Password.login({
          url,
          username: "ada",
          password: good,
          body: "form",
          request: {
            username: "user",
            password: "pass",
            others: { token_issuer: "hpc", pin: Redacted.make("c4nary") }
          },
          response: { accessToken: "result" }
        })
      )
      assert.strictEqual(show(made), "t0ken")
      assert.deepStrictEqual(Array.from(new URLSearchParams(Redacted.value(server.requests[0]!.body))), [
        ["user", "ada"],
        ["pass", good],
        ["token_issuer", "hpc"],
        ["pin", "c4nary"]
      ])
    })
  )

  it.effect("a wrong password is Rejected, and its answer is not quoted where that quotes the password (S029)", () =>
    Effect.gen(function* () {
      const { server } = portalOf()
      const error = yield* Effect.flip(token(server, Password.login({ ...portal, password: "c4nary-wrong" })))
      assert.deepStrictEqual("reason" in error && error.reason, {
        _tag: "Rejected",
        code: "invalid_grant",
        description: "withheld, because it quotes a secret",
        status: 401
      })
      assert.strictEqual(server.requests.length, 1)
    })
  )

  it.effect("an outage is tried again, a redirect is not followed (S003)", () =>
    Effect.gen(function* () {
      const down = portalOf({ status: 503 })
      const fiber = yield* Effect.fork(Effect.flip(token(down.server, Password.login(portal))))
      yield* TestClock.adjust("30 seconds")
      const error = yield* fiber
      assert.strictEqual("reason" in error && error.reason._tag, "Unavailable")
      assert.strictEqual(down.server.requests.length, 3)
      const moved = portalOf({ status: 307, headers: { location: "https://evil.test/" } })
      const refused = yield* Effect.flip(token(moved.server, Password.login(portal)))
      assert.strictEqual("reason" in refused && refused.reason._tag, "InvalidResponse")
      assert.strictEqual(moved.server.requests.length, 1)
    })
  )

  it("shows no password when it is looked at, and people never share a key", () => {
    const provider = Password.login({ ...portal, request: { others: { pin: "c4nary" } } })
    assert.notInclude(inspect(provider, { depth: 20, showHidden: true }) + JSON.stringify(provider), "c4nary")
    const keys = [
      portal,
      { ...portal, username: "eve" },
      { ...portal, url: "https://other.test/" },
      { ...portal, response: { accessToken: "another" } }
    ].map((options) => Option.getOrThrow(Password.login(options).key))
    assert.strictEqual(new Set(keys).size, 4)
    assert.isTrue(Option.isNone(provider.key))
  })

  it.effect("options that cannot work fail the layer by name, and nothing is sent (S259)", () =>
    Effect.gen(function* () {
      const { server } = portalOf()
      const cases: ReadonlyArray<readonly [string, Partial<Record<keyof Password.LoginOptions, unknown>>]> = [
        ["url", { url: "http://portal.test/" }],
        ["url", { url: "/users/auth" }],
        ["refresh.url", { refresh: { url: "ftp://portal.test/" } }],
        ["request", { request: { username: "" } }],
        ["request", { request: { others: { "a\nb": "c" } } }],
        ["request", { refresh: { url, member: " " } }],
        ["response", { response: { accessToken: "a..b" } }],
        ["response", { response: { message: "" } }],
        ["username", { username: " " }],
        ["password", { password: "" }],
        ["timeLimit", { timeLimit: 0 }]
      ]
      for (const [option, more] of cases) {
        const error = yield* Effect.flip(token(server, Password.login({ ...portal, ...more } as Password.LoginOptions)))
        assert.deepStrictEqual("option" in error ? error.option : error, option, JSON.stringify(more))
      }
      assert.strictEqual(server.requests.length, 0)
    })
  )
})
