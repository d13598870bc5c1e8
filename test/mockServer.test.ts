/** Logins at oauth2-mock-server: somebody else's server, that can be told to sign whatever it should not. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as jose from "jose"
import { createHmac } from "node:crypto"
import { Events, type MutableResponse, type MutableToken, OAuth2Server } from "oauth2-mock-server"
import * as IdToken from "../src/IdToken.ts"
import type * as Provider from "../src/Provider.ts"
import * as AuthorizationCode from "../src/providers/AuthorizationCode.ts"
import * as Password from "../src/providers/Password.ts"
import { visit } from "./support/browser.ts"

const clientId = "my-tool"
const first: Provider.Need = { previous: Option.none(), validFor: 0 as any, interaction: "allowed" }

const started = Effect.acquireRelease(
  Effect.promise(async () => {
    const server = new OAuth2Server()
    await server.issuer.keys.generate("RS256")
    await server.start(0, "127.0.0.1")
    return { server, issuer: server.issuer.url! }
  }),
  ({ server }) => Effect.promise(() => server.stop())
)

const login = (issuer: string, more: Partial<AuthorizationCode.Options> = {}) =>
  AuthorizationCode.make({
    issuer,
    clientId,
    scope: ["openid"],
    reducedScope: "ignore",
    show: () => Effect.void,
    open: (url) => visit(url),
    ...more
  } as AuthorizationCode.Options)

/** Changes ID tokens before they are signed; access tokens are for nobody in particular. */
const changing = (server: OAuth2Server, change: (token: MutableToken) => void) =>
  server.service.on(Events.BeforeTokenSigning, (token: MutableToken) => {
    if (token.payload["aud"] === clientId) change(token)
  })

/** Puts another ID token into the answer. */
const replacing = (server: OAuth2Server, idToken: (good: string) => string) =>
  server.service.on(Events.BeforeResponse, ({ body }: MutableResponse) => {
    if (body !== "" && typeof body["id_token"] === "string") body["id_token"] = idToken(body["id_token"])
  })

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
const now = () => Math.floor(Date.now() / 1000)

type Wrong = (server: OAuth2Server) => unknown

const claims =
  (change: Readonly<Record<string, unknown>> | (() => Readonly<Record<string, unknown>>)): Wrong =>
  (server) =>
    changing(server, ({ payload }) => Object.assign(payload, typeof change === "function" ? change() : change))

const wrong: ReadonlyArray<readonly [string, string, Wrong]> = [
  ["for another client", "aud", claims({ aud: "you" })],
  ["for several, with nobody who asked", "azp", claims({ aud: [clientId, "you"] })],
  ["of another issuer", "iss", claims({ iss: "https://evil.example" })],
  ["of an issuer with a slash more", "iss", (server) => claims({ iss: `${server.issuer.url}/` })(server)],
  ["that has expired", "exp", claims(() => ({ exp: now() - 60 }))],
  ["that never expires", "exp", claims({ exp: undefined })],
  ["from the future", "iat", claims(() => ({ iat: now() + 300 }))],
  ["of another login", "nonce", claims({ nonce: "another" })],
  ["of no login", "nonce", claims({ nonce: undefined })],
  ["of nobody", "sub", claims({ sub: "" })],
  ["beside another access token", "at_hash", claims({ at_hash: "c2l4dGVlbiBieXRlcw" })],
  [
    "that is an access token",
    "typ",
    (server) => changing(server, ({ header }) => Object.assign(header, { typ: "at+jwt" }))
  ],
  [
    "with a key that nobody knows",
    "signature",
    (server) => changing(server, ({ header }) => Object.assign(header, { kid: "x" }))
  ],
  [
    "that was changed after it was signed",
    "signature",
    (server) =>
      replacing(server, (good) => {
        const [header, , signature] = good.split(".")
        return `${header}.${part({ ...jose.decodeJwt(good), sub: "eve" })}.${signature}`
      })
  ],
  [
    "that is not signed",
    "alg",
    (server) => replacing(server, (good) => `${part({ alg: "none" })}.${good.split(".")[1]}.`)
  ]
]

describe("a login at oauth2-mock-server", () => {
  it.scopedLive("is verified by its published key, and renewed", () =>
    Effect.gen(function* () {
      const { issuer } = yield* started
      const provider = login(issuer, { expected: { sub: "johndoe" } })
      const token = yield* provider.acquire(first)
      const claims = jose.decodeJwt(Redacted.value(Option.getOrThrow(token.idToken)))
      assert.deepStrictEqual([claims.sub, claims.aud], ["johndoe", clientId])
      assert.isTrue(Option.isSome(token.refreshToken))
      const renewed = yield* provider.acquire({ ...first, previous: Option.some(token), interaction: "forbidden" })
      assert.isTrue(Option.isSome(renewed.idToken))
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )

  it.scopedLive.each(wrong)("is refused with an ID token %s (S273, S274)", ([, named, arrange]) =>
    Effect.gen(function* () {
      const { issuer, server } = yield* started
      arrange(server)
      const { reason } = yield* Effect.flip(login(issuer).acquire(first))
      const description = reason._tag === "InvalidResponse" ? reason.description : reason._tag
      assert.match(description, new RegExp(`^the ID token is refused, ${named}:`))
      // All else was right: it is the ID token that is refused.
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(login(issuer, { idToken: false, scope: [] }).acquire(first))))
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )

  it.scopedLive("is refused with an HMAC of the public key, which everybody has (S273)", () =>
    Effect.gen(function* () {
      const { issuer, server } = yield* started
      const [jwk] = server.issuer.keys.toJSON()
      const spki = yield* Effect.promise(async () =>
        jose.exportSPKI((await jose.importJWK(jwk as jose.JWK, "RS256", { extractable: true })) as CryptoKey)
      )
      replacing(server, (good) => {
        const signed = `${part({ alg: "HS256", kid: jwk!.kid })}.${good.split(".")[1]}`
        return `${signed}.${createHmac("sha256", spki).update(signed).digest("base64url")}`
      })
      const error = yield* Effect.flip(login(issuer).acquire(first))
      assert.include(error.message, "the ID token is refused, alg:")
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )

  it.scopedLive("is somebody else's, and a renewal may not become it (S228, S283)", () =>
    Effect.gen(function* () {
      const { issuer, server } = yield* started
      const stranger = yield* Effect.flip(login(issuer, { expected: { sub: "ada" } }).acquire(first))
      assert.deepStrictEqual(stranger.reason, { _tag: "WrongUser", claim: "sub" })
      const provider = login(issuer)
      const token = yield* provider.acquire(first)
      claims({ sub: "eve" })(server)
      const renewed = yield* Effect.flip(provider.acquire({ ...first, previous: Option.some(token) }))
      assert.deepStrictEqual(renewed.reason, { _tag: "WrongUser", claim: "sub" })
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )
})

describe("a password at oauth2-mock-server", () => {
  it.scopedLive("is traded for a token, whose ID token a verifier accepts", () =>
    Effect.gen(function* () {
      const { issuer, server } = yield* started
      const asked: Array<unknown> = []
      server.service.on(Events.BeforeResponse, (_: MutableResponse, { body }: { body: object }) => asked.push(body))
      const provider = Password.make({ issuer, clientId, username: "ada", password: Redacted.make("p&s =+%") })
      const token = yield* provider.acquire(first)
      assert.strictEqual(jose.decodeJwt(Redacted.value(token.accessToken)).sub, "ada")
      assert.deepStrictEqual(
        { ...(asked[0] as object) },
        {
          grant_type: "password",
          username: "ada",
          password: "p&s =+%",
          client_id: clientId
        }
      )
      const { verify } = IdToken.verifier({ server: issuer, clientId })
      assert.strictEqual((yield* verify(Option.getOrThrow(token.idToken))).subject, "johndoe")
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )

  it.scopedLive("that is wrong is a typed refusal", () =>
    Effect.gen(function* () {
      const { issuer, server } = yield* started
      server.service.on(Events.BeforeResponse, (response: MutableResponse) => {
        response.statusCode = 400
        response.body = { error: "invalid_grant", error_description: "no such password" }
      })
      const provider = Password.make({ issuer, clientId, username: "ada", password: Redacted.make("c4nary") })
      const { message, reason } = yield* Effect.flip(provider.acquire(first))
      assert.strictEqual(reason._tag === "Rejected" && reason.code, "invalid_grant")
      assert.notInclude(message, "c4nary")
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )
})
