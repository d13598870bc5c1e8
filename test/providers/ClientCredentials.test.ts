import { assert, describe, it } from "@effect/vitest"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import * as AuthorizationServer from "../../src/AuthorizationServer.ts"
import * as ClientAuthentication from "../../src/ClientAuthentication.ts"
import * as Credentials from "../../src/Credentials.ts"
import * as ClientCredentials from "../../src/providers/ClientCredentials.ts"
import * as Testing from "../../src/Testing.ts"
import * as TokenEndpoint from "../../src/TokenEndpoint.ts"
import { show } from "../support/engine.ts"
import { contract } from "./contract.ts"

const clients = [{ clientId: "me", clientSecret: "c4nary" }]
const client = { clientId: "me", clientSecret: Redacted.make("c4nary") }

describe("ClientCredentials", () => {
  const server = Testing.authorizationServer({ clients })
  contract<HttpClient.HttpClient>({
    name: "ClientCredentials",
    make: () => ClientCredentials.make({ tokenEndpoint: server.tokenEndpoint.url, ...client }),
    failing: () =>
      ClientCredentials.make({ tokenEndpoint: server.tokenEndpoint.url, clientId: "me", clientSecret: "c4nary-wrong" }),
    secrets: ["c4nary"],
    provide: (effect) => Effect.scoped(Effect.provide(effect, server.layer))
  })

  const obtained = (make: (server: Testing.TestServer) => Layer.Layer<Credentials.Id<"default">, any, any>) =>
    Effect.suspend(() => {
      const server = Testing.authorizationServer({ clients })
      return Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token).pipe(
        Effect.provide(make(server) as Layer.Layer<Credentials.Id<"default">>),
        Effect.provide(server.layer),
        Effect.either,
        Effect.map((result) => ({ result, server }))
      )
    })

  it.effect("asks for what the options say", () =>
    Effect.gen(function* () {
      const { result, server } = yield* obtained((server) =>
        ClientCredentials.layer({
          tokenEndpoint: server.tokenEndpoint.url,
          ...client,
          scope: ["read", "write"],
          audience: "https://api.test",
          resource: ["https://api.test/a", "https://api.test/b"],
          parameters: { tenant: "t1" }
        })
      )
      assert.strictEqual(result._tag, "Right")
      assert.strictEqual(server.requests.length, 1)
      const sent = server.requests[0]!
      assert.deepStrictEqual(Array.from(new URLSearchParams(Redacted.value(sent.body))), [
        ["grant_type", "client_credentials"],
        ["scope", "read write"],
        ["audience", "https://api.test"],
        ["resource", "https://api.test/a"],
        ["resource", "https://api.test/b"],
        ["tenant", "t1"]
      ])
    })
  )

  it.effect(
    "metadata that lists only methods nobody here knows keeps no client from working, and a refusal is typed (S265)",
    () =>
      Effect.gen(function* () {
        const metadata = {
          token_endpoint_auth_methods_supported: ["kerberos"],
          token_endpoint_auth_signing_alg_values_supported: ["none"],
          code_challenge_methods_supported: []
        }
        const server = Testing.authorizationServer({ clients, metadata })
        for (const [secret, outcome] of [
          ["c4nary", "token"],
          ["wrong", "Rejected invalid_client"]
        ] as const) {
          const provider = ClientCredentials.make({ issuer: server.issuer, clientId: "me", clientSecret: secret })
          const got = yield* Effect.scoped(Effect.flatMap(Credentials.make(provider), ({ token }) => token)).pipe(
            Effect.provide(server.layer),
            Effect.match({
              onFailure: (error) =>
                error._tag === "RefreshError" && error.reason._tag === "Rejected"
                  ? `Rejected ${error.reason.code}`
                  : error._tag,
              onSuccess: () => "token"
            })
          )
          assert.strictEqual(got, outcome)
        }
        assert.strictEqual(server.tokenEndpoint.requests.length, 2)
      })
  )

  it.effect("finds the token endpoint by discovery, once", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const server = Testing.authorizationServer({ clients })
        yield* Effect.gen(function* () {
          const credentials = yield* Credentials.make(
            ClientCredentials.make({ server: AuthorizationServer.discover(server.issuer), ...client })
          )
          assert.strictEqual(server.requests.length, 0)
          const token = yield* credentials.token
          yield* credentials.renew(token)
          assert.deepStrictEqual(
            server.requests.map(({ method }) => method),
            ["GET", "POST", "POST"]
          )
        }).pipe(Effect.provide(server.layer))
      })
    )
  )

  it.effect("reads its settings from the environment, with TOKEN_URL or ISSUER", () =>
    Effect.gen(function* () {
      for (const where of ["TOKEN_URL", "ISSUER"] as const) {
        const { result, server } = yield* obtained((server) =>
          ClientCredentials.layerConfig().pipe(
            Layer.provide(
              Layer.setConfigProvider(
                ConfigProvider.fromMap(
                  new Map([
                    [where, where === "ISSUER" ? server.issuer : server.tokenEndpoint.url],
                    ["CLIENT_ID", "me"],
                    ["CLIENT_SECRET", "c4nary"],
                    ["SCOPE", "read  write"]
                  ])
                )
              )
            )
          )
        )
        assert.strictEqual(result._tag, "Right")
        assert.strictEqual(server.requests.at(-1)!.parameters["scope"], "read write")
      }
    })
  )

  it.effect("does not look for a secret where the client proves itself in another way", () =>
    Effect.gen(function* () {
      const { result } = yield* obtained((server) =>
        ClientCredentials.layerConfig(
          { tokenEndpoint: Config.succeed(server.tokenEndpoint.url), clientId: Config.succeed("me") },
          { authentication: ClientAuthentication.clientSecretPost("c4nary"), renewAhead: "30 seconds" }
        ).pipe(Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map()))))
      )
      assert.strictEqual(result._tag, "Right")
    })
  )

  it.effect("a wrong secret is refused, by name", () =>
    Effect.gen(function* () {
      const { result } = yield* obtained((server) =>
        ClientCredentials.layer({ tokenEndpoint: server.tokenEndpoint.url, clientId: "me", clientSecret: "wrong" })
      )
      assert.isTrue(
        result._tag === "Left" && result.left.reason._tag === "Rejected" && result.left.reason.code === "invalid_client"
      )
    })
  )

  it.effect("options that cannot work fail the layer by name, and nothing is sent (S259, S091)", () =>
    Effect.gen(function* () {
      const key = "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----"
      const cases: ReadonlyArray<readonly [string, Partial<Record<keyof ClientCredentials.Options, unknown>>]> = [
        ["tokenEndpoint", { tokenEndpoint: "http://id.example.com/token" }],
        ["tokenEndpoint", { tokenEndpoint: "/token" }],
        ["tokenEndpoint", { tokenEndpoint: "ftp://id.example.com/token" }],
        ["tokenEndpoint", { tokenEndpoint: "https://user:pass@id.example.com/token" }],
        ["tokenEndpoint", { tokenEndpoint: "https://id.exa\nmple.com/token" }],
        ["tokenEndpoint", { tokenEndpoint: "" }],
        ["issuer", { tokenEndpoint: undefined, issuer: "http://id.example.com" }],
        ["issuer", { tokenEndpoint: undefined, issuer: "id.example.com" }],
        ["clientId", { clientId: " " }],
        ["clientId", { clientId: "a\r\nb" }],
        ["clientSecret", { clientSecret: "" }],
        ["scope", { scope: ["read write"] }],
        ["resource", { resource: "api" }],
        ["parameters", { parameters: { grant_type: "password" } }],
        ["parameters", { parameters: { client_secret: "x" } }],
        ["timeLimit", { timeLimit: 0 }],
        [
          "key",
          { clientSecret: undefined, authentication: ClientAuthentication.privateKeyJwt({ key, algorithm: "RS256" }) }
        ]
      ]
      for (const [option, options] of cases) {
        const { result, server } = yield* obtained((server) =>
          ClientCredentials.layer({
            tokenEndpoint: server.tokenEndpoint.url,
            ...client,
            ...options
          } as ClientCredentials.Options)
        )
        assert.deepStrictEqual(
          result._tag === "Left" && "option" in result.left ? [result.left._tag, result.left.option] : result,
          ["InvalidOption", option],
          JSON.stringify(options)
        )
        assert.strictEqual(server.requests.length, 0)
      }
    })
  )

  it("a secret given as a plain string is not found in the recipe or its endpoint (S037)", () => {
    const plain = { tokenEndpoint: "https://id.test/token", clientId: "me", clientSecret: "c4nary" }
    for (const value of [ClientCredentials.make(plain), TokenEndpoint.make("Mine", plain)]) {
      assert.notInclude(inspect(value, { depth: 20, showHidden: true }) + JSON.stringify(value), "c4nary")
    }
  })

  it.effect("two that differ in anything never share a key", () =>
    Effect.sync(() => {
      const base = { tokenEndpoint: "https://id.test/token", clientId: "me" }
      const all = [
        base,
        { ...base, clientId: "you" },
        { ...base, tokenEndpoint: "https://id.test/token2" },
        { ...base, scope: ["a b"] },
        { ...base, scope: ["a", "b"] },
        { ...base, audience: "a" },
        { ...base, resource: "a" },
        { ...base, parameters: { organization: "a" } },
        { ...base, parameters: { organization: "b" } }
      ].map((options) => ClientCredentials.make(options).key)
      assert.strictEqual(new Set(all.map((key) => JSON.stringify(key))).size, all.length)
      assert.deepStrictEqual(
        ClientCredentials.make({ ...base, scope: ["b", "a"] }).key,
        ClientCredentials.make({ ...base, scope: ["a", "b"] }).key
      )
    })
  )

  it.scoped("gives a token back at the server", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ clients })
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(
          ClientCredentials.make({ server: AuthorizationServer.discover(server.issuer), ...client })
        )
        const token = yield* credentials.token
        yield* credentials.revoke
        assert.include(server.revoked.map(Redacted.value), show(token))
      }).pipe(Effect.provide(server.layer))
    })
  )
})
