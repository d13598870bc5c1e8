import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as AuthorizationServer from "../../src/AuthorizationServer.ts"
import * as Credentials from "../../src/Credentials.ts"
import * as Provider from "../../src/Provider.ts"
import * as Password from "../../src/providers/Password.ts"
import * as RefreshToken from "../../src/providers/RefreshToken.ts"
import * as Testing from "../../src/Testing.ts"
import type * as Token from "../../src/Token.ts"
import * as TokenStore from "../../src/TokenStore.ts"
import { show } from "../support/engine.ts"
import { contract } from "./contract.ts"

const clients = [{ clientId: "me", clientSecret: "c4nary" }]
const secretOf = (refreshToken: Option.Option<Redacted.Redacted>) => Redacted.value(Option.getOrThrow(refreshToken))

/** A server, and a refresh token of somebody who has logged in. */
const loggedIn = (options?: Testing.Options) =>
  Effect.suspend(() => {
    const server = Testing.authorizationServer({ clients, ...options })
    return Effect.map(server.login({ clientId: "me" }), (token) => ({
      server,
      options: {
        tokenEndpoint: server.tokenEndpoint.url,
        clientId: "me",
        clientSecret: "c4nary",
        refreshToken: Option.getOrThrow(token.refreshToken)
      }
    }))
  })

/** Credentials that find the server's endpoints by its issuer, the one for revoking among them. */
const discovering = (server: Testing.TestServer, { refreshToken }: { readonly refreshToken: Redacted.Redacted }) =>
  Credentials.make(
    RefreshToken.make({
      server: AuthorizationServer.discover(server.issuer),
      clientId: "me",
      clientSecret: "c4nary",
      refreshToken
    })
  )

/** The refresh tokens that were offered, in order. */
const offered = (server: Testing.TestServer) =>
  server.tokenEndpoint.requests.map(({ parameters }) => parameters["refresh_token"])

describe("RefreshToken", () => {
  const { server, options } = Effect.runSync(loggedIn({ rotation: false }))
  contract<HttpClient.HttpClient>({
    name: "RefreshToken",
    make: () => RefreshToken.make(options),
    failing: () => RefreshToken.make({ ...options, refreshToken: "c4nary-unknown" }),
    secrets: ["c4nary", Redacted.value(options.refreshToken)],
    provide: (effect) => Effect.scoped(Effect.provide(effect, server.layer))
  })

  it.scoped("spends each rotated refresh token once, and never the first again", () =>
    Effect.gen(function* () {
      const { options, server } = yield* loggedIn({ rotation: true, lifetime: "5 minutes" })
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(RefreshToken.make(options))
        for (let i = 0; i < 5; i++) {
          yield* credentials.token
          yield* TestClock.adjust("5 minutes")
        }
      }).pipe(Effect.provide(server.layer))
      assert.strictEqual(offered(server).length, 5)
      assert.strictEqual(new Set(offered(server)).size, 5)
      assert.strictEqual(server.reuseDetected, 0)
    })
  )

  it.scoped.each(["forget", "revoke"] as const)("after %s it begins with the first, which may be refused", (how) =>
    Effect.gen(function* () {
      const { options, server } = yield* loggedIn({ rotation: true })
      yield* Effect.gen(function* () {
        const credentials = yield* discovering(server, options)
        yield* credentials.token
        yield* credentials[how]
        const { reason } = yield* Effect.flip(credentials.token)
        assert.deepInclude(reason, { _tag: "Rejected", code: "invalid_grant" })
      }).pipe(Effect.provide(server.layer))
      assert.deepStrictEqual(offered(server), [
        Redacted.value(options.refreshToken),
        Redacted.value(options.refreshToken)
      ])
    })
  )

  it.scoped("keeps the refresh token where the server sends no other (S044)", () =>
    Effect.gen(function* () {
      const { options, server } = yield* loggedIn({ rotation: false })
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(RefreshToken.make(options))
        const token = yield* credentials.token
        assert.strictEqual(secretOf(token.refreshToken), Redacted.value(options.refreshToken))
        yield* credentials.renew(token)
      }).pipe(Effect.provide(server.layer))
      assert.deepStrictEqual(offered(server), [
        Redacted.value(options.refreshToken),
        Redacted.value(options.refreshToken)
      ])
    })
  )

  it.scoped("a lost answer is ambiguous, and the token is not sent a second time by itself (S071)", () =>
    Effect.gen(function* () {
      const { options, server } = yield* loggedIn({ rotation: true })
      server.tokenEndpoint.answerNext({ lost: "answer" })
      const error = yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(RefreshToken.make(options))
        return yield* Effect.flip(credentials.token)
      }).pipe(Effect.provide(server.layer))
      assert.strictEqual(error.reason._tag, "Ambiguous")
      assert.isFalse(error.isRetryable)
      assert.strictEqual(server.tokenEndpoint.requests.length, 1)
    })
  )

  it.scoped.each([
    { reuseWindow: "0 seconds", then: "Rejected", ended: 1 },
    { reuseWindow: "1 minute", then: "token", ended: 0 }
  ] as const)(
    "after a lost answer it is offered once more, half a minute later: with a reuse window of $reuseWindow that is a $then, and no loop (S149)",
    ({ ended, reuseWindow, then }) =>
      Effect.gen(function* () {
        const { options, server } = yield* loggedIn({ rotation: true, reuseWindow, lifetime: "12 hours" })
        server.tokenEndpoint.answerNext({ lost: "answer" })
        yield* Effect.gen(function* () {
          const credentials = yield* Credentials.make(RefreshToken.make(options))
          const outcome = Effect.match(credentials.token, {
            onFailure: ({ reason }) => reason._tag,
            onSuccess: () => "token"
          })
          assert.strictEqual(yield* outcome, "Ambiguous")
          for (let n = 0; n < 29; n++) {
            assert.strictEqual(yield* outcome, "Ambiguous")
            yield* TestClock.adjust("1 second")
          }
          assert.strictEqual(server.tokenEndpoint.requests.length, 1)
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual(yield* outcome, then)
          assert.deepStrictEqual(offered(server), [
            Redacted.value(options.refreshToken),
            Redacted.value(options.refreshToken)
          ])
          assert.strictEqual(server.reuseDetected, ended)
        }).pipe(Effect.provide(server.layer))
      })
  )

  it.scoped("one that has expired is a refusal that says what to do, and is not offered again and again (S158)", () =>
    Effect.gen(function* () {
      const { options, server } = yield* loggedIn({
        rotation: true,
        lifetime: "5 minutes",
        refreshTokenLifetime: "1 day"
      })
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(RefreshToken.make(options))
        yield* credentials.token
        yield* TestClock.adjust("2 days")
        for (let n = 0; n < 60; n++) {
          const error = yield* Effect.flip(credentials.token)
          assert.deepInclude(error.reason, { _tag: "Rejected", code: "invalid_grant" })
          assert.isFalse(error.isRetryable)
          assert.match(error.message, /log in again/)
          yield* TestClock.adjust("1 second")
        }
      }).pipe(Effect.provide(server.layer))
      // The one that worked, then one refusal per half minute that somebody asks.
      assert.isAtMost(server.tokenEndpoint.requests.length, 1 + 2)
    })
  )

  it.scoped("a renewal without a lifetime is not given the one before: the JWT's own counts, or none (S042)", () =>
    Effect.gen(function* () {
      const { options, server } = yield* loggedIn({ rotation: false, lifetime: "5 minutes" })
      const century = 100 * 365 * 86_400
      const jwt = (exp: number) => `${btoa(`{"alg":"none"}`)}.${btoa(JSON.stringify({ exp }))}.`.replaceAll("=", "")
      const answer = (access_token: string) => ({ json: { access_token, token_type: "Bearer" } })
      const lifeOf = (token: Token.Token) =>
        Option.map(token.expiresAt, (at) => DateTime.distance(token.issuedAt, at) / 1000).pipe(Option.getOrNull)
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(RefreshToken.make(options))
        let token = yield* credentials.token
        assert.strictEqual(lifeOf(token), 300)
        for (const [text, life] of [
          ["opaque", null],
          [jwt(7200), 7178],
          [jwt(century), century / 10]
        ] as const) {
          server.tokenEndpoint.answerNext(answer(text))
          yield* TestClock.adjust("11 seconds")
          token = yield* credentials.renew(token)
          assert.strictEqual(lifeOf(token), life, text)
        }
      }).pipe(Effect.provide(server.layer))
    })
  )

  it.scoped("a renewal never asks for more than was granted: it names no scope (S159)", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({
        clients,
        scopes: ["read"],
        lifetime: "5 minutes",
        grants: { password: (_, issue) => issue({ scope: ["read"] }) }
      })
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(
          Password.make({
            tokenEndpoint: server.tokenEndpoint.url,
            ...clients[0]!,
            username: "ada",
            password: "c4nary",
            scope: ["read", "write"]
          })
        )
        yield* credentials.token
        yield* TestClock.adjust("6 minutes")
        assert.deepStrictEqual((yield* credentials.token).scope, ["read"])
      }).pipe(Effect.provide(server.layer))
      assert.deepStrictEqual(
        server.tokenEndpoint.requests.map(({ parameters }) => parameters["scope"]),
        ["read write", undefined]
      )
    })
  )

  it.scoped("with a store, a restart offers the token that was issued last", () =>
    Effect.gen(function* () {
      const { options, server } = yield* loggedIn({ rotation: true, lifetime: "5 minutes" })
      const provider = RefreshToken.make(options).pipe(Provider.persisted())
      const restart = Effect.scoped(Effect.flatMap(Credentials.make(provider), (credentials) => credentials.token))
      yield* Effect.gen(function* () {
        const first = yield* restart
        assert.strictEqual(show(yield* restart), show(first))
        for (let i = 0; i < 3; i++) {
          yield* TestClock.adjust("5 minutes")
          yield* restart
        }
      }).pipe(Effect.provide(server.layer), Effect.provide(TokenStore.layerMemory()))
      assert.strictEqual(offered(server).length, 4)
      assert.strictEqual(server.reuseDetected, 0)
    })
  )

  it.scoped("with a store, two people of one client have a key each, and neither gets the other's token", () =>
    Effect.gen(function* () {
      const { options, server } = yield* loggedIn({ rotation: true })
      const another = yield* server.login({ clientId: "me" })
      const providers = [options.refreshToken, Option.getOrThrow(another.refreshToken)].map((refreshToken) =>
        Provider.persisted(RefreshToken.make({ ...options, refreshToken }))
      )
      const keys = providers.map(({ key }) => Option.getOrThrow(key))
      assert.notInclude(keys.join(), Redacted.value(options.refreshToken))
      yield* Effect.gen(function* () {
        const tokens = yield* Effect.forEach(providers, (provider) =>
          Effect.scoped(Effect.flatMap(Credentials.make(provider), ({ token }) => token))
        )
        assert.strictEqual(new Set(tokens.map(show)).size, 2)
        const stored = yield* Effect.flatMap(TokenStore.TokenStore, ({ list }) => list)
        assert.deepStrictEqual([...stored].sort(), keys.sort())
      }).pipe(Effect.provide(server.layer), Effect.provide(TokenStore.layerMemory()))
      assert.strictEqual(server.reuseDetected, 0)
    })
  )

  it.scoped("with a store that holds a dead one, whoever is given a fresh one begins with that", () =>
    Effect.gen(function* () {
      const { options, server } = yield* loggedIn({
        rotation: true,
        lifetime: "5 minutes",
        refreshTokenLifetime: "1 hour"
      })
      const start = (refreshToken: Redacted.Redacted) =>
        Effect.scoped(
          Effect.flatMap(
            Credentials.make(Provider.persisted(RefreshToken.make({ ...options, refreshToken }))),
            ({ token }) => token
          )
        )
      yield* Effect.gen(function* () {
        yield* start(options.refreshToken)
        yield* TestClock.adjust("2 hours")
        assert.isTrue(Exit.isFailure(yield* Effect.exit(start(options.refreshToken))))
        const fresh = Option.getOrThrow((yield* server.login({ clientId: "me" })).refreshToken)
        yield* start(fresh)
        assert.strictEqual(offered(server).at(-1), Redacted.value(fresh))
      }).pipe(Effect.provide(server.layer), Effect.provide(TokenStore.layerMemory()))
    })
  )

  it.scoped("gives back the refresh token before the access token", () =>
    Effect.gen(function* () {
      const { options, server } = yield* loggedIn({ rotation: true })
      yield* Effect.gen(function* () {
        const credentials = yield* discovering(server, options)
        yield* credentials.token
        yield* credentials.revoke
      }).pipe(Effect.provide(server.layer))
      assert.deepStrictEqual(
        server.revocationEndpoint.requests.map(({ parameters }) => parameters["token_type_hint"]),
        ["refresh_token", "access_token"]
      )
    })
  )

  it.effect("a blank refresh token fails the layer", () =>
    Effect.gen(function* () {
      const { options, server } = yield* loggedIn()
      const error = yield* Effect.flip(
        Effect.scoped(Credentials.make(RefreshToken.make({ ...options, refreshToken: " " })))
      ).pipe(Effect.provide(server.layer))
      assert.deepStrictEqual([error._tag, error.option], ["InvalidOption", "refreshToken"])
    })
  )

  it.effect("reads REFRESH_TOKEN, and a public client needs no secret", () =>
    Effect.gen(function* () {
      const load = (variables: Record<string, string>) =>
        Effect.either(
          Effect.withConfigProvider(
            RefreshToken.fromConfig(),
            ConfigProvider.fromMap(new Map(Object.entries(variables)))
          )
        )
      const complete = yield* load({ REFRESH_TOKEN: "r", TOKEN_URL: "https://id.test/token", CLIENT_ID: "me" })
      assert.strictEqual(complete._tag, "Right")
      const partial = yield* load({ REFRESH_TOKEN: "r", CLIENT_SECRET: "s" })
      assert.strictEqual(
        partial._tag === "Left" ? partial.left.message : "",
        "RefreshToken is half configured: CLIENT_SECRET, REFRESH_TOKEN are set, TOKEN_URL or ISSUER, CLIENT_ID are missing"
      )
    })
  )
})
