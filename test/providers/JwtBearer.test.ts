import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as TestServices from "effect/TestServices"
import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto"
import { inspect } from "node:util"
import * as AuthorizationServer from "../../src/AuthorizationServer.ts"
import * as Credentials from "../../src/Credentials.ts"
import * as JwtBearer from "../../src/providers/JwtBearer.ts"
import * as Testing from "../../src/Testing.ts"
import { show } from "../support/engine.ts"
import { contract } from "./contract.ts"

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
const other = generateKeyPairSync("rsa", { modulusLength: 2048 })
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" })
const pem = ({ privateKey }: { readonly privateKey: KeyObject }) =>
  privateKey.export({ type: "pkcs8", format: "pem" }).toString()
const key = Redacted.make(pem(rsa))
const grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

const parts = (jwt: string) => {
  const [header, claims, signature] = jwt.split(".") as [string, string, string]
  const json = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString())
  return { header: json(header), claims: json(claims), signed: `${header}.${claims}`, signature }
}

const isSignedBy = (jwt: string, publicKey: KeyObject) => {
  const { signature, signed } = parts(jwt)
  return verify("sha256", Buffer.from(signed), publicKey, Buffer.from(signature, "base64url"))
}

/** A server that takes assertions signed with our key, each only once. */
const serverOf = (options?: Testing.Options) => {
  const seen = new Set<string>()
  return Testing.authorizationServer({
    grants: {
      [grant]: ({ parameters }, issue) =>
        Effect.suspend(() => {
          const assertion = parameters["assertion"] ?? ""
          const isFresh = !seen.has(assertion)
          seen.add(assertion)
          return isFresh && isSignedBy(assertion, rsa.publicKey)
            ? issue({ subject: parts(assertion).claims.sub })
            : Effect.succeed({ status: 400, json: { error: "invalid_grant", error_description: `bad ${assertion}` } })
        })
    },
    ...options
  })
}

const assertions = ({ tokenEndpoint }: Testing.TestServer) =>
  tokenEndpoint.requests.flatMap(({ parameters }) => parameters["assertion"] ?? [])

const token = (server: Testing.TestServer, options: Partial<JwtBearer.Options>) =>
  Effect.scoped(
    Effect.flatMap(
      Credentials.make(
        JwtBearer.make({
          tokenEndpoint: server.tokenEndpoint.url,
          assertion: { key, issuer: "robot" },
          ...options
        } as JwtBearer.Options)
      ),
      (credentials) => credentials.token
    )
  ).pipe(Effect.provide(server.layer))

/** Lets virtual time pass until it is done; signing takes real time, which the clock of tests knows nothing of. */
const passing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    while (Option.isNone(yield* fiber.poll)) {
      yield* TestClock.adjust("500 millis")
      yield* TestServices.provideLive(Effect.sleep("1 millis"))
    }
    return yield* fiber
  })

const patient = { attemptTimeLimit: "30 minutes", timeLimit: "1 day" } as const

describe("JwtBearer", () => {
  const server = serverOf()
  const secretLines = pem(rsa).split("\n").slice(1, 4)
  contract<HttpClient.HttpClient>({
    name: "JwtBearer",
    make: () =>
      JwtBearer.make({ tokenEndpoint: server.tokenEndpoint.url, assertion: { key: pem(rsa), issuer: "robot" } }),
    failing: () =>
      JwtBearer.make({ tokenEndpoint: server.tokenEndpoint.url, assertion: { key: pem(other), issuer: "robot" } }),
    secrets: [...secretLines, ...pem(other).split("\n").slice(1, 4), "eyJ"],
    provide: (effect) => Effect.scoped(Effect.provide(effect, server.layer))
  })

  it.effect("signs who speaks, for whom, to whom, and for how long (RFC 7523 §3)", () =>
    Effect.gen(function* () {
      const server = serverOf()
      yield* TestClock.setTime(1_700_000_000_500)
      yield* token(server, {
        assertion: {
          key,
          keyId: "k1",
          issuer: "robot",
          subject: "ada",
          lifetime: "1 hour",
          scope: ["a", "b"],
          claims: { tenant: "t" }
        },
        scope: ["read"],
        audience: "billing",
        parameters: { requested_token_use: "on_behalf_of" }
      })
      const { claims, header } = parts(assertions(server)[0]!)
      assert.deepStrictEqual(header, { alg: "RS256", typ: "JWT", kid: "k1" })
      const { jti, ...rest } = claims
      assert.match(jti, /^[\w-]{22}$/)
      assert.deepStrictEqual(rest, {
        iss: "robot",
        sub: "ada",
        aud: server.tokenEndpoint.url,
        iat: 1_700_000_000,
        exp: 1_700_003_600,
        scope: "a b",
        tenant: "t"
      })
      const { parameters } = server.tokenEndpoint.requests[0]!
      assert.deepStrictEqual(Object.keys(parameters).sort(), [
        "assertion",
        "audience",
        "grant_type",
        "requested_token_use",
        "scope"
      ])
      assert.isUndefined(server.tokenEndpoint.requests[0]!.headers["authorization"])
    })
  )

  it.effect("makes a fresh assertion at every attempt, also at a repeated one (S093)", () =>
    Effect.gen(function* () {
      const server = serverOf()
      server.tokenEndpoint.answerNext({ lost: "answer" }, { lost: "answer" })
      yield* passing(token(server, patient))
      const ids = assertions(server).map((assertion) => parts(assertion).claims.jti)
      assert.strictEqual(new Set(ids).size, 3)
    })
  )

  it.effect("is for the issuer, or whomever you say, and finds the endpoint by discovery", () =>
    Effect.gen(function* () {
      const server = serverOf()
      const discovered = { tokenEndpoint: undefined, server: AuthorizationServer.discover(server.issuer) }
      yield* token(server, { ...discovered, assertion: { key, issuer: "robot", audience: "issuer" } })
      yield* token(server, { ...discovered, assertion: { key, issuer: "robot" } })
      yield* token(server, { assertion: { key, issuer: "robot", audience: "https://aud.test" } })
      assert.deepStrictEqual(
        assertions(server).map((assertion) => parts(assertion).claims.aud),
        [server.issuer, server.tokenEndpoint.url, "https://aud.test"]
      )
      const unknown = yield* Effect.flip(token(server, { assertion: { key, issuer: "robot", audience: "issuer" } }))
      assert.strictEqual(
        unknown.message,
        "JwtBearer: the client's own proof could not be made: it takes an issuer to be its audience, and this server's is not known; check the key"
      )
      assert.strictEqual(assertions(server).length, 3)
    })
  )

  it.effect("a client proves who it is beside the assertion", () =>
    Effect.gen(function* () {
      const server = serverOf()
      yield* token(server, { clientId: "me", clientSecret: "s" })
      yield* token(server, { clientId: "me" })
      const [confidential, open] = server.tokenEndpoint.requests
      assert.strictEqual(confidential!.headers["authorization"], `Basic ${btoa("me:s")}`)
      assert.strictEqual(open!.parameters["client_id"], "me")
    })
  )

  it.scoped("giving a token back takes no assertion", () =>
    Effect.gen(function* () {
      const server = serverOf()
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(
          JwtBearer.make({
            server: AuthorizationServer.discover(server.issuer),
            clientId: "me",
            assertion: { key, issuer: "robot" }
          })
        )
        yield* credentials.token
        yield* credentials.revoke
      }).pipe(Effect.provide(server.layer))
      const { parameters } = server.revocationEndpoint.requests[0]!
      assert.deepStrictEqual(Object.keys(parameters).sort(), ["client_id", "token", "token_type_hint"])
    })
  )

  it.effect("offers what somebody else has signed, read anew at every attempt", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ grants: { [grant]: (_, issue) => issue() } })
      let n = 0
      server.tokenEndpoint.answerNext({ status: 503 })
      yield* passing(token(server, { ...patient, assertion: Effect.sync(() => `a${++n}`) }))
      assert.deepStrictEqual(assertions(server), ["a1", "a2"])
      const empty = yield* Effect.flip(token(server, { assertion: Effect.succeed(" ") }))
      assert.include(empty.message, "the assertion is empty")
      assert.strictEqual(assertions(server).length, 2)
    })
  )

  it.effect("reads a key that rotates at every attempt, and says when it is none", () =>
    Effect.gen(function* () {
      const server = serverOf()
      let n = 0
      const rotating = Effect.sync(() => (++n === 1 ? key : Redacted.make("c4nary")))
      yield* token(server, { assertion: { key: rotating, issuer: "robot" } })
      const error = yield* Effect.flip(token(server, { assertion: { key: rotating, issuer: "robot" } }))
      assert.deepStrictEqual("reason" in error && error.reason._tag, "Assertion")
      assert.notInclude(error.message, "c4nary")
      assert.strictEqual(server.requests.length, 1)
    })
  )

  it.effect("a service account is its JSON file, with scope and subject in the assertion", () =>
    Effect.gen(function* () {
      const server = serverOf()
      const json = JSON.parse(
        JSON.stringify({
          type: "service_account",
          client_email: "robot@project.iam.gserviceaccount.com",
          private_key: pem(rsa),
          private_key_id: "k1",
          token_uri: server.tokenEndpoint.url
        })
      )
      yield* token(server, JwtBearer.fromServiceAccountJson(json, { scope: ["s1", "s2"], subject: "ada@example.com" }))
      const { claims, header } = parts(assertions(server)[0]!)
      assert.deepStrictEqual(
        [header.kid, claims.iss, claims.sub, claims.aud, claims.scope],
        ["k1", json.client_email, "ada@example.com", server.tokenEndpoint.url, "s1 s2"]
      )
      assert.strictEqual(
        JwtBearer.fromServiceAccountJson({ client_email: "a", private_key: "b" }).tokenEndpoint,
        "https://oauth2.googleapis.com/token"
      )
      const shown = JwtBearer.fromServiceAccountJson(json)
      assert.notInclude(inspect(shown, { depth: 9 }) + JSON.stringify(shown), secretLines[0]!)
    })
  )

  it.scoped("signs tokens by itself, good for an hour, and new ones when they fall due", () =>
    Effect.gen(function* () {
      const provider = JwtBearer.selfSigned({
        key: pem(p256),
        algorithm: "ES256",
        keyId: "k1",
        issuer: "robot",
        audience: "https://api.test/",
        scope: ["read"]
      })
      const credentials = yield* Credentials.make(provider)
      const first = yield* credentials.token
      const { claims, header, signature, signed } = parts(show(first))
      assert.deepStrictEqual(
        [header.alg, header.kid, claims.aud, claims.scope],
        ["ES256", "k1", "https://api.test/", "read"]
      )
      assert.isTrue(
        verify(
          "sha256",
          Buffer.from(signed),
          { key: createPublicKey(p256.privateKey), dsaEncoding: "ieee-p1363" },
          Buffer.from(signature, "base64url")
        )
      )
      assert.strictEqual(DateTime.toEpochMillis(Option.getOrThrow(first.expiresAt)), 3_600_000)
      assert.deepStrictEqual(first.scope, ["read"])
      yield* TestClock.adjust("1 hour")
      assert.notStrictEqual(show(yield* credentials.token), show(first))
    })
  )

  it.effect("options that cannot work fail the layer by name, and nothing is sent (S091)", () =>
    Effect.gen(function* () {
      const signed = (more: object) => ({ assertion: { key, issuer: "robot", ...more } })
      const encrypted = rsa.privateKey
        .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "p" })
        .toString()
      const cases: ReadonlyArray<readonly [string, Partial<Record<keyof JwtBearer.Options, unknown>>]> = [
        ["assertion", { assertion: " " }],
        ["assertion.key", signed({ key: "c4nary" })],
        ["assertion.key", signed({ key: encrypted })],
        ["assertion.key", signed({ algorithm: "ES256" })],
        ["assertion.issuer", signed({ issuer: "" })],
        ["assertion.subject", signed({ subject: "a\nb" })],
        ["assertion.lifetime", signed({ lifetime: "61 minutes" })],
        ["assertion.audience", signed({ audience: " " })],
        ["assertion.keyId", signed({ keyId: "" })],
        ["assertion.thumbprint", signed({ thumbprint: "no hex" })],
        ["assertion.scope", signed({ scope: ["a b"] })],
        ["assertion.claims", signed({ claims: { exp: 1 } })],
        ["assertion.issuer", JwtBearer.fromServiceAccountJson({ private_key: pem(rsa) } as any)],
        ["assertion.key", JwtBearer.fromServiceAccountJson({ client_email: "a" } as any)],
        ["parameters", { parameters: { assertion: "x" } }],
        ["tokenEndpoint", { tokenEndpoint: "http://id.test/token" }],
        ["clientId", { clientId: " " }]
      ]
      const server = serverOf()
      for (const [option, options] of cases) {
        const error = yield* Effect.flip(token(server, options as Partial<JwtBearer.Options>))
        assert.deepStrictEqual(
          "option" in error ? [error._tag, error.option] : error,
          ["InvalidOption", option],
          JSON.stringify(options)
        )
        assert.notInclude(error.message, "c4nary")
      }
      assert.strictEqual(server.requests.length, 0)
      const alone = yield* Effect.flip(JwtBearer.selfSigned({ key: "c4nary", issuer: "robot" }).check)
      assert.strictEqual(alone.option, "key")
    })
  )

  it("two that differ in what they sign never share a key, and what others have signed has none", () => {
    const base = { tokenEndpoint: "https://id.test/token" }
    const keys = [
      { key, issuer: "robot" },
      { key, issuer: "robot", subject: "ada" },
      { key, issuer: "robot", scope: ["a"] },
      { key, issuer: "robot", audience: "x" },
      { key, issuer: "robot", claims: { tenant: "t" } }
    ].map((assertion) => Option.getOrThrow(JwtBearer.make({ ...base, assertion }).key))
    assert.strictEqual(new Set(keys).size, keys.length)
    assert.isTrue(Option.isNone(JwtBearer.make({ ...base, assertion: "a.b.c" }).key))
  })
})
