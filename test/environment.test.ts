/** What surrounds a program: its environment, a second copy of the library, connections that outlive a token. */
import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { inspect } from "node:util"
import * as v8 from "node:v8"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as Authorization from "../src/Authorization.ts"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import * as Credentials from "../src/Credentials.ts"
import { RefreshError } from "../src/CredentialsError.ts"
import * as Provider from "../src/Provider.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as StaticToken from "../src/providers/StaticToken.ts"
import * as Token from "../src/Token.ts"
import * as FakeServer from "./support/FakeServer.ts"

const answering = () =>
  FakeServer.make((_, nth) => ({ json: { access_token: `t${nth}`, token_type: "bearer", expires_in: 600 } }))
const options = { tokenEndpoint: "https://id.example.com/token", clientId: "me", clientSecret: "s3cret" }
const shown = (token: Token.Token) => Redacted.value(token.accessToken)
const obtained = <R>(provider: Provider.Provider<R>) =>
  Effect.scoped(Effect.flatMap(Credentials.make(provider), (credentials) => credentials.token))

describe("configuration", () => {
  const from = (...entries: ReadonlyArray<readonly [string, string]>) => ConfigProvider.fromMap(new Map(entries))

  it.effect("is taken as it is written: nothing is put in the place of ${…} (S322)", () =>
    Effect.gen(function* () {
      const provider = yield* Effect.withConfigProvider(
        StaticToken.fromConfig(),
        from(["TOKEN", "${HOME}"], ["HOME", "h"])
      )
      expect(shown(yield* obtained(provider))).toBe("${HOME}")
    })
  )

  it.effect("is read when the layer is built, and not again (S318)", () =>
    Effect.gen(function* () {
      const environment = new Map([["TOKEN", "first"]])
      const layer = yield* Layer.build(
        Layer.provide(StaticToken.layerConfig(), Layer.setConfigProvider(ConfigProvider.fromMap(environment)))
      )
      environment.set("TOKEN", "second")
      const token = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
      expect(shown(yield* Effect.provide(token, layer))).toBe("first")
    }).pipe(Effect.scoped)
  )

  it.effect("no variable makes the library talk about secrets (S028)", () =>
    Effect.gen(function* () {
      const names = ["DEBUG", "NODE_DEBUG", "EFFECT_CREDENTIALS_DEBUG", "LOG_LEVEL", "NODE_ENV"]
      const before = names.map((name) => process.env[name])
      for (const name of names) process.env[name] = "*"
      const server = answering()
      const token = yield* obtained(ClientCredentials.make(options)).pipe(Effect.provide(server.layer))
      names.forEach((name, index) => {
        if (before[index] === undefined) delete process.env[name]
        else process.env[name] = before[index]
      })
      expect(inspect(token, { depth: 20, showHidden: true })).not.toContain("t1")
    })
  )
})

describe("options", () => {
  it.effect("that change after the provider was made change nothing (S323)", () =>
    Effect.gen(function* () {
      const server = answering()
      const scope = ["read"]
      const parameters: Record<string, string> = { tenant: "a" }
      const mutable = { ...options, scope, parameters }
      const provider = ClientCredentials.make(mutable)
      scope.push("admin")
      parameters["tenant"] = "b"
      mutable.clientId = "somebody-else"
      yield* obtained(provider).pipe(Effect.provide(server.layer))
      expect(Object.fromEntries(server.seen[0]!.form)).toMatchObject({ scope: "read", tenant: "a" })
      expect(atob(server.seen[0]!.headers["authorization"]!.replace("Basic ", ""))).toBe("me:s3cret")
    })
  )

  it.effect("come from the record itself: a polluted prototype adds nothing to a request (S329)", () =>
    Effect.gen(function* () {
      const server = answering()
      const polluted: Record<string, unknown> = {
        audience: "evil",
        resource: "https://evil.example",
        parameters: { evil: "yes" },
        headers: { evil: "yes" },
        body: "evil"
      }
      const prototype = Object.prototype as unknown as Record<string, unknown>
      yield* Effect.acquireUseRelease(
        Effect.sync(() => Object.assign(prototype, polluted)),
        () => obtained(ClientCredentials.make(options)).pipe(Effect.provide(server.layer)),
        () => Effect.sync(() => Object.keys(polluted).forEach((name) => delete prototype[name]))
      )
      expect(server.seen).toHaveLength(1)
      expect(server.seen[0]!.text + JSON.stringify(server.seen[0]!.headers)).not.toContain("evil")
    })
  )
})

describe("a second copy of the library", () => {
  it.effect("reads the tokens and errors of the first (S332)", () =>
    Effect.gen(function* () {
      const query = "?another-copy"
      const other: typeof import("../src/Credentials.ts") = yield* Effect.promise(
        () => import(/* @vite-ignore */ `../src/Credentials.ts${query}`)
      )
      expect(other.make).not.toBe(Credentials.make)
      const failing = Provider.make({
        name: "Failing",
        acquire: () =>
          Effect.fail(
            new RefreshError({ provider: "Failing", reason: { _tag: "Timeout", after: Duration.seconds(1) } })
          )
      })
      const token = yield* Effect.scoped(
        Effect.flatMap(other.make(StaticToken.make({ token: Redacted.make("t") })), (credentials) => credentials.token)
      )
      expect(shown(token)).toBe("t")
      const error = yield* Effect.flip(
        Effect.scoped(Effect.flatMap(other.make(failing), (credentials) => credentials.token))
      )
      expect(error._tag).toBe("RefreshError")
    })
  )
})

describe("what a process shows of itself", () => {
  it("a serialised token holds no secret (S034)", () => {
    const token = Token.make({
      accessToken: Redacted.make("canary-access"),
      refreshToken: Option.some(Redacted.make("canary-refresh")),
      issuedAt: DateTime.unsafeMake(0)
    })
    expect(JSON.stringify(token)).not.toContain("canary")
    // Functions cannot be cloned: a token is either refused, or copied without what it hides.
    const attempts: ReadonlyArray<() => unknown> = [
      () => structuredClone(token),
      () => Buffer.from(v8.serialize(token)).toString("latin1")
    ]
    for (const attempt of attempts) {
      const copy = Either.try(attempt)
      expect(inspect(copy, { depth: 20, showHidden: true })).not.toContain("canary")
    }
  })
})

describe("a connection that outlives a token", () => {
  it.scoped("hears of each new one (S301)", () =>
    Effect.gen(function* () {
      const server = answering()
      const credentials = yield* Credentials.make(ClientCredentials.make(options)).pipe(Effect.provide(server.layer))
      const first = yield* credentials.token
      const heard = yield* Effect.fork(Stream.runCollect(Stream.take(credentials.changes, 2)))
      yield* Effect.yieldNow()
      yield* credentials.renew(first)
      expect(Array.from(yield* heard, shown)).toEqual(["t1", "t2"])
    })
  )

  it.scoped("is not cut off from behind: closing the layer tells the server nothing (S310)", () =>
    Effect.gen(function* () {
      const server = answering()
      const metadata = AuthorizationServer.make({
        token_endpoint: options.tokenEndpoint,
        revocation_endpoint: "https://id.example.com/revoke"
      })
      yield* obtained(ClientCredentials.make({ clientId: "me", clientSecret: "s3cret", server: metadata })).pipe(
        Effect.provide(server.layer)
      )
      expect(server.seen.map(({ url }) => url)).toEqual([options.tokenEndpoint])
    })
  )
})

describe("two secrets on one request", () => {
  const api = "https://api.example.com"

  it.effect("each stand in a header of their own, and both stay at home (S303)", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => ({ json: {} }))
      const authorization = Authorization.withHeaders(Authorization.bearer, { "developer-token": Redacted.make("d3v") })
      const provider = Provider.make({ ...StaticToken.make({ token: Redacted.make("t") }), authorization })
      const layer = AuthenticatedHttpClient.layer({ origins: [api] }).pipe(
        Layer.provide(Credentials.layer(provider)),
        Layer.provide(server.layer)
      )
      yield* Effect.gen(function* () {
        const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
        yield* client.get(`${api}/me`)
        yield* client.get("https://elsewhere.example/")
      }).pipe(Effect.provide(layer))
      expect(server.seen[0]!.headers).toMatchObject({ authorization: "Bearer t", "developer-token": "d3v" })
      expect(server.seen[1]!.headers).not.toHaveProperty("authorization")
      expect(server.seen[1]!.headers).not.toHaveProperty("developer-token")
    })
  )
})
