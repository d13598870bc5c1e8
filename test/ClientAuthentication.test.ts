import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { compactVerify, decodeProtectedHeader } from "jose"
import { spawnSync } from "node:child_process"
import * as crypto from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { inspect } from "node:util"
import * as ClientAuthentication from "../src/ClientAuthentication.ts"
import { RefreshError } from "../src/CredentialsError.ts"
import type * as Assertion from "../src/protocol/Assertion.ts"
import * as TokenRequest from "../src/protocol/TokenRequest.ts"

const context: ClientAuthentication.Context = {
  provider: "Test",
  clientId: "me",
  tokenEndpoint: "https://id.example.com/token",
  issuer: Option.some("https://id.example.com")
}

const apply = (authentication: ClientAuthentication.ClientAuthentication, given = context) =>
  Effect.map(authentication.apply(TokenRequest.make([["grant_type", "x"]]), given), (request) => {
    const { body, headers } = TokenRequest.encode(request, "form")
    return { headers, form: Object.fromEntries(new URLSearchParams(body)), request }
  })

const problem = (authentication: ClientAuthentication.ClientAuthentication) =>
  Effect.runPromise(Effect.flip(authentication.check("Test")))

const secret = "s3cret-c4nary"
const long = "a secret that is long enough for HS512: 64 bytes, which takes a while"

// Keys, each in every form that something out there writes

const rsa = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 })
const ec = (namedCurve: string) => crypto.generateKeyPairSync("ec", { namedCurve })
const p256 = ec("P-256")
const p384 = ec("P-384")
const p521 = ec("P-521")
const ed = crypto.generateKeyPairSync("ed25519")

const pem = (key: crypto.KeyObject, type: "pkcs8" | "pkcs1" | "sec1") => key.export({ format: "pem", type }) as string
const jwk = (key: crypto.KeyObject) => key.export({ format: "jwk" }) as JsonWebKey

const cryptoKey = (key: crypto.KeyObject, algorithm: object, usages: Array<KeyUsage> = ["sign"]) =>
  globalThis.crypto.subtle.importKey("jwk", jwk(key), algorithm as AlgorithmIdentifier, false, usages)

type KeyUsage = "sign" | "decrypt"

const keys: ReadonlyArray<
  readonly [
    name: string,
    algorithm: ClientAuthentication.Algorithm,
    key: ClientAuthentication.KeyMaterial,
    publicKey: crypto.KeyObject
  ]
> = [
  ...(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const).flatMap((algorithm) => [
    ["PKCS#8", algorithm, pem(rsa.privateKey, "pkcs8"), rsa.publicKey] as const,
    ["PKCS#1", algorithm, pem(rsa.privateKey, "pkcs1"), rsa.publicKey] as const,
    ["JWK", algorithm, jwk(rsa.privateKey), rsa.publicKey] as const
  ]),
  ...(
    [
      ["ES256", p256],
      ["ES384", p384],
      ["ES512", p521]
    ] as const
  ).flatMap(([algorithm, pair]) => [
    ["PKCS#8", algorithm, pem(pair.privateKey, "pkcs8"), pair.publicKey] as const,
    ["SEC1", algorithm, pem(pair.privateKey, "sec1"), pair.publicKey] as const,
    ["JWK", algorithm, jwk(pair.privateKey), pair.publicKey] as const
  ]),
  ["PKCS#8", "EdDSA", pem(ed.privateKey, "pkcs8"), ed.publicKey],
  ["JWK", "EdDSA", jwk(ed.privateKey), ed.publicKey],
  ["JWK as JSON", "ES256", JSON.stringify(jwk(p256.privateKey)), p256.publicKey],
  ["redacted PEM", "RS256", Redacted.make(pem(rsa.privateKey, "pkcs8")), rsa.publicKey],
  ["PEM with escaped line breaks", "RS256", pem(rsa.privateKey, "pkcs8").replaceAll("\n", "\\n"), rsa.publicKey],
  ["PEM with Windows line breaks", "RS256", pem(rsa.privateKey, "pkcs1").replaceAll("\n", "\r\n"), rsa.publicKey],
  [
    "PEM behind its parameters",
    "ES256",
    `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${pem(p256.privateKey, "sec1")}`,
    p256.publicKey
  ]
]

/** What the server sees of an assertion, after it verified the signature. */
const verify = async (assertion: string, key: crypto.KeyObject | Uint8Array) => {
  const publicKey = key instanceof Uint8Array ? key : jwk(key)
  const { payload } = await compactVerify(assertion, publicKey as Parameters<typeof compactVerify>[1])
  return { header: decodeProtectedHeader(assertion), claims: JSON.parse(new TextDecoder().decode(payload)) }
}

describe("none", () => {
  it.effect("only says who the client is (S088)", () =>
    Effect.gen(function* () {
      const { form, headers } = yield* apply(ClientAuthentication.none)
      expect(form).toEqual({ grant_type: "x", client_id: "me" })
      expect(headers).not.toHaveProperty("authorization")
    })
  )
})

describe("a certificate that the connection shows", () => {
  it.effect.each([ClientAuthentication.tlsClientAuth, ClientAuthentication.selfSignedTlsClientAuth])(
    "leaves only the client's name to be said ($method)",
    (authentication) =>
      Effect.gen(function* () {
        const { form, headers } = yield* apply(authentication)
        expect(form).toEqual({ grant_type: "x", client_id: context.clientId })
        expect(headers).not.toHaveProperty("authorization")
      })
  )
})

describe("a secret", () => {
  it.effect("goes in the header or in the body, never in both (S086, S087)", () =>
    Effect.gen(function* () {
      const basic = yield* apply(ClientAuthentication.clientSecretBasic(Redacted.make("a:b c")))
      expect(basic.headers["authorization"]).toBe(`Basic ${btoa("me:a%3Ab+c")}`)
      expect(basic.form).toEqual({ grant_type: "x" })
      const raw = yield* apply(ClientAuthentication.clientSecretBasic("a:b c", { raw: true }))
      expect(raw.headers["authorization"]).toBe(`Basic ${btoa("me:a:b c")}`)
      const post = yield* apply(ClientAuthentication.clientSecretPost("a:b c"))
      expect(post.form).toEqual({ grant_type: "x", client_id: "me", client_secret: "a:b c" })
      expect(post.headers).not.toHaveProperty("authorization")
    })
  )

  it.effect("given as an Effect is read anew every time", () =>
    Effect.gen(function* () {
      let count = 0
      const rotating = ClientAuthentication.clientSecretPost(Effect.sync(() => Redacted.make(`secret-${++count}`)))
      yield* rotating.check("Test")
      expect(count).toBe(0)
      expect((yield* apply(rotating)).form["client_secret"]).toBe("secret-1")
      expect((yield* apply(rotating)).form["client_secret"]).toBe("secret-2")
    })
  )

  it.each(["", "  ", "a\nb", "a\r\n", "a\u0000", "\ud800"])("of %j cannot work (S085, S099)", async (bad) => {
    for (const method of ["clientSecretBasic", "clientSecretPost", "clientSecretJwt"] as const) {
      for (const given of [bad, Redacted.make(bad)]) {
        expect(await problem(ClientAuthentication[method](given))).toMatchObject({
          _tag: "InvalidOption",
          provider: "Test",
          option: "clientSecret"
        })
      }
      const late = await Effect.runPromise(Effect.flip(apply(ClientAuthentication[method](Effect.succeed(bad)))))
      expect(late.reason._tag).toBe("Assertion")
    }
  })

  it.effect("whose Effect fails, fails with that error", () =>
    Effect.gen(function* () {
      const error = new RefreshError({ provider: "Vault", reason: { _tag: "Source", description: "sealed" } })
      expect(yield* Effect.flip(apply(ClientAuthentication.clientSecretBasic(Effect.fail(error))))).toBe(error)
    })
  )

  it.effect("is not to be seen in the request, nor in the method", () =>
    Effect.gen(function* () {
      for (const method of ["clientSecretBasic", "clientSecretPost"] as const) {
        const authentication = ClientAuthentication[method](Redacted.make(secret))
        const { request } = yield* apply(authentication)
        expect(inspect([request, authentication], { depth: 20, showHidden: true })).not.toContain(secret)
        expect(JSON.stringify([request, authentication])).not.toContain(secret)
      }
    })
  )

  it.effect("sent raw needs a client id without a colon", () =>
    Effect.gen(function* () {
      const raw = ClientAuthentication.clientSecretBasic("s", { raw: true })
      expect((yield* Effect.flip(apply(raw, { ...context, clientId: "a:b" }))).reason._tag).toBe("Assertion")
    })
  )
})

describe("an assertion signed with the secret", () => {
  it.each(["HS256", "HS384", "HS512"] as const)("with %s is verified by the server", async (algorithm) => {
    const { form } = await Effect.runPromise(
      apply(ClientAuthentication.clientSecretJwt(Redacted.make(long), { algorithm }))
    )
    const { claims, header } = await verify(form["client_assertion"]!, new TextEncoder().encode(long))
    expect(header.alg).toBe(algorithm)
    expect(claims).toMatchObject({ iss: "me", sub: "me", aud: context.tokenEndpoint })
    expect(JSON.stringify(form)).not.toContain(long)
  })

  it("takes a secret as long as the hash (S100)", async () => {
    const { expected } = await problem(ClientAuthentication.clientSecretJwt("x".repeat(31)))
    expect(expected).toBe("a secret of at least 32 bytes for HS256")
    await Effect.runPromise(ClientAuthentication.clientSecretJwt("x".repeat(32)).check("Test"))
    expect((await problem(ClientAuthentication.clientSecretJwt("x".repeat(63), { algorithm: "HS512" }))).option).toBe(
      "clientSecret"
    )
    const late = await Effect.runPromise(
      Effect.flip(apply(ClientAuthentication.clientSecretJwt(Effect.succeed("short"))))
    )
    expect(late.reason._tag).toBe("Assertion")
  })
})

describe("an assertion signed with a private key", () => {
  it.each(keys)("given as %s, with %s, is verified by the server", async (_, algorithm, key, publicKey) => {
    const authentication = ClientAuthentication.privateKeyJwt({ key, algorithm })
    await Effect.runPromise(authentication.check("Test"))
    const { form } = await Effect.runPromise(apply(authentication))
    const { header } = await verify(form["client_assertion"]!, publicKey)
    expect(header.alg).toBe(algorithm)
  })

  // RFC 8017 §8.1 and §8.2, by an implementation that shares nothing with ours.
  it
    .skipIf(spawnSync("openssl", ["version"]).status !== 0)
    .each(keys.filter(([, algorithm]) => /^[RP]S/.test(algorithm)))(
    "given as %s, with %s, is verified by openssl",
    async (_, algorithm, key, publicKey) => {
      const { form } = await Effect.runPromise(apply(ClientAuthentication.privateKeyJwt({ key, algorithm })))
      const [header, claims, signature] = form["client_assertion"]!.split(".")
      const directory = fs.mkdtempSync(path.join(os.tmpdir(), "openssl-"))
      try {
        const file = (name: string, content: string | Uint8Array) => {
          fs.writeFileSync(path.join(directory, name), content)
          return path.join(directory, name)
        }
        const bits = algorithm.slice(2)
        const padding =
          algorithm[0] === "P"
            ? ["rsa_padding_mode:pss", `rsa_pss_saltlen:${Number(bits) / 8}`, `rsa_mgf1_md:sha${bits}`]
            : ["rsa_padding_mode:pkcs1"]
        const verified = (content: string) =>
          spawnSync("openssl", [
            "dgst",
            `-sha${bits}`,
            ...padding.flatMap((option) => ["-sigopt", option]),
            "-verify",
            file("key.pem", publicKey.export({ type: "spki", format: "pem" })),
            "-signature",
            file("signature", Buffer.from(signature!, "base64url")),
            file("content", content)
          ]).stdout.toString()
        expect(verified(`${header}.${claims}`)).toBe("Verified OK\n")
        expect(verified(`${header}.${claims}x`)).not.toContain("OK")
      } finally {
        fs.rmSync(directory, { recursive: true })
      }
    }
  )

  it("given as a CryptoKey is verified by the server", async () => {
    const key = await cryptoKey(p256.privateKey, { name: "ECDSA", namedCurve: "P-256" })
    const { form } = await Effect.runPromise(apply(ClientAuthentication.privateKeyJwt({ key, algorithm: "ES256" })))
    await verify(form["client_assertion"]!, p256.publicKey)
  })

  it.scoped("says who, for whom, and until when, by the program's own clock (S093, S094)", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_500)
      const { form } = yield* apply(
        ClientAuthentication.privateKeyJwt({
          key: pem(rsa.privateKey, "pkcs8"),
          keyId: "2024",
          thumbprint: "DE:AD:BE:EF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF",
          thumbprintS256: "00".repeat(32)
        })
      )
      expect(form["client_assertion_type"]).toBe("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
      expect(form["client_id"]).toBe("me")
      const { claims, header } = yield* Effect.promise(() => verify(form["client_assertion"]!, rsa.publicKey))
      expect(header).toEqual({
        alg: "RS256",
        typ: "JWT",
        kid: "2024",
        x5t: "3q2-7wARIjNEVWZ3iJmqu8zd7v8",
        "x5t#S256": "A".repeat(43)
      })
      expect(claims).toEqual({
        iss: "me",
        sub: "me",
        aud: "https://id.example.com/token",
        iat: 1_700_000_000,
        exp: 1_700_000_060,
        jti: expect.stringMatching(/^[\w-]{22}$/)
      })
    })
  )

  it("is for the issuer, or for whom one says, and lives as long as one says", async () => {
    const claimsOf = async (options: Assertion.Validity) => {
      const authentication = ClientAuthentication.privateKeyJwt({
        key: jwk(p256.privateKey),
        algorithm: "ES256",
        ...options
      })
      const { form } = await Effect.runPromise(apply(authentication))
      return (await verify(form["client_assertion"]!, p256.publicKey)).claims
    }
    expect((await claimsOf({ audience: "issuer" })).aud).toBe("https://id.example.com")
    expect((await claimsOf({ audience: "urn:x" })).aud).toBe("urn:x")
    const { exp, iat } = await claimsOf({ lifetime: "5 minutes" })
    expect(exp - iat).toBe(300)
    const lost = ClientAuthentication.privateKeyJwt({
      key: jwk(p256.privateKey),
      algorithm: "ES256",
      audience: "issuer"
    })
    expect((await Effect.runPromise(Effect.flip(apply(lost, { ...context, issuer: Option.none() })))).reason._tag).toBe(
      "Assertion"
    )
  })

  it("is never the same twice (S093)", async () => {
    const authentication = ClientAuthentication.privateKeyJwt({ key: jwk(p256.privateKey), algorithm: "ES256" })
    const assertions = await Effect.runPromise(
      Effect.all(
        Array.from({ length: 500 }, () => apply(authentication)),
        { concurrency: 8 }
      )
    )
    const ids = await Promise.all(
      assertions.map(async ({ form }) => (await verify(form["client_assertion"]!, p256.publicKey)).claims.jti)
    )
    expect(new Set(ids).size).toBe(500)
  })

  it("with a key given as an Effect uses the rotated one", async () => {
    let key = pem(p256.privateKey, "pkcs8")
    const authentication = ClientAuthentication.privateKeyJwt({ key: Effect.sync(() => key), algorithm: "ES256" })
    await Effect.runPromise(authentication.check("Test"))
    await verify((await Effect.runPromise(apply(authentication))).form["client_assertion"]!, p256.publicKey)
    const next = ec("P-256")
    key = pem(next.privateKey, "sec1")
    await verify((await Effect.runPromise(apply(authentication))).form["client_assertion"]!, next.publicKey)
    key = "no key"
    expect((await Effect.runPromise(Effect.flip(apply(authentication)))).reason._tag).toBe("Assertion")
  })
})

describe("a private key cannot work that", () => {
  const rsa1024 = crypto.generateKeyPairSync("rsa", { modulusLength: 1024 })
  const encrypted = (type: "pkcs8" | "pkcs1") =>
    rsa.privateKey.export({ format: "pem", type, cipher: "aes-256-cbc", passphrase: "p" }) as string
  const noCurve = (() => {
    const der = Uint8Array.from([0x30, 0x25, 2, 1, 1, 4, 0x20, ...new Uint8Array(32).fill(7)])
    return `-----BEGIN EC PRIVATE KEY-----\n${btoa(String.fromCharCode(...der))}\n-----END EC PRIVATE KEY-----`
  })()
  const inPem = "a private key in PEM (PKCS#8, PKCS#1 or SEC1)"
  const fitting = (algorithm: string) => `a private key for ${algorithm}, allowed to sign`

  it.each<[string, ClientAuthentication.KeyMaterial, ClientAuthentication.Algorithm, string]>([
    ["is empty", "", "RS256", inPem],
    ["is no PEM", "s3cret", "RS256", inPem],
    ["is a public key", rsa.publicKey.export({ format: "pem", type: "spki" }) as string, "RS256", inPem],
    ["is a broken PEM", "-----BEGIN PRIVATE KEY-----\ns3cretss\n-----END PRIVATE KEY-----", "RS256", fitting("RS256")],
    [
      "is an OpenSSH key",
      "-----BEGIN OPENSSH PRIVATE KEY-----\nczNjcmV0\n-----END OPENSSH PRIVATE KEY-----",
      "RS256",
      inPem
    ],
    ["is no JWK", "{s3cret", "RS256", "a private key: PEM, JWK or CryptoKey"],
    ["is a public JWK", jwk(p256.publicKey), "ES256", fitting("ES256")],
    ["is a JWK for something else", { ...jwk(rsa.privateKey), alg: "RS512" }, "RS256", fitting("RS256")],
    [
      "is encrypted (PKCS#8)",
      encrypted("pkcs8"),
      "RS256",
      expect.stringContaining("without a passphrase") as unknown as string
    ],
    [
      "is encrypted (PKCS#1)",
      encrypted("pkcs1"),
      "RS256",
      expect.stringContaining("without a passphrase") as unknown as string
    ],
    ["is too small", pem(rsa1024.privateKey, "pkcs8"), "RS256", "an RSA private key of at least 2048 bits"],
    ["is too small (PKCS#1)", pem(rsa1024.privateKey, "pkcs1"), "PS256", "an RSA private key of at least 2048 bits"],
    ["is RSA for ES256", pem(rsa.privateKey, "pkcs8"), "ES256", fitting("ES256")],
    ["is EC for RS256", pem(p256.privateKey, "sec1"), "RS256", fitting("RS256")],
    ["is on another curve", pem(p384.privateKey, "sec1"), "ES256", fitting("ES256")],
    ["is on another curve (JWK)", jwk(p384.privateKey), "ES256", fitting("ES256")],
    ["is EC for EdDSA", pem(p256.privateKey, "pkcs8"), "EdDSA", fitting("EdDSA")],
    ["names no curve", noCurve, "ES256", "an EC private key that names its curve"]
  ])("%s, and its text is not shown (S095)", async (_, key, algorithm, expected) => {
    const error = await problem(ClientAuthentication.privateKeyJwt({ key, algorithm }))
    expect(error).toMatchObject({ _tag: "InvalidOption", option: "key", expected })
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("s3cret")
    const late = await Effect.runPromise(
      Effect.flip(apply(ClientAuthentication.privateKeyJwt({ key: Effect.succeed(key), algorithm })))
    )
    expect(late.reason._tag).toBe("Assertion")
  })

  it("is a CryptoKey that may not sign, or for something else", async () => {
    const decrypting = await cryptoKey(rsa.privateKey, { name: "RSA-OAEP", hash: "SHA-256" }, ["decrypt"])
    expect((await problem(ClientAuthentication.privateKeyJwt({ key: decrypting }))).option).toBe("key")
    const p256Key = await cryptoKey(p256.privateKey, { name: "ECDSA", namedCurve: "P-256" })
    expect((await problem(ClientAuthentication.privateKeyJwt({ key: p256Key, algorithm: "ES384" }))).option).toBe("key")
  })
})

describe("other options", () => {
  const key = pem(p256.privateKey, "pkcs8")
  it.each([
    ["keyId", { keyId: " " }],
    ["keyId", { keyId: "a\nb" }],
    ["thumbprint", { thumbprint: "abcd" }],
    ["thumbprint", { thumbprint: "zz".repeat(20) }],
    ["thumbprintS256", { thumbprintS256: "00".repeat(20) }],
    ["lifetime", { lifetime: 0 }],
    ["lifetime", { lifetime: "2 hours" }],
    ["audience", { audience: "" }]
  ] as const)("%s is checked: %j", async (option, options) => {
    expect((await problem(ClientAuthentication.privateKeyJwt({ key, algorithm: "ES256", ...options }))).option).toBe(
      option
    )
  })
})

describe("the client of a provider's options", () => {
  it("is what its secret, or its authentication, or neither makes it", () => {
    const { clientSecretPost, fromClient } = ClientAuthentication
    const post = clientSecretPost("s")
    expect(fromClient({ clientId: "me" }).method).toBe("none")
    expect(fromClient({ clientId: "me", clientSecret: "s" }).method).toBe("client_secret_basic")
    expect(fromClient({ clientId: "me", authentication: post })).toBe(post)
  })

  it("with a blank secret is no public client by accident", async () => {
    const exit = await Effect.runPromiseExit(
      ClientAuthentication.fromClient({ clientId: "me", clientSecret: "" }).check("Test")
    )
    expect(Exit.isFailure(exit)).toBe(true)
  })
})
