/** Signed assertions and traded tokens over real sockets, against a certified authorization server that has both grants from their specifications. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import { NodeFileSystem } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { createRemoteJWKSet, jwtVerify, SignJWT } from "jose"
import { generateKeyPairSync, type KeyObject } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Live from "../examples/support/authorizationServer.ts"
import { cluster } from "../examples/support/cluster.ts"
import * as Credentials from "../src/Credentials.ts"
import type { RefreshError } from "../src/CredentialsError.ts"
import type * as Provider from "../src/Provider.ts"
import * as JwtBearer from "../src/providers/JwtBearer.ts"
import * as TokenExchange from "../src/providers/TokenExchange.ts"
import type { Token } from "../src/Token.ts"
import * as WorkloadIdentity from "../src/WorkloadIdentity.ts"
import { sharing } from "./support/shared.ts"

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
const pem = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString()

const robot = "robot@project.iam.gserviceaccount.com"
const billing = "https://billing.example.com"
const stock = "https://stock.example.com"

const assertionGrants = [
  "urn:ietf:params:oauth:grant-type:jwt-bearer",
  "urn:ietf:params:oauth:grant-type:token-exchange"
]

const Server = Context.GenericTag<Live.AuthorizationServer>("test/assertions/Server")
const Shared = Layer.mergeAll(
  Layer.scoped(
    Server,
    Live.authorizationServer({
      clients: [
        {
          client_id: "service",
          client_secret: "s3cret",
          grant_types: assertionGrants,
          redirect_uris: [],
          response_types: []
        }
      ],
      assertions: {
        issuers: {
          [robot]: [{ ...rsa.publicKey.export({ format: "jwk" }), kid: "2024" }],
          [cluster.issuer]: [cluster.publicKey]
        },
        targets: [billing, stock]
      }
    })
  ),
  FetchHttpClient.layer,
  Logger.remove(Logger.defaultLogger)
)

const client = { clientId: "service", clientSecret: "s3cret" }
const signed = { key: pem(rsa.privateKey), keyId: "2024", issuer: robot }

const tokenOf = (provider: Provider.Provider<HttpClient.HttpClient>) =>
  Effect.scoped(Effect.flatMap(Effect.orDie(Credentials.make(provider)), (credentials) => credentials.token))

const about = (token: Token) =>
  Effect.flatMap(Server, (server) => Effect.promise(() => server.about(Redacted.value(token.accessToken))))

/** The code of the refusal and what the server said about it. */
const refusal = <A, R>(effect: Effect.Effect<A, RefreshError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) =>
    reason._tag === "Rejected" ? [reason.code, reason.description] : [reason._tag]
  )

/** A token as a cluster projects it into a workload. */
const projected = (
  server: Live.AuthorizationServer,
  { audience = server.issuer, ...claims }: { subject?: string; audience?: string; expiresIn?: string } = {}
) => cluster.project(audience, claims)

sharing(Shared)("a signed assertion (RFC 7523)", (it) => {
  it.effect("is traded for a token of its subject, a fresh one every time", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const provider = JwtBearer.make({
        tokenEndpoint: server.tokenEndpoint,
        ...client,
        assertion: { ...signed, subject: "ada" },
        scope: ["api"]
      })
      const [first, second] = yield* Effect.scoped(
        Effect.gen(function* () {
          const credentials = yield* Credentials.make(provider)
          const first = yield* credentials.token
          // The server takes no assertion twice.
          return [first, yield* credentials.renew(first)] as const
        })
      )
      assert.notStrictEqual(Redacted.value(second.accessToken), Redacted.value(first.accessToken))
      for (const token of [first, second]) {
        assert.deepInclude(yield* about(token), { accountId: "ada", clientId: "service", scope: "api" })
        assert.deepStrictEqual(token.scope, ["api"])
      }
    })
  )

  it.effect("of a Google service account needs nothing but its file: no client, the scope in the assertion", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const file = JSON.stringify({
        type: "service_account",
        project_id: "project",
        private_key_id: "2024",
        private_key: pem(rsa.privateKey),
        client_email: robot,
        client_id: "1",
        auth_uri: "https://accounts.example.com/auth",
        token_uri: server.assertionEndpoint
      })
      const token = yield* tokenOf(
        JwtBearer.make(
          JwtBearer.fromServiceAccountJson(JSON.parse(file), { scope: ["api"], subject: "ada@example.com" })
        )
      )
      assert.deepInclude(yield* about(token), { accountId: "ada@example.com", scope: "api" })
    })
  )

  it.effect("may be addressed to the issuer instead of the token endpoint", () =>
    Effect.gen(function* () {
      const { issuer } = yield* Server
      const token = yield* tokenOf(JwtBearer.make({ issuer, ...client, assertion: { ...signed, audience: "issuer" } }))
      assert.deepInclude(yield* about(token), { accountId: robot })
    })
  )

  const { privateKey: strange } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const refusals: ReadonlyArray<readonly [string, JwtBearer.Options["assertion"], string]> = [
    ["for another audience", { ...signed, audience: "https://id.example.org" }, '"aud" claim'],
    ["by another key", { ...signed, key: pem(strange) }, "signature verification failed"],
    ["by somebody whom the server does not know", { ...signed, issuer: "stranger" }, "this issuer is not trusted"]
  ]
  for (const [title, assertion, why] of refusals) {
    it.effect(`${title} is refused, once: nothing is tried again`, () =>
      Effect.gen(function* () {
        const server = yield* Server
        const before = server.tokenRequests()
        const provider = JwtBearer.make({ tokenEndpoint: server.tokenEndpoint, ...client, assertion })
        const [code, description] = yield* refusal(tokenOf(provider))
        assert.strictEqual(code, "invalid_grant")
        assert.include(description, why)
        assert.strictEqual(server.tokenRequests(), before + 1)
      })
    )
  }

  it.effect("that somebody else has signed is refused when it has expired, and when it was used before", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const made = (expiresIn: string) =>
        Effect.promise(() =>
          new SignJWT({ jti: expiresIn })
            .setProtectedHeader({ alg: "RS256", kid: "2024" })
            .setIssuer(robot)
            .setSubject("ada")
            .setAudience(server.tokenEndpoint)
            .setIssuedAt(Math.floor(Date.now() / 1000) - 120)
            .setExpirationTime(expiresIn)
            .sign(rsa.privateKey)
        )
      const offer = (assertion: string) =>
        tokenOf(JwtBearer.make({ tokenEndpoint: server.tokenEndpoint, ...client, assertion }))
      assert.deepStrictEqual(yield* refusal(offer(yield* made("1 minute ago"))), [
        "invalid_grant",
        'the assertion: "exp" claim timestamp check failed'
      ])
      const once = yield* made("1 minute from now")
      assert.deepInclude(yield* about(yield* offer(once)), { accountId: "ada" })
      assert.deepStrictEqual(yield* refusal(offer(once)), ["invalid_grant", "the assertion: it was used before"])
    })
  )
})

sharing(Shared)("a token that is traded (RFC 8693)", (it) => {
  const exchange = (server: Live.AuthorizationServer, options: Omit<TokenExchange.Options, "server" | "issuer">) =>
    tokenOf(TokenExchange.make({ tokenEndpoint: server.tokenEndpoint, ...client, ...options } as TokenExchange.Options))

  it.effect("becomes one for an audience and a resource, of the same subject", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const subjectToken = yield* projected(server)
      const token = yield* exchange(server, {
        subjectToken,
        subjectTokenType: "jwt",
        requestedTokenType: "accessToken",
        audience: billing,
        resource: stock,
        scope: ["api"]
      })
      const known = yield* about(token)
      assert.deepInclude(known, {
        accountId: "system:serviceaccount:shop:checkout",
        aud: [billing, stock],
        scope: "api"
      })
    })
  )

  it.effect("may be an access token of the same server, and names who acts for its subject", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const subject = yield* exchange(server, {
        subjectToken: yield* projected(server, { subject: "ada" }),
        subjectTokenType: "jwt"
      })
      const token = yield* exchange(server, {
        subjectToken: subject.accessToken,
        subjectTokenType: "accessToken",
        actorToken: yield* projected(server, { subject: "checkout" }),
        actorTokenType: "urn:ietf:params:oauth:token-type:jwt",
        audience: [billing]
      })
      assert.deepInclude(yield* about(token), { accountId: "ada", aud: billing, extra: { act: { sub: "checkout" } } })
    })
  )

  it.effect("becomes an ID token where one is requested, which the server's keys verify", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const token = yield* exchange(server, {
        subjectToken: yield* projected(server, { subject: "ada" }),
        subjectTokenType: "jwt",
        actorToken: yield* projected(server, { subject: "checkout" }),
        actorTokenType: "jwt",
        requestedTokenType: "idToken"
      })
      const { payload } = yield* Effect.promise(() =>
        jwtVerify(Redacted.value(token.accessToken), createRemoteJWKSet(new URL(`${server.issuer}/jwks`)), {
          issuer: server.issuer,
          audience: "service"
        })
      )
      assert.deepInclude(payload, { sub: "ada", act: { sub: "checkout" } })
    })
  )

  it.effect("is read from its projected file at every exchange, by a workload that is no client", () =>
    Effect.gen(function* () {
      const server = yield* Server
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "projected-"))),
        (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
      )
      const path = join(directory, "token")
      const project = (subject: string) =>
        Effect.map(projected(server, { subject }), (jwt) => writeFileSync(path, `${jwt}\n`))
      yield* project("first")
      const credentials = yield* Credentials.make(
        TokenExchange.make({
          tokenEndpoint: server.assertionEndpoint,
          subjectToken: WorkloadIdentity.file(path),
          subjectTokenType: "jwt",
          audience: billing
        })
      )
      const first = yield* credentials.token
      assert.deepInclude(yield* about(first), { accountId: "first", aud: billing })
      yield* project("second")
      assert.deepInclude(yield* about(yield* credentials.renew(first)), { accountId: "second" })
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  const refusals: ReadonlyArray<readonly [string, Parameters<typeof projected>[1], object, string, string]> = [
    ["has expired", { expiresIn: "1 minute ago" }, {}, "invalid_grant", '"exp" claim'],
    ["is for somebody else", { audience: "https://id.example.org" }, {}, "invalid_grant", '"aud" claim'],
    ["is for an API that nobody knows", {}, { audience: "https://nowhere.example.com" }, "invalid_target", "not known"],
    ["is to become what is not issued", {}, { requestedTokenType: "saml2" }, "invalid_request", "not issued"],
    ["is no access token", {}, { subjectTokenType: "accessToken" }, "invalid_grant", "not active"]
  ]
  for (const [title, claims, options, code, why] of refusals) {
    it.effect(`is refused, once, when it ${title}`, () =>
      Effect.gen(function* () {
        const server = yield* Server
        const subjectToken = yield* projected(server, claims)
        const before = server.tokenRequests()
        const answer = yield* refusal(exchange(server, { subjectToken, subjectTokenType: "jwt", ...options }))
        assert.strictEqual(answer[0], code)
        assert.include(answer[1], why)
        assert.strictEqual(server.tokenRequests(), before + 1)
      })
    )
  }
})
