/** Bound tokens over real sockets, against a certified authorization server that wants a nonce in every proof. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
// Silences the server's greetings.
import "../examples/support/authorizationServer.ts"
import { listen } from "../examples/support/listen.ts"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import type * as Authorization from "../src/Authorization.ts"
import * as Credentials from "../src/Credentials.ts"
import * as DPoP from "../src/DPoP.ts"
import * as TokenResponse from "../src/protocol/TokenResponse.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as RefreshToken from "../src/providers/RefreshToken.ts"
import { sharing } from "./support/shared.ts"

const { Provider } = await import("oidc-provider")

interface Server {
  readonly issuer: string
  /** The path and the status of every request so far. */
  readonly seen: ReadonlyArray<string>
  readonly issueRefreshToken: (jkt: string) => Promise<string>
}
const Server = Context.GenericTag<Server>("test/DPoP/Server")

const server: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function* () {
  const seen: Array<string> = []
  const issuer = yield* listen((request, response) => {
    response.on("finish", () => seen.push(`${request.url} ${response.statusCode}`))
    handle(request, response)
  })
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "machine",
        client_secret: "s3cret",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: []
      },
      {
        client_id: "tool",
        application_type: "native",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"],
        redirect_uris: ["http://127.0.0.1/callback"],
        response_types: ["code"]
      }
    ],
    scopes: ["api", "offline_access", "openid"],
    findAccount: (_: unknown, sub: string) => ({ accountId: sub, claims: () => ({ sub }) }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true }
    },
    rotateRefreshToken: true,
    ttl: { AccessToken: 60, ClientCredentials: 60, Grant: 3600, IdToken: 60, RefreshToken: 3600 },
    clockTolerance: 1
  })
  const handle = provider.callback()
  return {
    issuer,
    seen,
    issueRefreshToken: async (jkt) => {
      const [accountId, clientId, scope] = ["ada", "tool", "openid offline_access"]
      const client = await provider.Client.find(clientId)
      const grant = new provider.Grant({ accountId, clientId })
      grant.addOIDCScope(scope)
      const grantId = await grant.save()
      return new provider.RefreshToken({
        accountId,
        client,
        grantId,
        gty: "authorization_code",
        scope,
        jkt
      } as never).save()
    }
  }
})

const Shared = Layer.mergeAll(Layer.scoped(Server, server), FetchHttpClient.layer, Logger.remove(Logger.defaultLogger))

sharing(Shared)("bound", (it) => {
  const thumbprintOf = (authorization: Authorization.Authorization) => authorization.proof!.thumbprint

  it.effect("a client's token comes with one round trip for the nonce, and the next one without", () =>
    Effect.gen(function* () {
      const { issuer, seen } = yield* Server
      const authorization = DPoP.make()
      const before = seen.length
      const credentials = yield* Credentials.make(
        ClientCredentials.make({ issuer, clientId: "machine", clientSecret: "s3cret", scope: ["api"], authorization })
      )
      const token = yield* credentials.token
      assert.strictEqual(token.tokenType, "dpop")
      assert.deepStrictEqual(TokenResponse.boundTo(token), Option.some(yield* thumbprintOf(authorization)))
      yield* credentials.renew(token)
      assert.deepStrictEqual(
        seen.slice(before).filter((request) => request.startsWith("/token")),
        ["/token 400", "/token 200", "/token 200"]
      )
    })
  )

  it.effect("a person's tokens rotate and open the API, nonce and all", () =>
    Effect.gen(function* () {
      const { issueRefreshToken, issuer, seen } = yield* Server
      const authorization = DPoP.make()
      const first = yield* Effect.flatMap(thumbprintOf(authorization), (jkt) =>
        Effect.promise(() => issueRefreshToken(jkt))
      )
      const before = seen.length
      const live = AuthenticatedHttpClient.layer({ origins: [issuer] }).pipe(
        Layer.provideMerge(RefreshToken.layer({ issuer, clientId: "tool", refreshToken: first, authorization }))
      )
      const program = Effect.gen(function* () {
        const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
        const credentials = yield* Credentials.Credentials
        const me = Effect.flatMap(client.get(`${issuer}/me?x=1`), (response) => response.json)
        assert.deepStrictEqual(yield* me, { sub: "ada" })
        const token = yield* credentials.token
        assert.notStrictEqual(Redacted.value(Option.getOrThrow(token.refreshToken)), first)
        yield* credentials.renew(token)
        assert.deepStrictEqual(yield* me, { sub: "ada" })
      })
      yield* Effect.provide(program, live)
      const requests = seen.slice(before).filter((request) => !request.startsWith("/.well-known"))
      assert.deepStrictEqual(requests, [
        "/token 400",
        "/token 200",
        // The API is at the same origin: its nonce is known already.
        "/me?x=1 200",
        "/token 200",
        "/me?x=1 200"
      ])
    })
  )

  it.effect("a refresh token for another key is worth nothing, which is what this is all about", () =>
    Effect.gen(function* () {
      const { issueRefreshToken, issuer } = yield* Server
      const refreshToken = yield* Effect.flatMap(thumbprintOf(DPoP.make()), (jkt) =>
        Effect.promise(() => issueRefreshToken(jkt))
      )
      const thief = RefreshToken.make({ issuer, clientId: "tool", refreshToken, authorization: DPoP.make() })
      const error = yield* Effect.flip(Effect.flatMap(Credentials.make(thief), ({ token }) => token))
      assert.deepStrictEqual(
        "reason" in error && error.reason._tag === "Rejected" && [error.reason.code, error.reason.status],
        ["invalid_grant", 400]
      )
    })
  )
})
