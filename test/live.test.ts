/** The whole library over real sockets, against a certified authorization server and an API that asks it about every token. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { generateKeyPairSync, type KeyObject } from "node:crypto"
import { networkInterfaces } from "node:os"
import * as Live from "../examples/support/authorizationServer.ts"
import { protectedApi } from "../examples/support/protectedApi.ts"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import * as ClientAuthentication from "../src/ClientAuthentication.ts"
import * as Credentials from "../src/Credentials.ts"
import type { RefreshError } from "../src/CredentialsError.ts"
import * as DPoP from "../src/DPoP.ts"
import * as Grant from "../src/protocol/Grant.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as RefreshToken from "../src/providers/RefreshToken.ts"
import type { Token } from "../src/Token.ts"
import * as TokenEndpoint from "../src/TokenEndpoint.ts"
import { sharing } from "./support/shared.ts"

// Characters that a careless encoding would spoil.
const oddId = `me & "you":+%`
const oddSecret = `p%2B ss:w&rd=+~"'\\/?#`
const encoded = (text: string): string => new URLSearchParams([["", text]]).toString().slice(1)
const plainSecret = "plain-secret-of-at-least-64-characters-so-that-HS512-is-content-with-it-too"

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" })
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" })
const p521 = generateKeyPairSync("ec", { namedCurve: "P-521" })
const ed25519 = generateKeyPairSync("ed25519")

const pem = (key: KeyObject, type: "pkcs1" | "pkcs8" | "sec1"): Redacted.Redacted =>
  Redacted.make(key.export({ type, format: "pem" }).toString())
const jwk = (key: KeyObject): JsonWebKey => key.export({ format: "jwk" }) as JsonWebKey

const keys: ReadonlyArray<readonly [ClientAuthentication.Algorithm, string, ClientAuthentication.KeyMaterial]> = [
  ["RS256", "PKCS#1", pem(rsa.privateKey, "pkcs1")],
  ["RS384", "PKCS#8", pem(rsa.privateKey, "pkcs8")],
  ["RS512", "a JWK", jwk(rsa.privateKey)],
  ["PS256", "PKCS#8", pem(rsa.privateKey, "pkcs8")],
  ["PS384", "PKCS#1", pem(rsa.privateKey, "pkcs1")],
  ["PS512", "a JWK", jwk(rsa.privateKey)],
  ["ES256", "SEC1", pem(p256.privateKey, "sec1")],
  ["ES384", "PKCS#8", pem(p384.privateKey, "pkcs8")],
  ["ES512", "a JWK", jwk(p521.privateKey)],
  ["EdDSA", "PKCS#8", pem(ed25519.privateKey, "pkcs8")]
]

const machine = (id: string, method: string, more?: object) => ({
  client_id: id,
  token_endpoint_auth_method: method,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
  ...more
})

const person = (id: string, method: string, more?: object) =>
  machine(id, method, {
    application_type: "native",
    grant_types: ["authorization_code", "refresh_token"],
    redirect_uris: ["http://127.0.0.1/callback"],
    response_types: ["code"],
    ...more
  })

const clients = [
  machine(oddId, "client_secret_basic", { client_secret: oddSecret }),
  machine("odd", "client_secret_basic", { client_secret: oddSecret }),
  machine("plain", "client_secret_basic", { client_secret: plainSecret }),
  machine("post", "client_secret_post", { client_secret: oddSecret }),
  machine("hmac", "client_secret_jwt", { client_secret: plainSecret }),
  machine("keys", "private_key_jwt", {
    jwks: { keys: [rsa, p256, p384, p521, ed25519].map(({ publicKey }) => jwk(publicKey)) }
  }),
  person("tool", "none"),
  person("app", "client_secret_basic", { client_secret: plainSecret })
]

const Server = Context.GenericTag<Live.AuthorizationServer>("test/live/Server")
const Shared = Layer.mergeAll(
  Layer.scoped(Server, Live.authorizationServer({ clients })),
  FetchHttpClient.layer,
  Logger.remove(Logger.defaultLogger)
)

const metadata = (server: Live.AuthorizationServer) =>
  AuthorizationServer.make({
    issuer: server.issuer,
    token_endpoint: server.tokenEndpoint,
    revocation_endpoint: server.revocationEndpoint,
    introspection_endpoint: server.introspectionEndpoint
  })

const endpoint = (server: Live.AuthorizationServer, client: ClientAuthentication.Client) =>
  TokenEndpoint.make("Live", { server: metadata(server), ...client })

const machineGrant = Grant.clientCredentials({ scope: ["api"] })
const refusal = <A, R>(effect: Effect.Effect<A, RefreshError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => (reason._tag === "Rejected" ? reason.code : reason._tag))
const accepts = (server: Live.AuthorizationServer, token: Token) =>
  Effect.promise(() => server.accepts(Redacted.value(token.accessToken)))

sharing(Shared)("a client proves who it is with", (it) => {
  const proofs: ReadonlyArray<readonly [string, string, ClientAuthentication.ClientAuthentication]> = [
    ["client_secret_basic, whatever characters are in it", oddId, ClientAuthentication.clientSecretBasic(oddSecret)],
    [
      "client_secret_basic, raw and encoded by hand",
      encoded(oddId),
      ClientAuthentication.clientSecretBasic(encoded(oddSecret), { raw: true })
    ],
    ["client_secret_post", "post", ClientAuthentication.clientSecretPost(oddSecret)],
    ...(["HS256", "HS384", "HS512"] as const).map(
      (algorithm) =>
        [
          `client_secret_jwt, ${algorithm}`,
          "hmac",
          ClientAuthentication.clientSecretJwt(plainSecret, { algorithm })
        ] as const
    ),
    ...keys.map(
      ([algorithm, form, key]) =>
        [
          `private_key_jwt, ${algorithm} from ${form}`,
          "keys",
          ClientAuthentication.privateKeyJwt({ key, algorithm })
        ] as const
    ),
    [
      "private_key_jwt for the issuer",
      "keys",
      ClientAuthentication.privateKeyJwt({ key: jwk(p256.privateKey), algorithm: "ES256", audience: "issuer" })
    ]
  ]

  for (const [title, clientId, authentication] of proofs) {
    it.effect(title, () =>
      Effect.gen(function* () {
        const server = yield* Server
        const self = endpoint(server, { clientId, authentication })
        yield* TokenEndpoint.check(self)
        const token = yield* TokenEndpoint.exchange(self, machineGrant)
        assert.isTrue(yield* accepts(server, token))
        assert.deepStrictEqual([token.tokenType, token.scope], ["bearer", ["api"]])
        assert.deepStrictEqual(
          Option.map(token.expiresAt, (expiresAt) => DateTime.distance(token.issuedAt, expiresAt)),
          Option.some(60_000)
        )
        // A server that remembers assertions takes none of them twice.
        assert.isTrue(yield* accepts(server, yield* TokenEndpoint.exchange(self, machineGrant)))
      })
    )
  }

  it.effect("none, where it is a public client", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const refreshToken = yield* Effect.promise(() => server.issueRefreshToken("tool", "api"))
      const self = endpoint(server, { clientId: "tool" })
      const token = yield* TokenEndpoint.exchange(self, Grant.refreshToken(Redacted.make(refreshToken)))
      assert.isTrue(yield* accepts(server, token))
    })
  )
})

sharing(Shared)("an authorization server refuses", (it) => {
  const refused = (clientId: string, authentication: ClientAuthentication.ClientAuthentication) =>
    Effect.gen(function* () {
      const server = yield* Server
      const before = server.tokenRequests()
      const code = yield* refusal(TokenEndpoint.exchange(endpoint(server, { clientId, authentication }), machineGrant))
      assert.strictEqual(server.tokenRequests(), before + 1)
      return code
    })

  it.effect("a wrong secret, once: nothing is tried again", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* refused("plain", ClientAuthentication.clientSecretBasic("wrong")), "invalid_client")
      assert.strictEqual(yield* refused("post", ClientAuthentication.clientSecretPost("wrong")), "invalid_client")
      assert.strictEqual(
        yield* refused("hmac", ClientAuthentication.clientSecretJwt("wrong".repeat(20))),
        "invalid_client"
      )
    })
  )

  it.effect("a key that is not the client's", () =>
    Effect.gen(function* () {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
      const authentication = ClientAuthentication.privateKeyJwt({ key: jwk(privateKey), algorithm: "ES256" })
      assert.strictEqual(yield* refused("keys", authentication), "invalid_client")
    })
  )

  it.effect("a secret with odd characters that is sent raw, for it decodes", () =>
    Effect.gen(function* () {
      const raw = ClientAuthentication.clientSecretBasic(oddSecret, { raw: true })
      assert.strictEqual(yield* refused("odd", raw), "invalid_client")
      const server = yield* Server
      const authentication = ClientAuthentication.clientSecretBasic(oddSecret)
      yield* TokenEndpoint.exchange(endpoint(server, { clientId: "odd", authentication }), machineGrant)
    })
  )
})

describe("discovery", () => {
  for (const [title, onlyOAuthMetadata] of [
    ["OpenID Connect's address", false],
    ["the address of RFC 8414, where OpenID Connect's has nothing", true]
  ] as const) {
    it.scopedLive(`finds all endpoints at ${title}`, () =>
      Effect.gen(function* () {
        const live = yield* Live.authorizationServer({ clients, onlyOAuthMetadata })
        const server = AuthorizationServer.discover(live.issuer)
        const found = yield* server.metadata
        assert.deepInclude(found, {
          issuer: live.issuer,
          token_endpoint: live.tokenEndpoint,
          revocation_endpoint: live.revocationEndpoint,
          introspection_endpoint: live.introspectionEndpoint
        })
        const provider = ClientCredentials.make({ server, clientId: "plain", clientSecret: plainSecret })
        const token = yield* Effect.flatMap(Credentials.make(provider), (credentials) => credentials.token)
        assert.isTrue(yield* accepts(live, token))
      }).pipe(Effect.provide(FetchHttpClient.layer))
    )
  }

  it.scopedLive("refuses metadata of an issuer that is written differently", () =>
    Effect.gen(function* () {
      const { issuer } = yield* Live.authorizationServer({ clients })
      const { port } = new URL(issuer)
      const server = AuthorizationServer.discover(`http://localhost:${port}`)
      assert.strictEqual(yield* refusal(server.metadata), "InvalidResponse")
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )
})

sharing(Shared)("a refresh token that rotates", (it) => {
  const issued = (server: Live.AuthorizationServer, clientId: string) =>
    Effect.map(
      Effect.promise(() => server.issueRefreshToken(clientId, "api offline_access")),
      Redacted.make
    )

  it.effect("works once: offered again, everything that came of it is revoked", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const self = endpoint(server, { clientId: "tool" })
      const spend = (refreshToken: Redacted.Redacted) => TokenEndpoint.exchange(self, Grant.refreshToken(refreshToken))
      const given = yield* issued(server, "tool")
      const first = yield* spend(given)
      const second = yield* spend(Option.getOrThrow(first.refreshToken))
      assert.isTrue(yield* accepts(server, second))
      assert.strictEqual(yield* refusal(spend(given)), "invalid_grant")
      assert.isFalse(yield* accepts(server, second))
      assert.strictEqual(yield* refusal(spend(Option.getOrThrow(second.refreshToken))), "invalid_grant")
    })
  )

  it.effect("is followed by the credentials, which spend each one once", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const credentials = yield* Credentials.make(
        RefreshToken.make({
          server: metadata(server),
          clientId: "app",
          clientSecret: plainSecret,
          refreshToken: yield* issued(server, "app")
        })
      )
      const first = yield* credentials.token
      const second = yield* credentials.renew(first)
      assert.notStrictEqual(Redacted.value(second.accessToken), Redacted.value(first.accessToken))
      assert.isTrue(yield* accepts(server, second))
      yield* credentials.revoke
      assert.isFalse(yield* accepts(server, first))
      assert.isFalse(yield* accepts(server, second))
      assert.strictEqual(yield* refusal(credentials.token), "invalid_grant")
    })
  )
})

describe("a refresh token that does not rotate", () => {
  it.scopedLive("is spent again and again", () =>
    Effect.gen(function* () {
      const server = yield* Live.authorizationServer({ clients, rotates: false })
      const refreshToken = yield* Effect.promise(() => server.issueRefreshToken("app", "api"))
      const self = endpoint(server, { clientId: "app", clientSecret: plainSecret })
      const spend = TokenEndpoint.exchange(self, Grant.refreshToken(Redacted.make(refreshToken)))
      const first = yield* spend
      const second = yield* spend
      assert.isTrue((yield* accepts(server, first)) && (yield* accepts(server, second)))
      assert.notStrictEqual(Redacted.value(first.accessToken), Redacted.value(second.accessToken))
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )
})

sharing(Shared)("a token", (it) => {
  it.effect("is active until it is revoked, and revoking it again does no harm", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const self = endpoint(server, { clientId: "plain", clientSecret: plainSecret })
      const { accessToken } = yield* TokenEndpoint.exchange(self, machineGrant)
      const before = yield* TokenEndpoint.introspect(self, accessToken, "access_token")
      assert.isTrue(before.active)
      assert.deepInclude(before.members, { client_id: "plain", scope: "api", iss: server.issuer })
      yield* TokenEndpoint.revoke(self, accessToken, "access_token")
      const after = yield* TokenEndpoint.introspect(self, accessToken, "access_token")
      assert.deepStrictEqual(after, { active: false, members: { active: false } })
      yield* TokenEndpoint.revoke(self, accessToken, "access_token")
    })
  )

  it.effect("is not revoked by somebody who cannot prove who he is", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const token = yield* TokenEndpoint.exchange(
        endpoint(server, { clientId: "plain", clientSecret: plainSecret }),
        machineGrant
      )
      const stranger = endpoint(server, { clientId: "plain", clientSecret: "wrong" })
      const error = yield* Effect.flip(TokenEndpoint.revoke(stranger, token.accessToken, "access_token"))
      assert.deepInclude(error.reason, { _tag: "Rejected", code: "invalid_client" })
      assert.isTrue(yield* accepts(server, token))
    })
  )
})

const hasV6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))

describe.skipIf(!hasV6)("a server on ::1", () => {
  it.scopedLive("is found, issues tokens, rotates and revokes them, and takes proofs for such an address", () =>
    Effect.gen(function* () {
      const server = yield* Live.authorizationServer({ clients, host: "::1", nonces: true })
      assert.match(server.issuer, /^http:\/\/\[::1\]:\d+$/)
      const { issuer } = server
      const app = { issuer, clientId: "app", clientSecret: plainSecret }
      const refreshToken = yield* Effect.promise(() => server.issueRefreshToken("app", "api offline_access"))
      const credentials = yield* Credentials.make(RefreshToken.make({ ...app, refreshToken }))
      const first = yield* credentials.token
      const second = yield* credentials.renew(first)
      assert.isTrue(yield* accepts(server, second))
      const spent = new Set([first, second].map((token) => Redacted.value(Option.getOrThrow(token.refreshToken))))
      assert.strictEqual(spent.add(refreshToken).size, 3)
      yield* credentials.revoke
      assert.isFalse(yield* accepts(server, second))
      const bound = yield* Credentials.make(
        ClientCredentials.make({ issuer, clientId: "plain", clientSecret: plainSecret, authorization: DPoP.make() })
      )
      assert.strictEqual((yield* bound.token).tokenType, "dpop")
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )
})

describe("a server that has stopped", () => {
  it.live("was not reached, and a grant that can be spent only once was not spent", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const server = yield* Scope.extend(Live.authorizationServer({ clients }), scope)
      const self = TokenEndpoint.make("Live", {
        tokenEndpoint: server.tokenEndpoint,
        clientId: "tool",
        retry: Schedule.stop
      })
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* refusal(TokenEndpoint.exchange(self, machineGrant)), "Transport")
      const spending = TokenEndpoint.exchange(self, Grant.refreshToken(Redacted.make("never sent")))
      assert.strictEqual(yield* refusal(spending), "Transport")
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )
})

describe("the authenticated client", () => {
  /** A server, an API that believes it, and a client with credentials from the one for the other. */
  const stack = (
    accessTokenSeconds: number,
    build: (
      options: ClientCredentials.Options
    ) => Layer.Layer<Credentials.Id<"default">, unknown, HttpClient.HttpClient>
  ) =>
    Effect.gen(function* () {
      const server = yield* Live.authorizationServer({ clients, accessTokenSeconds })
      const api = yield* protectedApi(server.accepts)
      const options = { server: metadata(server), clientId: "plain", clientSecret: plainSecret, scope: ["api"] }
      const context = yield* Layer.build(
        AuthenticatedHttpClient.layer({ origins: [api.url] }).pipe(
          Layer.provideMerge(build(options)),
          Layer.provide(FetchHttpClient.layer)
        )
      )
      const client = Context.get(context, AuthenticatedHttpClient.AuthenticatedHttpClient)
      const call = Effect.flatMap(client.get(api.url), (response) => Effect.as(response.text, response.status))
      return { api, call, credentials: Context.get(context, Credentials.Credentials), options, server }
    })

  /** The server forgets the token that is held, and nobody tells the credentials. */
  const revokeBehindTheirBack = ({ credentials, options }: Effect.Effect.Success<ReturnType<typeof stack>>) =>
    Effect.gen(function* () {
      const { accessToken } = yield* credentials.token
      yield* TokenEndpoint.revoke(TokenEndpoint.make("Elsewhere", options), accessToken, "access_token")
    }).pipe(Effect.provide(FetchHttpClient.layer))

  it.scopedLive(
    "never meets a 401 while tokens of 3 seconds come and go, renewed on schedule or on demand",
    () => {
      const onSchedule = (options: ClientCredentials.Options) =>
        Credentials.layerScheduled(ClientCredentials.make(options))
      return Effect.forEach(
        [onSchedule, ClientCredentials.layer],
        (build) =>
          Effect.gen(function* () {
            const { api, call, server } = yield* stack(3, build)
            const statuses = new Set<number>()
            const caller = Effect.sleep("10 millis").pipe(
              Effect.zipRight(call),
              Effect.map((status) => statuses.add(status)),
              Effect.repeat({ until: () => server.tokenRequests() === 3 })
            )
            yield* Effect.replicateEffect(caller, 4, { concurrency: "unbounded", discard: true })
            assert.deepStrictEqual([...statuses], [200])
            assert.strictEqual(api.unauthorized(), 0)
          }),
        { concurrency: "unbounded" }
      )
    },
    20_000
  )

  it.scopedLive("answers a 401 with one renewal and one replay", () =>
    Effect.gen(function* () {
      const all = yield* stack(60, ClientCredentials.layer)
      assert.strictEqual(yield* all.call, 200)
      yield* revokeBehindTheirBack(all)
      assert.strictEqual(yield* all.call, 200)
      assert.deepStrictEqual([all.server.tokenRequests(), all.api.requests(), all.api.unauthorized()], [2, 3, 1])
    })
  )

  it.scopedLive("renews once for all requests that meet a 401 together", () =>
    Effect.gen(function* () {
      const all = yield* stack(60, ClientCredentials.layer)
      assert.strictEqual(yield* all.call, 200)
      yield* revokeBehindTheirBack(all)
      const statuses = yield* Effect.replicateEffect(all.call, 20, { concurrency: "unbounded" })
      assert.deepStrictEqual([...new Set(statuses)], [200])
      assert.strictEqual(all.server.tokenRequests(), 2)
      assert.strictEqual(all.api.requests(), 1 + 20 + all.api.unauthorized())
    })
  )
})
