/**
 * Every grant over real sockets, against a certified authorization server that makes everything compulsory: logins are pushed, refresh tokens rotate, proofs need a nonce.
 *
 * | grant | bearer | DPoP | pushed | rotation |
 * | --- | --- | --- | --- | --- |
 * | client credentials | here, `live` | here, `DPoP.live` | | a new token each time |
 * | authorization code, on 127.0.0.1 and ::1 | here | here | here | here |
 * | device code | here | here | | here |
 * | refresh token | `live` | `DPoP.live` | | both |
 * | JWT bearer | here | here | | a new assertion each time |
 * | token exchange | here | here | | the subject's token, read anew |
 * | mutual TLS | `mutualTls` | `mutualTls` | | `mutualTls` |
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { SignJWT } from "jose"
import { generateKeyPairSync, type KeyObject } from "node:crypto"
import * as Live from "../examples/support/authorizationServer.ts"
import { decide } from "../examples/support/deviceServer.ts"
import * as Authorization from "../src/Authorization.ts"
import * as Credentials from "../src/Credentials.ts"
import * as DPoP from "../src/DPoP.ts"
import type * as Provider from "../src/Provider.ts"
import * as AuthorizationCode from "../src/providers/AuthorizationCode.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as DeviceAuthorization from "../src/providers/DeviceAuthorization.ts"
import * as JwtBearer from "../src/providers/JwtBearer.ts"
import * as TokenExchange from "../src/providers/TokenExchange.ts"
import type { Token } from "../src/Token.ts"
import * as TokenEndpoint from "../src/TokenEndpoint.ts"
import { visit } from "./support/browser.ts"
import { sharing } from "./support/shared.ts"

const exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
const robot = "robot@project.example"
const platform = "https://platform.example"
const robotKeys = generateKeyPairSync("rsa", { modulusLength: 2048 })
const platformKeys = generateKeyPairSync("ec", { namedCurve: "P-256" })
const pem = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString()
const believed = (key: KeyObject, alg: string) => ({ ...key.export({ format: "jwk" }), alg })

const client = (id: string, grants: ReadonlyArray<string>, more?: object) => ({
  client_id: id,
  token_endpoint_auth_method: "none",
  grant_types: grants,
  redirect_uris: [],
  response_types: [],
  ...more
})

const Server = Context.GenericTag<Live.AuthorizationServer>("test/grants/Server")
const Shared = Layer.mergeAll(
  Layer.scoped(
    Server,
    Live.authorizationServer({
      clients: [
        client("machine", ["client_credentials"], {
          client_secret: "s3cret",
          token_endpoint_auth_method: "client_secret_basic"
        }),
        client("cli", ["authorization_code", "refresh_token"], {
          application_type: "native",
          redirect_uris: ["http://127.0.0.1/callback", "http://[::1]/callback"],
          response_types: ["code"]
        }),
        client("tv", ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]),
        client("workload", [exchange, "urn:ietf:params:oauth:grant-type:jwt-bearer"])
      ],
      nonces: true,
      people: true,
      pushedOnly: true,
      assertions: {
        issuers: {
          [robot]: [believed(robotKeys.publicKey, "RS256")],
          [platform]: [believed(platformKeys.publicKey, "ES256")]
        }
      }
    })
  ),
  FetchHttpClient.layer,
  Logger.remove(Logger.defaultLogger)
)

/** What a platform says about one of its programs. */
const vouch = (audience: string) =>
  Effect.promise(() =>
    new SignJWT({ sub: "program" })
      .setProtectedHeader({ alg: "ES256" })
      .setIssuer(platform)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime("5 minutes")
      .sign(platformKeys.privateKey)
  )

const about = (server: Live.AuthorizationServer, token: Token) =>
  Effect.map(
    TokenEndpoint.introspect(
      TokenEndpoint.make("Test", { issuer: server.issuer, clientId: "machine", clientSecret: "s3cret" }),
      token.accessToken,
      "access_token"
    ),
    ({ members }) => members
  )

sharing(Shared)("grants", (it) => {
  type Recipe = (
    server: Live.AuthorizationServer,
    authorization: Authorization.Authorization
  ) => Provider.Provider<HttpClient.HttpClient>

  const login =
    (redirectHost: "127.0.0.1" | "[::1]"): Recipe =>
    ({ issuer }, authorization) =>
      AuthorizationCode.make({
        issuer,
        clientId: "cli",
        scope: ["openid", "offline_access"],
        prompt: "consent",
        redirectHost,
        authorization,
        show: () => Effect.void,
        open: (url) => Effect.promise(() => visit(url, { login: "grace", password: "x" }))
      })

  const recipes: ReadonlyArray<readonly [name: string, rotates: boolean, make: Recipe]> = [
    [
      "client credentials",
      false,
      ({ issuer }, authorization) =>
        ClientCredentials.make({ issuer, clientId: "machine", clientSecret: "s3cret", authorization })
    ],
    ["authorization code on 127.0.0.1", true, login("127.0.0.1")],
    ["authorization code on ::1", true, login("[::1]")],
    [
      "device code",
      true,
      ({ issuer }, authorization) =>
        DeviceAuthorization.make({
          issuer,
          clientId: "tv",
          scope: ["openid", "offline_access"],
          parameters: { prompt: "consent" },
          authorization,
          prompt: ({ verificationUriComplete }) =>
            Effect.promise(() => decide(Option.getOrThrow(verificationUriComplete), "approve"))
        })
    ],
    [
      "JWT bearer",
      false,
      (server, authorization) =>
        JwtBearer.make({
          issuer: server.issuer,
          clientId: "workload",
          assertion: { key: pem(robotKeys.privateKey), issuer: robot },
          authorization
        })
    ],
    [
      "token exchange",
      false,
      ({ issuer }, authorization) =>
        TokenExchange.make({
          issuer,
          clientId: "workload",
          subjectToken: vouch(issuer),
          subjectTokenType: "jwt",
          authorization
        })
    ]
  ]

  for (const [name, rotates, make] of recipes) {
    for (const kind of ["bearer", "dpop"] as const) {
      it.effect(
        `${name} brings a ${kind} token that works, and ${rotates ? "a rotated one" : "another one"} after it`,
        () =>
          Effect.gen(function* () {
            const server = yield* Server
            const authorization = kind === "bearer" ? Authorization.bearer : DPoP.make()
            const credentials = yield* Credentials.make(make(server, authorization))
            const first = yield* credentials.token
            const second = yield* credentials.renew(first)
            assert.deepStrictEqual([first.tokenType, second.tokenType], [kind, kind])
            for (const token of [first, second]) {
              const members = yield* about(server, token)
              assert.strictEqual(members["active"], true)
              const jkt = kind === "bearer" ? undefined : yield* authorization.proof!.thumbprint
              assert.strictEqual((members["cnf"] as { readonly jkt?: string } | undefined)?.jkt, jkt)
            }
            assert.notStrictEqual(Redacted.value(second.accessToken), Redacted.value(first.accessToken))
            const refreshTokens = [first, second].flatMap((token) =>
              Option.toArray(Option.map(token.refreshToken, Redacted.value))
            )
            assert.strictEqual(new Set(refreshTokens).size, rotates ? 2 : 0)
          })
      )
    }
  }
})
