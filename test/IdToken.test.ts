import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import * as jose from "jose"
import { createHmac } from "node:crypto"
import { inspect } from "node:util"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import { IdTokenError, type RefreshError, WrongUser } from "../src/CredentialsError.ts"
import * as IdToken from "../src/IdToken.ts"
import { leftHalf } from "../src/internal/leftHalf.ts"
import * as IdTokenClaims from "../src/protocol/IdTokenClaims.ts"
import * as Provider from "../src/Provider.ts"
import * as Token from "../src/Token.ts"
import * as TokenStore from "../src/TokenStore.ts"
import * as FakeServer from "./support/FakeServer.ts"
import * as HybridClock from "./support/HybridClock.ts"

const issuer = "https://id.example.com"
const jwksUri = "https://id.example.com/keys"
const clientId = "my-tool"
/** Seconds since 1970. */
const now = 1_700_000_000

const server = AuthorizationServer.make({ issuer, token_endpoint: `${issuer}/token`, jwks_uri: jwksUri })

interface Key {
  readonly alg: string
  readonly jwk: jose.JWK
  readonly privateKey: CryptoKey
}

const newKey = async (
  alg: string,
  kid: string | undefined = alg,
  options?: jose.GenerateKeyPairOptions
): Promise<Key> => {
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true, ...options })
  return { alg, privateKey, jwk: { ...(await jose.exportJWK(publicKey)), ...(kid === undefined ? {} : { kid }) } }
}

const algorithms = [
  ...(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const),
  ...(["ES256", "ES384", "ES512", "EdDSA", "Ed25519"] as const)
]

const rsa = await newKey("RS256", "rsa")
const ec = await newKey("ES256", "ec")
const stranger = await newKey("ES256", "ec")

const publicPem = await jose.exportSPKI((await jose.importJWK(rsa.jwk, "RS256", { extractable: true })) as CryptoKey)

const good = { iss: issuer, sub: "ada", aud: clientId, iat: now - 10, exp: now + 300 }

const sign = (
  claims: object,
  { header = {}, key = ec }: { readonly header?: object; readonly key?: Key } = {}
): Promise<string> =>
  new jose.CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg: key.alg, kid: key.jwk.kid!, typ: "JWT", ...header })
    .sign(key.privateKey, { crit: { exp: true } })

const encode = (text: string) => jose.base64url.encode(text)
/** Three parts as they are given, whoever signed. */
const assemble = (header: unknown, claims: unknown, signature: string) =>
  `${encode(JSON.stringify(header))}.${encode(JSON.stringify(claims))}.${signature}`

/** An issuer that publishes these keys. */
const publishing = (
  keys: () => ReadonlyArray<unknown>,
  headers: Readonly<Record<string, string>> = {}
): FakeServer.FakeServer =>
  FakeServer.make(({ url }) => (url === jwksUri ? { json: { keys: keys() }, headers } : undefined))

const atNow = TestClock.setTime(now * 1000)

const verifying = (
  token: string,
  options: Partial<IdToken.Options> = {},
  beside?: IdToken.VerifyOptions,
  keys: ReadonlyArray<unknown> = [rsa.jwk, ec.jwk]
) =>
  Effect.zipRight(
    atNow,
    Effect.provide(
      IdToken.verifier({ server, clientId, ...options }).verify(Redacted.make(token), beside),
      publishing(() => keys).layer
    )
  )

const partOf = (error: IdTokenError | WrongUser | RefreshError) =>
  error._tag === "IdTokenError" ? error.part : error._tag

describe("an ID token that is right", () => {
  it.effect.each(algorithms)("is accepted when it is signed with %s (S291)", (alg) =>
    Effect.gen(function* () {
      const key = yield* Effect.promise(() => newKey(alg))
      const token = yield* Effect.promise(() => sign(good, { key }))
      expect((yield* verifying(token, {}, {}, [rsa.jwk, key.jwk])).subject).toBe("ada")
      const forged = yield* Effect.promise(async () => sign(good, { key: await newKey(alg) }))
      expect(partOf(yield* Effect.flip(verifying(forged, {}, {}, [rsa.jwk, key.jwk])))).toBe("signature")
    })
  )

  it.effect("says who logged in, when and how", () =>
    Effect.gen(function* () {
      const claims = {
        ...good,
        aud: [clientId, "another"],
        azp: clientId,
        auth_time: now - 60,
        nonce: "n-0S6_WzA2Mj",
        name: "Ada Lovelace",
        preferred_username: "ada",
        email: "ada@example.com",
        email_verified: "true",
        hd: "example.com",
        groups: ["a"],
        picture: null
      }
      const verified = yield* verifying(yield* Effect.promise(() => sign(claims)))
      expect(verified).toEqual({
        issuer,
        subject: "ada",
        audience: [clientId, "another"],
        authorizedParty: Option.some(clientId),
        expiresAt: DateTime.unsafeMake((now + 300) * 1000),
        issuedAt: DateTime.unsafeMake((now - 10) * 1000),
        authTime: Option.some(DateTime.unsafeMake((now - 60) * 1000)),
        nonce: Option.some("n-0S6_WzA2Mj"),
        name: Option.some("Ada Lovelace"),
        username: Option.some("ada"),
        email: Option.some("ada@example.com"),
        emailVerified: Option.some(true),
        extra: Object.assign(Object.create(null), { hd: "example.com", groups: ["a"] })
      })
    })
  )

  it.effect("may be discovered by its issuer alone", () =>
    Effect.gen(function* () {
      yield* atNow
      const id = FakeServer.make(({ url }) =>
        url === `${issuer}/.well-known/openid-configuration`
          ? { json: { issuer, token_endpoint: `${issuer}/token`, jwks_uri: jwksUri } }
          : { json: { keys: [ec.jwk] } }
      )
      const { verify } = IdToken.verifier({ server: issuer, clientId })
      const token = yield* Effect.promise(() => sign(good))
      yield* Effect.provide(Effect.zipRight(verify(token), verify(token)), id.layer)
      expect(id.seen.map(({ url }) => url)).toEqual([`${issuer}/.well-known/openid-configuration`, jwksUri])
    })
  )
})

describe("what an ID token says (OpenID Connect Core 3.1.3.7)", () => {
  type Row = readonly [
    what: string,
    claims: object,
    part: string,
    options?: Partial<IdToken.Options>,
    beside?: IdToken.VerifyOptions
  ]
  const refused: ReadonlyArray<Row> = [
    ["no iss", { iss: undefined }, "iss"],
    ["no sub", { sub: undefined }, "sub"],
    ["no aud", { aud: undefined }, "aud"],
    ["no exp", { exp: undefined }, "exp"],
    ["no iat", { iat: undefined }, "iat"],
    ["a null where something must be", { exp: null }, "exp"],
    ["another issuer", { iss: "https://evil.example" }, "iss"],
    ["the issuer with a slash (S281)", { iss: `${issuer}/` }, "iss"],
    ["the issuer in another case (S281)", { iss: "https://ID.example.com" }, "iss"],
    ["an issuer in a list", { iss: [issuer] }, "iss"],
    ["an empty sub", { sub: "" }, "sub"],
    ["a sub of 256 characters", { sub: "a".repeat(256) }, "sub"],
    ["a sub that is a number", { sub: 1 }, "sub"],
    ["another audience", { aud: "another" }, "aud"],
    ["an audience that begins like ours", { aud: `${clientId}2` }, "aud"],
    ["a list of other audiences", { aud: ["another", "a third"], azp: clientId }, "aud"],
    ["no audience in the list", { aud: [] }, "aud"],
    ["an audience that is a number (S280)", { aud: 7 }, "aud"],
    ["an audience that is an object (S280)", { aud: { [clientId]: true } }, "aud"],
    ["an audience list with a number (S280)", { aud: [clientId, 7], azp: clientId }, "aud"],
    ["several audiences without azp", { aud: [clientId, "another"] }, "azp"],
    ["several audiences with another azp", { aud: [clientId, "another"], azp: "another" }, "azp"],
    ["one audience with another azp", { azp: "another" }, "azp"],
    ["an azp in a list", { azp: [clientId] }, "azp"],
    ["an empty azp", { azp: "" }, "azp"],
    ["an exp that passed as long ago as is forgiven (S282)", { exp: now - 30 }, "exp"],
    ["an exp that passed a minute ago, whatever is forgiven", { exp: now - 60 }, "exp", { clockTolerance: "1 day" }],
    ["an exp that is a text (S280)", { exp: String(now + 300) }, "exp"],
    ["an exp in milliseconds (S280)", { exp: (now + 300) * 1000 }, "exp"],
    ["an absurd exp (S280)", { exp: 1e308 }, "exp"],
    ["a negative exp (S280)", { exp: -1 }, "exp"],
    ["an iat that is later than is forgiven (S282)", { iat: now + 31 }, "iat"],
    ["an iat that is a text (S280)", { iat: String(now) }, "iat"],
    ["an nbf that is later than is forgiven", { nbf: now + 31 }, "nbf"],
    ["an nbf that is a text", { nbf: "now" }, "nbf"],
    ["no nonce where one was sent", {}, "nonce", {}, { nonce: Redacted.make("n-1") }],
    ["another nonce", { nonce: "n-2" }, "nonce", {}, { nonce: Redacted.make("n-1") }],
    ["a longer nonce", { nonce: "n-1n-1" }, "nonce", {}, { nonce: "n-1" }],
    ["an empty nonce", { nonce: "" }, "nonce", {}, { nonce: "n-1" }],
    ["a nonce in a list", { nonce: ["n-1"] }, "nonce", {}, { nonce: "n-1" }],
    ["another at_hash", { at_hash: "77QmUPtjPfzWtF2AnpK9RA" }, "at_hash", {}, { accessToken: Redacted.make("a") }],
    ["an empty at_hash", { at_hash: "" }, "at_hash", {}, { accessToken: "a" }],
    ["an at_hash that is a number", { at_hash: 7 }, "at_hash", {}, { accessToken: "a" }],
    ["no auth_time where one is needed", {}, "auth_time", { maxAge: "1 hour" }],
    ["an auth_time too long ago", { auth_time: now - 3631 }, "auth_time", { maxAge: "1 hour" }],
    ["an auth_time in the future", { auth_time: now + 31 }, "auth_time"],
    ["an auth_time that is a text", { auth_time: "today" }, "auth_time", { maxAge: "1 hour" }],
    ["an e-mail address that is none", { email: ["ada@example.com"] }, "email"],
    ["an e-mail address that may be verified", { email_verified: "perhaps" }, "email_verified"]
  ]

  it.effect.each(refused)("is refused with %s (S274)", ([, change, part, options, beside]) =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(() => sign({ ...good, ...change }))
      const error = yield* Effect.flip(verifying(token, options, beside))
      expect(partOf(error)).toBe(part)
      expect(error.message).toMatch(new RegExp(`^the ID token is refused, ${part}: `))
    })
  )

  const accepted: ReadonlyArray<Row> = [
    ["a list with us alone", { aud: [clientId] }, ""],
    ["several audiences and our azp", { aud: ["another", clientId], azp: clientId }, ""],
    ["one audience and our azp", { azp: clientId }, ""],
    ["an exp that has just passed, within what is forgiven (S282)", { exp: now - 29 }, ""],
    ["an iat and an nbf within what is forgiven (S282)", { iat: now + 30, nbf: now + 30 }, ""],
    ["times with fractions (RFC 7519 2)", { exp: now + 0.5, iat: now - 0.5 }, ""],
    ["a nonce that nobody asked about", { nonce: "n-1" }, ""],
    ["the nonce", { nonce: "n-1" }, "", {}, { nonce: Redacted.make("n-1") }],
    ["an at_hash beside no access token", { at_hash: "77QmUPtjPfzWtF2AnpK9RA" }, ""],
    ["an access token beside no at_hash", {}, "", {}, { accessToken: "a" }],
    ["a login that is as old as it may be", { auth_time: now - 3630 }, "", { maxAge: "1 hour" }],
    ["nulls where nothing must be", { azp: null, nonce: null, email: null }, ""]
  ]

  it.effect.each(accepted)("is accepted with %s", ([, change, , options, beside]) =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(() => sign({ ...good, ...change }))
      expect((yield* verifying(token, options, beside)).subject).toBe("ada")
    })
  )

  it.effect("repeats the access token's hash, as in the specification's own example (A.3)", () =>
    Effect.gen(function* () {
      const accessToken = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
      const at_hash = "77QmUPtjPfzWtF2AnpK9RQ"
      expect(yield* leftHalf("SHA-256", accessToken)).toBe(at_hash)
      const token = yield* Effect.promise(() => sign({ ...good, at_hash }))
      yield* verifying(token, {}, { accessToken: Redacted.make(accessToken) })
      expect(partOf(yield* Effect.flip(verifying(token, {}, { accessToken: `${accessToken}.` })))).toBe("at_hash")
    })
  )

  it("takes the hash of the algorithm that it is signed with", () => {
    expect(algorithms.map(IdTokenClaims.hashOf)).toEqual([
      ...["SHA-256", "SHA-384", "SHA-512", "SHA-256", "SHA-384", "SHA-512"],
      ...["SHA-256", "SHA-384", "SHA-512", "SHA-512", "SHA-512"]
    ])
  })

  it.effect("cannot bring a prototype (S287)", () =>
    Effect.gen(function* () {
      const body = JSON.stringify(good).replace(
        "{",
        `{"__proto__":{"nonce":"n-1","polluted":true},"constructor":{"a":1},`
      )
      const token = yield* Effect.promise(() =>
        new jose.CompactSign(new TextEncoder().encode(body))
          .setProtectedHeader({ alg: "ES256", kid: "ec" })
          .sign(ec.privateKey)
      )
      const claims = yield* verifying(token)
      expect(claims.nonce).toEqual(Option.none())
      expect(Object.getPrototypeOf(claims.extra)).toBe(null)
      expect(Object.keys(claims.extra)).toEqual(["constructor"])
      expect(partOf(yield* Effect.flip(verifying(token, {}, { nonce: "n-1" })))).toBe("nonce")
      expect(({} as Record<string, unknown>)["polluted"]).toBe(undefined)
    })
  )
})

describe("what is no ID token of the issuer", () => {
  const hmac = (header: object, secret: string | Uint8Array) => {
    const input = `${encode(JSON.stringify(header))}.${encode(JSON.stringify(good))}`
    return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`
  }
  const strangerPublic = { ...stranger.jwk }

  const forged: ReadonlyArray<readonly [what: string, token: string | Promise<string>, part: string]> = [
    ["alg none, without a signature (S273)", assemble({ alg: "none" }, good, ""), "alg"],
    ["alg NonE (S273)", assemble({ alg: "NonE", kid: "ec" }, good, ""), "alg"],
    ["alg none, with a signature (S273)", assemble({ alg: "none", kid: "ec" }, good, encode("signature")), "alg"],
    ["no alg (S273)", assemble({ typ: "JWT", kid: "ec" }, good, encode("signature")), "alg"],
    ["an alg in a list (S273)", assemble({ alg: ["ES256"], kid: "ec" }, good, encode("signature")), "alg"],
    ["the alg of a prototype (S273)", assemble({ alg: "constructor", kid: "ec" }, good, encode("signature")), "alg"],
    ["HS256 with the RSA key in PEM (S273)", hmac({ alg: "HS256", kid: "rsa" }, publicPem), "alg"],
    ["HS256 with the RSA key in one line (S273)", hmac({ alg: "HS256", kid: "rsa" }, publicPem.trim()), "alg"],
    ["HS256 with the RSA modulus (S273)", hmac({ alg: "HS256", kid: "rsa" }, jose.base64url.decode(rsa.jwk.n!)), "alg"],
    ["HS256 with nothing (S273)", hmac({ alg: "HS256", kid: "rsa" }, ""), "alg"],
    ["RS256 that is a hash (S273)", hmac({ alg: "RS256", kid: "rsa" }, publicPem), "signature"],
    ["ES256 that is zeros (S273)", assemble({ alg: "ES256", kid: "ec" }, good, "A".repeat(86)), "signature"],
    ["no signature (S273)", assemble({ alg: "ES256", kid: "ec" }, good, ""), "signature"],
    ["another key (S273)", sign(good, { key: stranger }), "signature"],
    [
      "a key of its own in the header (S273)",
      sign(good, { key: stranger, header: { jwk: strangerPublic } }),
      "signature"
    ],
    [
      "an address of its own for keys (S273)",
      sign(good, { key: stranger, header: { jku: "https://evil.example" } }),
      "signature"
    ],
    [
      "an address for certificates (S273)",
      sign(good, { key: stranger, header: { x5u: "https://evil.example" } }),
      "signature"
    ],
    ["a certificate of its own (S273)", sign(good, { key: stranger, header: { x5c: ["MIIB"] } }), "signature"],
    ["a key that nobody has", sign(good, { header: { kid: "../../dev/null" } }), "signature"],
    ["the key of another algorithm", sign(good, { header: { kid: "rsa" } }), "signature"],
    ["a kid that is a number", sign(good, { header: { kid: 1 } }), "signature"],
    ["an access token's type (S284)", sign(good, { header: { typ: "at+jwt" } }), "typ"],
    ["an access token's long type (S284)", sign(good, { header: { typ: "application/at+jwt" } }), "typ"],
    ["a logout token's type", sign(good, { header: { typ: "logout+jwt" } }), "typ"],
    ["a typ in a list", sign(good, { header: { typ: ["JWT"] } }), "typ"],
    ["a critical extension (S278)", sign(good, { header: { crit: ["exp"], exp: 1 } }), "crit"],
    ["a critical list that is empty (S278)", assemble({ alg: "ES256", kid: "ec", crit: [] }, good, ""), "crit"],
    ["b64 (S278)", assemble({ alg: "ES256", kid: "ec", b64: false }, good, ""), "b64"],
    ["five parts: encrypted (S278)", "a.b.c.d.e", "token"],
    ["a token within (S278)", sign("eyJhbGciOiJub25lIn0.e30." as any), "token"],
    ["two parts", "e30.e30", "token"],
    ["nothing", "", "token"],
    ["a header that is no JSON", `${encode("{")}.${encode("{}")}.`, "token"],
    ["claims that are a list", assemble({ alg: "ES256", kid: "ec" }, [good], ""), "token"],
    ["more than 64 KiB (S279)", sign({ ...good, more: "x".repeat(65_536) }), "token"],
    ["spaces around it", ` ${assemble({ alg: "ES256", kid: "ec" }, good, "")}`, "token"]
  ]

  it.effect.each(forged)("is refused: %s", ([, token, part]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(verifying(yield* Effect.promise(async () => token)))
      expect(partOf(error)).toBe(part)
    })
  )

  it.effect("is refused with an algorithm that the verifier does not allow", () =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(() => sign(good))
      expect(partOf(yield* Effect.flip(verifying(token, { algorithms: ["RS256"] })))).toBe("alg")
      yield* verifying(token, { algorithms: ["RS256", "ES256"] })
    })
  )

  it.effect("is refused with a shared secret, even if somebody gets the type system to allow it", () =>
    Effect.gen(function* () {
      const secret = { kty: "oct", k: encode("0".repeat(32)), kid: "s" }
      const token = hmac({ alg: "HS256", kid: "s" }, "0".repeat(32))
      const options: Partial<IdToken.Options> = { algorithms: ["HS256" as IdTokenClaims.Algorithm] }
      expect(partOf(yield* Effect.flip(verifying(token, options, {}, [secret])))).toBe("alg")
    })
  )

  it.effect("may have any other type that says JWT, or none", () =>
    Effect.gen(function* () {
      for (const typ of ["JWT", "jwt", "application/jwt", undefined, null]) {
        yield* verifying(yield* Effect.promise(() => sign(good, { header: { typ } })))
      }
    })
  )

  it.effect(
    "is refused with any bit of it turned (S290)",
    () =>
      Effect.gen(function* () {
        yield* atNow
        const id = publishing(() => [ec.jwk])
        const { verify } = IdToken.verifier({ server, clientId })
        const token = yield* Effect.promise(() =>
          sign({ ...good, nonce: "n-0S6_WzA2Mj", name: "Ada Lovelace", email: "ada@example.com" })
        )
        const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        const turned = Array.from(token).flatMap((char, at) =>
          char === "."
            ? []
            : [1, 2, 4, 8, 16, 32].map(
                (bit) => token.slice(0, at) + alphabet[alphabet.indexOf(char) ^ bit] + token.slice(at + 1)
              )
        )
        expect(turned.length).toBeGreaterThan(2_000)
        const exits = yield* Effect.provide(
          Effect.forEach(turned, (one) => Effect.either(verify(one)), { concurrency: 50 }),
          id.layer
        )
        expect(exits.filter(Either.isRight)).toEqual([])
        expect((yield* Effect.provide(verify(token), id.layer)).subject).toBe("ada")
        expect(id.seen).toHaveLength(1)
      }),
    60_000
  )
})

describe("the issuer's keys", () => {
  it.effect("are all tried, up to five, where none or several have the token's kid (S276)", () =>
    Effect.gen(function* () {
      const others = yield* Effect.promise(() => Promise.all(Array.from({ length: 5 }, () => newKey("ES256", "ec"))))
      const anonymous = yield* Effect.promise(() => sign(good, { header: { kid: undefined } }))
      const named = yield* Effect.promise(() => sign(good))
      const jwks = others.map(({ jwk }) => jwk)
      for (const token of [anonymous, named]) {
        yield* verifying(token, {}, {}, [rsa.jwk, ...jwks.slice(0, 4), ec.jwk])
        expect(partOf(yield* Effect.flip(verifying(token, {}, {}, [...jwks, ec.jwk])))).toBe("signature")
      }
      const { kid: _, ...bare } = ec.jwk
      yield* verifying(anonymous, {}, {}, [bare])
    })
  )

  it.effect("do not count if they are for something else, too weak, or not public (S277)", () =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(() => sign(good))
      const privateJwk = yield* Effect.promise(() => jose.exportJWK(ec.privateKey))
      const keys: Record<string, unknown> = {
        "for encryption": { ...ec.jwk, use: "enc" },
        "of another algorithm": { ...ec.jwk, alg: "ES384" },
        "of another type": { ...ec.jwk, kty: "RSA" },
        "of another curve": { ...ec.jwk, crv: "P-384" },
        "for another operation": { ...ec.jwk, key_ops: ["sign"] },
        private: { ...privateJwk, kid: "ec" },
        broken: { ...ec.jwk, x: "AAAA" },
        "without its parts": { kty: "EC", crv: "P-256", kid: "ec" },
        "no object": "ec"
      }
      for (const [what, key] of Object.entries(keys)) {
        expect([what, partOf(yield* Effect.flip(verifying(token, {}, {}, [key, rsa.jwk])))]).toEqual([
          what,
          "signature"
        ])
        // It does not stand in the way of one that does.
        expect([what, (yield* verifying(token, {}, {}, [key, ec.jwk])).subject]).toEqual([what, "ada"])
      }
      yield* verifying(token, {}, {}, [{ ...ec.jwk, use: "sig", alg: "ES256", key_ops: ["verify"] }])
    })
  )

  it.effect("of RSA count from 2048 bits (S277)", () =>
    Effect.gen(function* () {
      const weak = yield* Effect.promise(async () => {
        const pair = await crypto.subtle.generateKey(
          {
            name: "RSASSA-PKCS1-v1_5",
            modulusLength: 1024,
            publicExponent: new Uint8Array([1, 0, 1]),
            hash: "SHA-256"
          },
          true,
          ["sign", "verify"]
        )
        const header = encode(JSON.stringify({ alg: "RS256", kid: "weak" }))
        const input = `${header}.${encode(JSON.stringify(good))}`
        const signature = await crypto.subtle.sign(
          "RSASSA-PKCS1-v1_5",
          pair.privateKey,
          new TextEncoder().encode(input)
        )
        return {
          jwk: { ...(await crypto.subtle.exportKey("jwk", pair.publicKey)), kid: "weak" },
          token: `${input}.${jose.base64url.encode(new Uint8Array(signature))}`
        }
      })
      expect(partOf(yield* Effect.flip(verifying(weak.token, {}, {}, [weak.jwk])))).toBe("signature")
    })
  )

  const setUp = (answer: (nth: number) => FakeServer.Answer) =>
    Effect.gen(function* () {
      yield* atNow
      const id = FakeServer.make((_, nth) => answer(nth))
      const { prepare, verify } = IdToken.verifier({ server, clientId })
      return {
        id,
        prepare: Effect.provide(prepare, id.layer),
        verify: (token: string) => Effect.provide(verify(token), id.layer),
        token: yield* Effect.promise(() => sign({ ...good, exp: now + 9e6 }))
      }
    })
  const keys = (...all: ReadonlyArray<Key>) => ({ keys: all.map(({ jwk }) => jwk) })

  it.effect("are asked for once, by many at once, without credentials or redirects (S289)", () =>
    Effect.gen(function* () {
      const { id, token, verify } = yield* setUp(() => ({ json: keys(ec), delay: "3 seconds" }))
      const fiber = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 200 }, () => verify(token)),
          { concurrency: 200 }
        )
      )
      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(fiber)).toHaveLength(200)
      expect(id.seen).toHaveLength(1)
      expect(id.seen[0]).toMatchObject({ method: "GET", url: jwksUri, text: "" })
      expect(Object.keys(id.seen[0]!.headers).sort()).toEqual(["accept", "accept-encoding"])
    })
  )

  it.effect("are asked for only once though who asked first goes away (S275)", () =>
    Effect.gen(function* () {
      const { id, token, verify } = yield* setUp(() => ({ json: keys(ec), delay: "3 seconds" }))
      for (let nth = 0; nth < 20; nth++) {
        const fiber = yield* Effect.fork(verify(token))
        yield* TestClock.adjust("100 millis")
        yield* Fiber.interrupt(fiber)
      }
      yield* TestClock.adjust("1 second")
      expect((yield* verify(token)).subject).toBe("ada")
      expect(id.seen).toHaveLength(1)
    })
  )

  it.effect.each([
    ["nothing", {}, 600],
    ["max-age", { "cache-control": "public, max-age=3600, must-revalidate" }, 3600],
    ["max-age and age", { "cache-control": "max-age=3600", age: "600" }, 3000],
    ["a quoted max-age", { "cache-control": 'Max-Age="3600"' }, 3600],
    ["s-maxage, which is for others", { "cache-control": "s-maxage=3600" }, 600],
    ["more than a day", { "cache-control": "max-age=31536000" }, 86_400],
    ["max-age=0", { "cache-control": "max-age=0" }, 30],
    ["no-store", { "cache-control": "no-store, max-age=3600" }, 30],
    ["nonsense", { "cache-control": "max-age=soon", age: "old" }, 600]
  ] as const)("serve as long as the answer says: %s", ([, headers, seconds]) =>
    Effect.gen(function* () {
      const { id, token, verify } = yield* setUp(() => ({ json: keys(ec), headers }))
      yield* verify(token)
      yield* TestClock.adjust(seconds * 1000 - 1)
      yield* verify(token)
      expect(id.seen).toHaveLength(1)
      yield* TestClock.adjust(1)
      yield* verify(token)
      expect(id.seen).toHaveLength(2)
    })
  )

  it.effect("are asked for again when a token has a new one, at most every 30 seconds (S275)", () =>
    Effect.gen(function* () {
      const next = yield* Effect.promise(() => newKey("ES256", "next"))
      let published = keys(ec)
      const { id, token, verify } = yield* setUp(() => ({ json: published }))
      yield* verify(token)
      published = keys(ec, next)
      const rotated = yield* Effect.promise(() => sign({ ...good, exp: now + 9e6 }, { key: next }))
      expect(partOf(yield* Effect.flip(verify(rotated)))).toBe("signature")
      yield* TestClock.adjust("29999 millis")
      expect(partOf(yield* Effect.flip(verify(rotated)))).toBe("signature")
      expect(id.seen).toHaveLength(1)
      yield* TestClock.adjust("1 millis")
      expect((yield* verify(rotated)).subject).toBe("ada")
      expect((yield* verify(token)).subject).toBe("ada")
      expect(id.seen).toHaveLength(2)
      published = keys(next)
      yield* TestClock.adjust("10 minutes")
      expect(partOf(yield* Effect.flip(verify(token)))).toBe("signature")
    })
  )

  it.effect("are asked for again when one was replaced under its own name", () =>
    Effect.gen(function* () {
      let published = keys(stranger)
      const { token, verify } = yield* setUp(() => ({ json: published }))
      expect(partOf(yield* Effect.flip(verify(token)))).toBe("signature")
      published = keys(ec)
      yield* TestClock.adjust("30 seconds")
      expect((yield* verify(token)).subject).toBe("ada")
    })
  )

  it.effect(
    "are not asked for by a flood of unknown ones (S275)",
    () =>
      Effect.gen(function* () {
        const { id, token, verify } = yield* setUp(() => ({ json: keys(ec) }))
        const [, payload, signature] = token.split(".")
        const flood = (nth: number) =>
          `${encode(JSON.stringify({ alg: "ES256", kid: `k${nth}` }))}.${payload}.${signature}`
        for (let minute = 0; minute < 5; minute++) {
          const results = yield* Effect.forEach(
            Array.from({ length: 400 }, (_, nth) => flood(minute * 400 + nth)),
            (one) => Effect.either(verify(one)),
            { concurrency: 500 }
          )
          expect(results.every(Either.isLeft)).toBe(true)
          yield* TestClock.adjust("1 minute")
        }
        expect(id.seen.map(({ at }) => at / 1000 - now)).toEqual([0, 60, 120, 180, 240])
      }),
    60_000
  )

  it.effect(
    "that are not to be had are asked for every 30 seconds, however many want them (S275)",
    () =>
      Effect.gen(function* () {
        const { id, token, verify } = yield* setUp(() => ({ status: 500 }))
        for (let second = 0; second < 60; second += 6) {
          const results = yield* Effect.forEach(Array.from({ length: 200 }), () => Effect.flip(verify(token)), {
            concurrency: 500
          })
          expect(new Set(results.map((error) => error._tag === "RefreshError" && error.reason._tag))).toEqual(
            new Set(["Unavailable"])
          )
          yield* TestClock.adjust("6 seconds")
        }
        expect(id.seen.map(({ at }) => at / 1000 - now)).toEqual([0, 30])
      }),
    60_000
  )

  it.effect("that have become old serve for a day while the server does not answer (S275)", () =>
    Effect.gen(function* () {
      const { id, token, verify } = yield* setUp((nth) =>
        nth === 1 ? { json: keys(ec) } : { lost: new Error("down") }
      )
      yield* verify(token)
      yield* TestClock.adjust("10 minutes")
      for (let nth = 0; nth < 100; nth++) yield* verify(token)
      expect(id.seen).toHaveLength(2)
      yield* TestClock.adjust("86399 seconds")
      yield* verify(token)
      yield* TestClock.adjust("1 second")
      const error = yield* Effect.flip(verify(token))
      expect(error._tag === "RefreshError" && error.reason._tag).toBe("Transport")
    })
  )

  it.effect("come back by themselves after an outage", () =>
    Effect.gen(function* () {
      const { token, verify } = yield* setUp((nth) => (nth === 1 ? { status: 503 } : { json: keys(ec) }))
      expect((yield* Effect.flip(verify(token)))._tag).toBe("RefreshError")
      yield* TestClock.adjust("30 seconds")
      expect((yield* verify(token)).subject).toBe("ada")
    })
  )

  it.effect("are asked for when the clock was set back, as soon as ever (S126, S275)", () =>
    Effect.gen(function* () {
      const clock = HybridClock.make(now * 1000)
      const id = FakeServer.make((_, nth) => ({ json: nth === 1 ? keys(stranger) : keys(ec) }))
      const { verify } = IdToken.verifier({ server, clientId })
      const token = yield* Effect.promise(() => sign({ ...good, iat: now - 9e3 }))
      yield* Effect.gen(function* () {
        yield* Effect.flip(verify(token))
        yield* clock.jump(-3_600_000)
        yield* clock.advance("30 seconds")
        expect((yield* verify(token)).subject).toBe("ada")
      }).pipe(Effect.provide(id.layer), Effect.withClock(clock))
    })
  )

  const broken: ReadonlyArray<readonly [what: string, answer: FakeServer.Answer, reason: string]> = [
    ["a redirect", { status: 302, headers: { location: "https://evil.example/keys" } }, "InvalidResponse"],
    ["not found", { status: 404 }, "InvalidResponse"],
    ["an outage", { status: 503 }, "Unavailable"],
    ["too many requests", { status: 429 }, "Unavailable"],
    ["a page", { body: "<html></html>", headers: { "content-type": "text/html" } }, "InvalidResponse"],
    ["no keys", { json: { keys: [] } }, "InvalidResponse"],
    ["keys that are no list", { json: { keys: { ec: ec.jwk } } }, "InvalidResponse"],
    ["a list", { json: [ec.jwk] }, "InvalidResponse"],
    ["more than 1 MiB", { body: `{"keys":[${" ".repeat(1 << 20)}]}` }, "InvalidResponse"],
    ["a lost connection", { lost: new Error("reset") }, "Transport"]
  ]

  it.effect.each(broken)("that come as %s are a typed error (S275, S289)", ([, answer, reason]) =>
    Effect.gen(function* () {
      const { prepare, token, verify } = yield* setUp(() => answer)
      for (const asking of [prepare, verify(token)]) {
        const error = yield* Effect.flip(asking)
        expect(error._tag === "RefreshError" && [error.provider, error.reason._tag]).toEqual(["IdToken", reason])
      }
    })
  )

  it.effect("have ten seconds to come (S275)", () =>
    Effect.gen(function* () {
      const { id, token, verify } = yield* setUp(() => "never")
      const fiber = yield* Effect.fork(Effect.flip(verify(token)))
      yield* TestClock.adjust("9999 millis")
      expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      expect(error._tag === "RefreshError" && error.reason._tag).toBe("Timeout")
      expect(id.seen).toHaveLength(1)
    })
  )

  it.effect("are asked for again after a defect, which nobody can have meant", () =>
    Effect.gen(function* () {
      yield* atNow
      const id = FakeServer.make((_, nth) => (nth === 1 ? undefined : { json: keys(ec) }))
      const { verify } = IdToken.verifier({ server, clientId })
      const token = yield* Effect.promise(() => sign(good))
      expect(Exit.isFailure(yield* Effect.exit(Effect.provide(verify(token), id.layer)))).toBe(true)
      expect((yield* Effect.provide(verify(token), id.layer)).subject).toBe("ada")
    })
  )
})

describe("options", () => {
  it.effect("that cannot work are found before anything is sent", () =>
    Effect.gen(function* () {
      const nobody = AuthorizationServer.make({ token_endpoint: `${issuer}/token`, jwks_uri: jwksUri })
      const optionOf = (options: IdToken.Options) =>
        Effect.map(Effect.flip(IdToken.verifier(options).check("Test")), ({ option }) => option)
      expect(yield* optionOf({ server: nobody, clientId })).toBe("server")
      expect(yield* optionOf({ server, clientId: " " })).toBe("clientId")
      expect(yield* optionOf({ server: "http://id.example.com", clientId })).toBe("issuer")
      yield* IdToken.verifier({ server, clientId }).check("Test")
    })
  )

  it.effect("without an issuer or without keys verify nothing", () =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(() => sign(good))
      const nobody = AuthorizationServer.make({ token_endpoint: `${issuer}/token`, jwks_uri: jwksUri })
      const keyless = AuthorizationServer.make({ token_endpoint: `${issuer}/token`, issuer })
      for (const server of [nobody, keyless]) {
        const error = yield* Effect.flip(verifying(token, { server }))
        expect(error._tag === "RefreshError" && error.reason._tag).toBe("InvalidResponse")
      }
    })
  )
})

describe("the person", () => {
  const claims = { ...good, email: "ada@example.com", hd: "example.com", level: 3, admin: true }

  it.effect("is the expected one, by every claim", () =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(() => sign(claims))
      const expected = { sub: "ada", email: "ada@example.com", hd: "example.com", level: 3, admin: true }
      expect((yield* verifying(token, { expected })).subject).toBe("ada")
    })
  )

  const others: ReadonlyArray<{ readonly [claim: string]: string | number | boolean }> = [
    { email: "eve@example.com" },
    { email: "Ada@example.com" },
    { hd: "example.com.evil.example" },
    { level: "3" },
    { admin: 1 },
    { absent: "x" },
    { toString: "x" },
    { email: "ada@example.com", hd: "evil.example" }
  ]

  it.effect.each(others)("is another one, by %j", (expected) =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(() => sign(claims))
      const error = yield* Effect.flip(verifying(token, { expected }))
      expect(error).toBeInstanceOf(WrongUser)
      expect(error._tag === "WrongUser" && error.claim).toBe(Object.keys(expected).at(-1))
    })
  )

  it.effect("is not looked at before the token is known to be right", () =>
    Effect.gen(function* () {
      const token = yield* Effect.promise(() => sign({ ...claims, aud: "another" }))
      expect(partOf(yield* Effect.flip(verifying(token, { expected: { sub: "eve" } })))).toBe("aud")
    })
  )

  it.effect("stays the same in a renewal, however long ago the login was (S283)", () =>
    Effect.gen(function* () {
      const login = yield* Effect.promise(() => sign({ ...claims, nonce: "n-1", exp: now - 9e3, iat: now - 9e4 }))
      const renewed = yield* Effect.promise(() => sign({ ...claims, auth_time: now - 9e4 }))
      const other = yield* Effect.promise(() => sign({ ...claims, sub: "eve" }))
      const options = { maxAge: "1 hour" } as const
      expect((yield* verifying(renewed, options, { previous: Redacted.make(login) })).subject).toBe("ada")
      const error = yield* Effect.flip(verifying(other, options, { previous: login }))
      expect(error._tag === "WrongUser" && error.claim).toBe("sub")
    })
  )
})

describe("errors", () => {
  it.effect("name the claim and why, and nothing of what it says (S031)", () =>
    Effect.gen(function* () {
      const canary = "ada.canary@example.com"
      const bad: ReadonlyArray<readonly [object, Partial<IdToken.Options>?, IdToken.VerifyOptions?]> = [
        [{ exp: now - 999 }],
        [{ iss: canary }],
        [{ aud: canary }],
        [{ azp: canary }],
        [{ sub: [canary] }],
        [{ email: { canary } }],
        [{ email_verified: canary }],
        [{ nonce: canary }, {}, { nonce: Redacted.make(`${canary}2`) }],
        [{ at_hash: canary }, {}, { accessToken: canary }],
        [{ sub: canary }, { expected: { sub: `${canary}2` } }],
        [{}, { expected: { email: `${canary}2` } }]
      ]
      for (const [change, options, beside] of bad) {
        const token = yield* Effect.promise(() => sign({ ...good, email: canary, ...change }))
        const exit = yield* Effect.exit(verifying(token, options, beside))
        expect(Exit.isFailure(exit)).toBe(true)
        const shown = inspect(exit, { depth: 20, showHidden: true }) + JSON.stringify(exit)
        expect(shown).not.toContain("canary@")
        expect(shown).not.toContain(token.split(".")[1]!.slice(20, 40))
      }
    })
  )

  it("cross a wire", () => {
    const wrong = new WrongUser({ claim: "email" })
    expect(Schema.decodeSync(WrongUser)(Schema.encodeSync(WrongUser)(wrong)).message).toBe(wrong.message)
    const error = new IdTokenError({ part: "exp", description: "it has passed" })
    expect(Schema.decodeSync(IdTokenError)(Schema.encodeSync(IdTokenError)(error)).message).toBe(error.message)
  })
})

describe("claims as a schema", () => {
  it("go there and back", () => {
    const optional = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
    const word = fc.string({ minLength: 1, maxLength: 40 })
    const moment = fc.integer({ min: 0, max: 1e10 })
    fc.assert(
      fc.property(
        fc.record({
          iss: word,
          sub: word,
          aud: fc.oneof(word, fc.array(word, { minLength: 2, maxLength: 4 })),
          exp: moment,
          iat: moment,
          auth_time: optional(moment),
          nonce: optional(fc.string()),
          email: optional(fc.string()),
          email_verified: optional(fc.boolean()),
          hd: optional(
            fc
              .json()
              .map(JSON.parse)
              .filter((value) => value !== null)
          )
        }),
        (claims) => {
          const there = Schema.decodeUnknownSync(IdTokenClaims.IdTokenClaims)(claims)
          expect({ ...Schema.encodeSync(IdTokenClaims.IdTokenClaims)(there) }).toEqual(
            JSON.parse(JSON.stringify(claims))
          )
        }
      )
    )
  })

  it("are refused by it or by the check alike", () => {
    const decode = Schema.decodeUnknownEither(IdTokenClaims.IdTokenClaims)
    const check = (claims: IdTokenClaims.Members) =>
      IdTokenClaims.check(claims, { issuer, clientId, now: DateTime.unsafeMake(now * 1000) })
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(issuer, clientId, now, now + 300, "true", [clientId], [], "")
    )
    const claims = Object.keys(good).concat("nbf", "auth_time", "azp", "nonce", "at_hash", "email", "email_verified")
    fc.assert(
      fc.property(fc.constantFrom(...claims), value, (claim, value) => {
        const members = { ...good, [claim]: value }
        const isType = (result: Either.Either<unknown, { readonly message: string }>) =>
          Either.isLeft(result) && /it is (missing$|not (a |1 to|true))/.test(result.left.message)
        expect(isType(check(members))).toBe(Either.isLeft(decode(members)))
      }),
      { numRuns: 1_000 }
    )
  })
})

describe("around an acquisition", () => {
  const { verified } = Provider

  const tokens = (...idTokens: ReadonlyArray<string | undefined>) => {
    const acquired: Array<Token.Token> = []
    const provider = Provider.make({
      name: "Login",
      acquire: () =>
        Effect.map(DateTime.now, (issuedAt) => {
          const idToken = idTokens[acquired.length]
          const token = Token.make({
            accessToken: Redacted.make(`at-${acquired.length + 1}`),
            idToken: Option.map(Option.fromNullable(idToken), Redacted.make<string>),
            issuedAt
          })
          acquired.push(token)
          return token
        })
    })
    return { acquired, provider }
  }
  const login: Provider.Need = {
    previous: Option.none(),
    validFor: 0 as any,
    interaction: "allowed"
  }

  it.effect("nothing is stored when somebody else logged in", () =>
    Effect.gen(function* () {
      yield* atNow
      const { acquired, provider } = tokens(yield* Effect.promise(() => sign({ ...good, sub: "eve" })))
      const verifier = IdToken.verifier({ server, clientId, expected: { sub: "ada" } })
      const persisted = provider.pipe(verified(verifier), Provider.persisted("key"))
      yield* persisted.check
      const error = yield* Effect.flip(persisted.acquire(login))
      expect([error.provider, error.reason._tag]).toEqual(["Login", "WrongUser"])
      expect(error.message).toContain("another user than the expected one logged in (sub differs)")
      expect(acquired).toHaveLength(1)
      expect(yield* Effect.flatMap(TokenStore.TokenStore, (store) => store.list)).toEqual([])
    }).pipe(Effect.provide(publishing(() => [ec.jwk]).layer), Effect.provide(TokenStore.layerMemory()))
  )

  it.effect("a stored token of somebody else is not found by who expects another (S228)", () =>
    Effect.gen(function* () {
      yield* atNow
      const ada = yield* Effect.promise(() => sign({ ...good, sub: "ada" }))
      const { acquired, provider } = tokens(ada, ada)
      const expecting = (sub: string) =>
        Provider.make({ ...provider, key: Option.some("login") }).pipe(
          verified(IdToken.verifier({ server, clientId, expected: { sub } })),
          Provider.persisted()
        )
      const first = yield* expecting("ada").acquire(login)
      expect((yield* Effect.flip(expecting("bob").acquire(login))).reason._tag).toBe("WrongUser")
      expect(acquired).toHaveLength(2)
      expect(Redacted.value((yield* expecting("ada").acquire(login)).accessToken)).toBe(
        Redacted.value(first.accessToken)
      )
    }).pipe(Effect.provide(publishing(() => [ec.jwk]).layer), Effect.provide(TokenStore.layerMemory()))
  )

  it.effect("a login without an ID token is refused, a renewal without one keeps the first", () =>
    Effect.gen(function* () {
      yield* atNow
      const idToken = yield* Effect.promise(() => sign({ ...good, at_hash: undefined }))
      const verifier = IdToken.verifier({ server, clientId })
      const { provider } = tokens(undefined, idToken, undefined)
      const { acquire } = verified(verifier)(provider)
      expect((yield* Effect.flip(acquire(login))).message).toContain("ask for the scope openid")
      const first = yield* acquire(login)
      const renewed = yield* acquire({ ...login, previous: Option.some(first) })
      expect(Redacted.value(renewed.accessToken)).toBe("at-3")
      expect(Option.map(renewed.idToken, Redacted.value)).toEqual(Option.some(idToken))
    }).pipe(Effect.provide(publishing(() => [ec.jwk]).layer))
  )

  it.effect("a renewal for somebody else is refused (S283)", () =>
    Effect.gen(function* () {
      yield* atNow
      const { provider } = tokens(
        yield* Effect.promise(() => sign(good)),
        yield* Effect.promise(() => sign({ ...good, sub: "eve" }))
      )
      const { acquire } = verified(IdToken.verifier({ server, clientId }))(provider)
      const first = yield* acquire(login)
      expect((yield* Effect.flip(acquire({ ...login, previous: Option.some(first) }))).reason._tag).toBe("WrongUser")
    }).pipe(Effect.provide(publishing(() => [ec.jwk]).layer))
  )

  it.effect("the ID token belongs to the access token beside it, and to the login", () =>
    Effect.gen(function* () {
      yield* atNow
      const at_hash = yield* leftHalf("SHA-256", "at-1")
      const idToken = yield* Effect.promise(() => sign({ ...good, at_hash, nonce: "n-1" }))
      const { provider } = tokens(idToken, idToken, idToken)
      const verifier = IdToken.verifier({ server, clientId })
      const acquire = (nonce: string) =>
        provider.acquire(login).pipe(IdToken.verifying(verifier, { provider: "Login", nonce: Redacted.make(nonce) }))
      expect(Redacted.value((yield* acquire("n-1")).accessToken)).toBe("at-1")
      expect((yield* Effect.flip(acquire("n-1"))).message).toContain("at_hash")
      expect((yield* Effect.flip(acquire("n-2"))).message).toContain("nonce")
    }).pipe(Effect.provide(publishing(() => [ec.jwk]).layer))
  )

  describe("with a new key, while the issuer does not publish it", () => {
    const next = newKey("ES256", "next")
    /** A login in order; then what comes is signed with a key that is not to be had. */
    const renewing = (claims: object, options: { readonly key?: Promise<Key>; readonly isUp?: boolean } = {}) =>
      Effect.gen(function* () {
        yield* atNow
        const key = yield* Effect.promise(() => options.key ?? next)
        const ids = [
          yield* Effect.promise(() => sign({ ...good, exp: now + 9e6 })),
          yield* Effect.promise(() => sign({ ...good, exp: now + 9e6, ...claims }, { key }))
        ]
        const issuer = FakeServer.make((_, nth) =>
          nth === 1 || options.isUp === true ? { json: { keys: [ec.jwk] } } : { status: 503 }
        )
        const { provider } = tokens(...ids)
        const { acquire: acquiring } = verified(IdToken.verifier({ server, clientId }))(provider)
        const acquire = (need: Provider.Need) => Effect.provide(acquiring(need), issuer.layer)
        const first = yield* acquire(login)
        yield* TestClock.adjust("1 minute")
        return { issuer, renewal: acquire({ ...login, previous: Option.some(first) }), again: acquire(login) }
      })

    it.effect("a renewal is used, and with it the refresh token that it brought (S283)", () =>
      Effect.gen(function* () {
        const { issuer, renewal } = yield* renewing({})
        expect(Redacted.value((yield* renewal).accessToken)).toBe("at-2")
        expect(issuer.seen).toHaveLength(2)
      })
    )

    it.effect.each([
      ["of somebody else", { sub: "eve" }, "WrongUser"],
      ["of another issuer", { iss: "https://evil.example" }, "InvalidResponse"],
      ["for another client", { aud: "another" }, "InvalidResponse"],
      ["that has expired", { exp: now - 60 }, "InvalidResponse"],
      ["beside another access token", { at_hash: "AAAA" }, "InvalidResponse"]
    ] as const)("a renewal %s is refused all the same (S274, S283)", ([, claims, reason]) =>
      Effect.gen(function* () {
        const { renewal } = yield* renewing(claims)
        expect((yield* Effect.flip(renewal)).reason._tag).toBe(reason)
      })
    )

    it.effect("a login is refused, and the error tells of the outage (S273)", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip((yield* renewing({})).again)
        expect([error.reason._tag, error.isRetryable]).toEqual(["InvalidResponse", false])
        expect(error.message).toContain("its ID token cannot be verified now")
        expect(error.message).toContain("status 503")
      })
    )

    it.effect("a renewal that is not signed by a key that is there is refused", () =>
      Effect.gen(function* () {
        const { renewal } = yield* renewing({}, { key: Promise.resolve(stranger) })
        expect((yield* Effect.flip(renewal)).message).toContain("it was not made with a key of the issuer")
      })
    )

    it.effect("a renewal whose key the issuer does not have, as it has just said, is refused (S275)", () =>
      Effect.gen(function* () {
        const { issuer, renewal } = yield* renewing({}, { isUp: true })
        expect((yield* Effect.flip(renewal)).message).toContain("the issuer has no key that fits it")
        expect(issuer.seen).toHaveLength(2)
      })
    )
  })

  it.effect("nothing is spent while the keys are not to be had", () =>
    Effect.gen(function* () {
      const { acquired, provider } = tokens()
      const { acquire } = verified(IdToken.verifier({ server, clientId }))(provider)
      const error = yield* Effect.flip(acquire(login))
      expect([error.provider, error.reason._tag, error.isRetryable]).toEqual(["Login", "Unavailable", true])
      expect(acquired).toHaveLength(0)
    }).pipe(Effect.provide(FakeServer.make(() => ({ status: 503 })).layer))
  )
})
