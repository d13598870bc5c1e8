/** Clients that are known by the certificate of their connection (RFC 8705), over real TLS: a certified authorization server, and an API that wants the same certificate. */
import type { HttpClient } from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { certified } from "../examples/support/certificates.ts"
import * as MutualTls from "../examples/support/mutualTls.ts"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import * as ClientAuthentication from "../src/ClientAuthentication.ts"
import * as Credentials from "../src/Credentials.ts"
import * as DPoP from "../src/DPoP.ts"
import type { Provider } from "../src/Provider.ts"
import * as Grant from "../src/protocol/Grant.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as RefreshToken from "../src/providers/RefreshToken.ts"
import * as StaticToken from "../src/providers/StaticToken.ts"
import * as TokenEndpoint from "../src/TokenEndpoint.ts"
import * as FakeServer from "./support/FakeServer.ts"
import { sharing } from "./support/shared.ts"

const mine = certified("me")
const renewed = certified("me-again")
const theirs = certified("somebody-else")

const machine = (id: string, method: string, more: object) => ({
  client_id: id,
  token_endpoint_auth_method: method,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
  tls_client_certificate_bound_access_tokens: true,
  ...more
})

const Servers = Context.GenericTag<MutualTls.Servers>("test/mutualTls/Servers")
const Shared = Layer.mergeAll(
  Layer.scoped(
    Servers,
    MutualTls.servers(
      [
        machine("issued", "tls_client_auth", { tls_client_auth_subject_dn: "CN=me" }),
        machine("registered", "self_signed_tls_client_auth", { jwks: { keys: [mine.jwk] } }),
        machine("secret", "client_secret_basic", { client_secret: "s3cret" }),
        machine("unbound", "client_secret_basic", {
          client_secret: "s3cret",
          tls_client_certificate_bound_access_tokens: false
        }),
        machine("tool", "none", {
          application_type: "native",
          grant_types: ["authorization_code", "refresh_token"],
          redirect_uris: ["http://127.0.0.1/callback"],
          response_types: ["code"]
        })
      ],
      [mine, renewed, theirs].map(({ cert }) => cert)
    )
  ),
  Logger.remove(Logger.defaultLogger)
)

/** What the API answers somebody with this certificate, and what was asked for on the way. */
const calling = (make: (issuer: string) => Provider<HttpClient>, identity: MutualTls.Identity | undefined) =>
  Effect.gen(function* () {
    const { api, ca, issuer, seen } = yield* Servers
    const before = seen.length
    const Http = MutualTls.httpClient(ca, identity)
    const Api = AuthenticatedHttpClient.layer({ origins: [api] }).pipe(
      Layer.provideMerge(Credentials.layer(make(issuer))),
      Layer.provide(Http)
    )
    const { status, token } = yield* Effect.gen(function* () {
      const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
      const response = yield* client.get(`${api}/api`)
      yield* response.text
      const { token } = yield* Credentials.Credentials
      return { status: response.status, token: yield* token }
    }).pipe(Effect.provide(Api))
    return { paths: seen.slice(before).filter((path) => !path.includes(".well-known")), status, token }
  })

const reasonOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const { reason } = error as { readonly reason?: { readonly _tag: string; readonly code?: string } }
    return reason?.code ?? reason?._tag
  })

sharing(Shared)("mutual TLS", (it) => {
  describe("a client is known by its certificate", () => {
    it.effect.each([
      ["issued", ClientAuthentication.tlsClientAuth],
      ["registered", ClientAuthentication.selfSignedTlsClientAuth]
    ] as const)(
      "which was %s, at the endpoint for such clients; the API sees the same one (S098)",
      ([clientId, authentication]) =>
        Effect.gen(function* () {
          const { paths, status } = yield* calling(
            (issuer) => ClientCredentials.make({ issuer, clientId, authentication, scope: ["api"] }),
            mine
          )
          assert.strictEqual(status, 200)
          assert.deepStrictEqual(paths, ["tls /token", "tls /api"])
        })
    )

    it.effect.each([
      ["issued", ClientAuthentication.tlsClientAuth],
      ["registered", ClientAuthentication.selfSignedTlsClientAuth]
    ] as const)("and refused with that of another (%s)", ([clientId, authentication]) =>
      Effect.gen(function* () {
        const call = calling((issuer) => ClientCredentials.make({ issuer, clientId, authentication }), theirs)
        assert.strictEqual(yield* reasonOf(call), "invalid_client")
      })
    )

    it.effect("and has no connection without one", () =>
      Effect.gen(function* () {
        const authentication = ClientAuthentication.tlsClientAuth
        const call = calling(
          (issuer) => ClientCredentials.make({ issuer, clientId: "issued", authentication, retry: Schedule.stop }),
          undefined
        )
        assert.strictEqual(yield* reasonOf(call), "Transport")
      })
    )

    it.effect(
      "which is replaced with the HttpClient: nothing is sent over connections that showed the old one (S097)",
      () =>
        Effect.gen(function* () {
          const authentication = ClientAuthentication.overMutualTls(ClientAuthentication.clientSecretBasic("s3cret"))
          const make = (issuer: string) => ClientCredentials.make({ issuer, clientId: "secret", authentication })
          for (const identity of [mine, renewed]) {
            const { status } = yield* calling(make, identity)
            assert.strictEqual(status, 200)
          }
        })
    )
  })

  describe("a token is bound to the certificate of the connection", () => {
    it.effect("also of a client that proves itself otherwise", () =>
      Effect.gen(function* () {
        const authentication = ClientAuthentication.overMutualTls(ClientAuthentication.clientSecretBasic("s3cret"))
        const make = (issuer: string) => ClientCredentials.make({ issuer, clientId: "secret", authentication })
        const { paths, status } = yield* calling(make, mine)
        assert.deepStrictEqual([status, ...paths], [200, "tls /token", "tls /api"])
      })
    )

    it.effect("and worth nothing to a thief with another one", () =>
      Effect.gen(function* () {
        const { api, ca } = yield* Servers
        const authentication = ClientAuthentication.tlsClientAuth
        const { token } = yield* calling(
          (issuer) => ClientCredentials.make({ issuer, clientId: "issued", authentication }),
          mine
        )
        const stolen = yield* Effect.gen(function* () {
          const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
          return (yield* client.get(`${api}/api`)).status
        }).pipe(
          Effect.provide(
            AuthenticatedHttpClient.layer({ origins: [api] }).pipe(
              Layer.provide(StaticToken.layer({ token: token.accessToken })),
              Layer.provide(MutualTls.httpClient(ca, theirs))
            )
          )
        )
        assert.strictEqual(stolen, 401)
      })
    )

    it.effect("or to a key instead (DPoP), whose proof names the address that is really asked", () =>
      Effect.gen(function* () {
        const { ca, issuer } = yield* Servers
        const provider = ClientCredentials.make({
          issuer,
          clientId: "unbound",
          authentication: ClientAuthentication.overMutualTls(ClientAuthentication.clientSecretBasic("s3cret")),
          authorization: DPoP.make()
        })
        const token = yield* Effect.flatMap(Credentials.make(provider), ({ token }) => token).pipe(
          Effect.scoped,
          Effect.provide(MutualTls.httpClient(ca, mine))
        )
        assert.strictEqual(token.tokenType, "dpop")
      })
    )

    it.effect("as is its refresh token, which rotates and works with no other certificate", () =>
      Effect.gen(function* () {
        const { issueRefreshToken } = yield* Servers
        const refreshToken = yield* Effect.promise(() => issueRefreshToken("tool", mine.cert))
        const make = (refreshToken: string | Redacted.Redacted) => (issuer: string) =>
          RefreshToken.make({
            issuer,
            clientId: "tool",
            authentication: ClientAuthentication.overMutualTls(ClientAuthentication.none),
            refreshToken: Redacted.isRedacted(refreshToken) ? refreshToken : Redacted.make(refreshToken)
          })
        assert.strictEqual(yield* reasonOf(calling(make(refreshToken), theirs)), "invalid_grant")
        const { status, token } = yield* calling(make(refreshToken), mine)
        assert.strictEqual(status, 200)
        const rotated = Option.getOrThrow(token.refreshToken)
        assert.notStrictEqual(Redacted.value(rotated), refreshToken)
        assert.strictEqual((yield* calling(make(rotated), mine)).status, 200)
      })
    )
  })

  it.effect("clients that prove themselves otherwise ask where everybody does (S098)", () =>
    Effect.gen(function* () {
      const make = (issuer: string) => ClientCredentials.make({ issuer, clientId: "unbound", clientSecret: "s3cret" })
      const { paths, status } = yield* calling(make, mine)
      // The API takes no token that is not bound: it is asked for twice, in vain.
      assert.deepStrictEqual([status, new Set(paths)], [401, new Set(["/token", "tls /api"])])
    })
  )
})

describe("the endpoints for clients with a certificate", () => {
  const names = [
    "token_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint"
  ] as const
  const at = (host: string) => Object.fromEntries(names.map((name) => [name, `https://${host}/${name}`]))

  /** Asks each of them once, whatever it answers, and says where that was. */
  const asked = (authentication: ClientAuthentication.ClientAuthentication, aliases: object) =>
    Effect.gen(function* () {
      const fake = FakeServer.make(() => ({ status: 400, json: { error: "invalid_request" } }))
      const server = AuthorizationServer.make({
        token_endpoint: "",
        ...at("everybody.example"),
        authorization_endpoint: "https://everybody.example/authorize",
        mtls_endpoint_aliases: aliases
      })
      const self = TokenEndpoint.make("Test", { server, clientId: "me", authentication })
      yield* TokenEndpoint.check(self)
      const token = Redacted.make("t0ken")
      yield* Effect.all([
        Effect.exit(TokenEndpoint.exchange(self, Grant.clientCredentials())),
        Effect.exit(TokenEndpoint.revoke(self, token, "access_token")),
        Effect.exit(TokenEndpoint.introspect(self, token, "access_token")),
        Effect.exit(TokenEndpoint.pushAuthorization(self, "https://everybody.example/authorize?client_id=me")),
        Effect.exit(TokenEndpoint.authorizeDevice(self))
      ]).pipe(Effect.provide(fake.layer))
      return fake.seen.map(({ url }) => url)
    })

  it.effect("are asked for everything that they are there for, and the others for the rest (S098)", () =>
    Effect.gen(function* () {
      const all = Object.values(at("mtls.example"))
      assert.deepStrictEqual(yield* asked(ClientAuthentication.tlsClientAuth, at("mtls.example")), all)
      const one = { token_endpoint: all[0]! }
      assert.deepStrictEqual(yield* asked(ClientAuthentication.tlsClientAuth, one), [
        all[0],
        ...Object.values(at("everybody.example")).slice(1)
      ])
    })
  )

  it.effect("are not asked by anybody else (S098)", () =>
    Effect.gen(function* () {
      for (const authentication of [ClientAuthentication.none, ClientAuthentication.clientSecretPost("s3cret")]) {
        assert.deepStrictEqual(yield* asked(authentication, at("mtls.example")), Object.values(at("everybody.example")))
      }
    })
  )

  it.effect("cannot be where secrets must not go: the layer is not built (S259)", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        asked(ClientAuthentication.tlsClientAuth, { token_endpoint: "http://mtls.example/token" })
      )
      assert.strictEqual(error.option, "mtls_endpoint_aliases.token_endpoint")
    })
  )
})
