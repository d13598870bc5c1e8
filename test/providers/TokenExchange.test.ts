import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { inspect } from "node:util"
import * as Credentials from "../../src/Credentials.ts"
import { RefreshError } from "../../src/CredentialsError.ts"
import * as Provider from "../../src/Provider.ts"
import * as TokenExchange from "../../src/providers/TokenExchange.ts"
import * as Testing from "../../src/Testing.ts"
import { contract } from "./contract.ts"

const grant = "urn:ietf:params:oauth:grant-type:token-exchange"
const uri = (type: string) => `urn:ietf:params:oauth:token-type:${type}`

const serverOf = (extra: Readonly<Record<string, unknown>> = {}, more?: Testing.Options) =>
  Testing.authorizationServer({
    grants: {
      [grant]: ({ parameters }, issue) =>
        parameters["subject_token"]?.startsWith("c4nary-good") === true
          ? issue({ extra: { issued_token_type: uri("access_token"), ...extra } })
          : Effect.succeed({ status: 400, json: { error: "invalid_request", error_description: "no such subject" } })
    },
    ...more
  })

const sent = ({ tokenEndpoint }: Testing.TestServer) =>
  tokenEndpoint.requests.map(({ body }) => Array.from(new URLSearchParams(Redacted.value(body))))

const token = <R = never>(server: Testing.TestServer, options: Partial<TokenExchange.Options<R>>) =>
  Effect.scoped(
    Effect.flatMap(
      Credentials.make(
        TokenExchange.make<R>({
          tokenEndpoint: server.tokenEndpoint.url,
          subjectToken: Redacted.make("c4nary-good"),
          subjectTokenType: "jwt",
          ...options
        } as TokenExchange.Options<R>)
      ),
      (credentials) => credentials.token
    )
  ).pipe(Effect.provide(server.layer))

class Runner extends Context.Tag("Runner")<Runner, { readonly read: Effect.Effect<string> }>() {}

describe("TokenExchange", () => {
  const server = serverOf()
  const options = { tokenEndpoint: server.tokenEndpoint.url, subjectTokenType: "jwt" } as const
  contract<HttpClient.HttpClient>({
    name: "TokenExchange",
    make: () =>
      TokenExchange.make({ ...options, subjectToken: "c4nary-good", clientId: "me", clientSecret: "c4nary-s" }),
    failing: () => TokenExchange.make({ ...options, subjectToken: Effect.succeed("c4nary-unknown") }),
    secrets: ["c4nary"],
    provide: (effect) => Effect.scoped(Effect.provide(effect, server.layer))
  })

  it.effect("sends what RFC 8693 §2.1 wants, and no client where there is none", () =>
    Effect.gen(function* () {
      const server = serverOf()
      yield* token(server, {
        actorToken: Effect.succeed(Redacted.make("c4nary-actor")),
        actorTokenType: "urn:example:badge",
        requestedTokenType: "accessToken",
        audience: ["billing", "files"],
        resource: "https://api.test/",
        scope: ["read", "write"]
      })
      assert.deepStrictEqual(sent(server), [
        [
          ["grant_type", grant],
          ["subject_token", "c4nary-good"],
          ["subject_token_type", uri("jwt")],
          ["actor_token", "c4nary-actor"],
          ["actor_token_type", "urn:example:badge"],
          ["requested_token_type", uri("access_token")],
          ["scope", "read write"],
          ["audience", "billing"],
          ["audience", "files"],
          ["resource", "https://api.test/"]
        ]
      ])
      assert.isUndefined(server.tokenEndpoint.requests[0]!.headers["authorization"])
    })
  )

  it.effect("a client proves who it is, and a public one says its name", () =>
    Effect.gen(function* () {
      const server = serverOf()
      yield* token(server, { clientId: "me", clientSecret: "c4nary-s" })
      yield* token(server, { clientId: "me" })
      const [confidential, open] = server.tokenEndpoint.requests
      assert.strictEqual(confidential!.headers["authorization"], `Basic ${btoa("me:c4nary-s")}`)
      assert.strictEqual(open!.parameters["client_id"], "me")
    })
  )

  it.effect("reads the token to trade anew at every exchange, from wherever its Effect says", () =>
    Effect.gen(function* () {
      const server = serverOf({}, { lifetime: "5 minutes" })
      let n = 0
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(
          TokenExchange.make({ ...options, subjectToken: Effect.flatMap(Runner, (runner) => runner.read) })
        )
        for (let i = 0; i < 3; i++) {
          yield* credentials.token
          yield* TestClock.adjust("6 minutes")
        }
      }).pipe(
        Effect.scoped,
        Effect.provideService(Runner, { read: Effect.sync(() => `c4nary-good-${++n}`) }),
        Effect.provide(server.layer)
      )
      assert.deepStrictEqual(
        server.tokenEndpoint.requests.map(({ parameters }) => parameters["subject_token"]),
        ["c4nary-good-1", "c4nary-good-2", "c4nary-good-3"]
      )
    })
  )

  it.effect("a token of another type than asked for is not used (RFC 8693 §2.2.1)", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [string, Partial<TokenExchange.Options>, boolean]> = [
        ["access_token", {}, true],
        ["jwt", {}, true],
        ["refresh_token", {}, false],
        ["id_token", {}, false],
        ["id_token", { requestedTokenType: "idToken" }, true],
        ["access_token", { requestedTokenType: "idToken" }, false]
      ]
      for (const [issued, options, taken] of cases) {
        const server = serverOf({
          issued_token_type: uri(issued),
          token_type: issued === "id_token" ? "N_A" : "Bearer"
        })
        const result = yield* Effect.either(token(server, options))
        assert.strictEqual(result._tag, taken ? "Right" : "Left", JSON.stringify([issued, options]))
        if (result._tag === "Left") {
          assert.include(result.left.message, "issued_token_type is not what was asked for")
        }
      }
    })
  )

  it.effect("fails as the source fails, and says where it comes from if it is empty; nothing is sent", () =>
    Effect.gen(function* () {
      const server = serverOf()
      const gone = new RefreshError({ provider: "File", reason: { _tag: "Source", description: "no such file" } })
      const same = yield* Effect.flip(token(server, { subjectToken: Effect.fail(gone) }))
      assert.strictEqual(same.message, gone.message)
      const empty = yield* Effect.flip(token(server, { subjectToken: Effect.succeed(" \n") }))
      assert.strictEqual(empty.message, "TokenExchange: the token to trade is empty: check where it comes from")
      const actor = { actorToken: Effect.succeed(Redacted.make("")), actorTokenType: "jwt" } as const
      assert.include((yield* Effect.flip(token(server, actor))).message, "the actor's token is empty")
      assert.strictEqual(server.requests.length, 0)
    })
  )

  it.effect("is asked again after a lost answer: nothing of it is spent by that", () =>
    Effect.gen(function* () {
      const server = serverOf()
      server.tokenEndpoint.answerNext({ lost: "answer" })
      const fiber = yield* Effect.fork(token(server, {}))
      yield* TestClock.adjust("5 seconds")
      yield* fiber
      assert.strictEqual(server.tokenEndpoint.requests.length, 2)
    })
  )

  it("shows no token when it is looked at, and has no key that subjects would share", () => {
    const provider = TokenExchange.make({
      ...options,
      subjectToken: "c4nary-subject",
      actorToken: "c4nary-actor",
      actorTokenType: "jwt"
    })
    assert.notInclude(inspect(provider, { depth: 20, showHidden: true }) + JSON.stringify(provider), "c4nary")
    assert.isTrue(Option.isNone(provider.key))
    assert.isTrue(Option.isSome(Provider.persisted(provider, "mine").key))
  })

  it.effect("options that cannot work fail the layer by name, and nothing is sent", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [string, Partial<Record<keyof TokenExchange.Options, unknown>>]> = [
        ["subjectToken", { subjectToken: " " }],
        ["subjectToken", { subjectToken: Redacted.make("") }],
        ["subjectTokenType", { subjectTokenType: "id_token" }],
        ["subjectTokenType", { subjectTokenType: "" }],
        ["subjectTokenType", { subjectTokenType: "urn:with space" }],
        ["requestedTokenType", { requestedTokenType: "saml" }],
        ["actorToken", { actorToken: "", actorTokenType: "jwt" }],
        ["actorTokenType", { actorToken: "a" }],
        ["actorTokenType", { actorTokenType: "jwt" }],
        ["parameters", { parameters: { requested_token_type: uri("jwt") } }],
        ["tokenEndpoint", { tokenEndpoint: "http://id.test/token" }],
        ["resource", { resource: "api" }],
        ["clientId", { clientId: " " }]
      ]
      const server = serverOf()
      for (const [option, options] of cases) {
        const error = yield* Effect.flip(token(server, options as Partial<TokenExchange.Options>))
        assert.deepStrictEqual(
          "option" in error ? [error._tag, error.option] : error,
          ["InvalidOption", option],
          JSON.stringify(options)
        )
      }
      assert.strictEqual(server.requests.length, 0)
    })
  )

  it.effect("takes server and client from configuration, and the rest as options", () =>
    Effect.gen(function* () {
      const server = serverOf()
      const credentials = TokenExchange.layerConfig(
        { subjectToken: Effect.succeed("c4nary-good"), subjectTokenType: "jwt", renewAhead: "30 seconds" },
        { audience: Config.string("AUDIENCE") }
      )
      yield* Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token).pipe(
        Effect.provide(credentials),
        Effect.provide(server.layer),
        Effect.withConfigProvider(
          ConfigProvider.fromMap(
            new Map([
              ["TOKEN_URL", server.tokenEndpoint.url],
              ["CLIENT_ID", "me"],
              ["AUDIENCE", "billing"]
            ])
          )
        )
      )
      const { parameters } = server.tokenEndpoint.requests[0]!
      assert.deepStrictEqual([parameters["client_id"], parameters["audience"]], ["me", "billing"])
    })
  )
})
