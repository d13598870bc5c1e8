/**
 * The one file that signs and verifies with jose. What goes wrong is told as what was expected, in fixed words: nothing of a key is ever in it.
 *
 * jose is loaded when it is needed first, in the pieces that are needed: most programs never sign, and of those that do most never encrypt.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { JWK, createLocalJWKSet } from "jose"
import * as Base64Url from "./base64url.ts"
import * as Json from "./json.ts"
import { toPkcs8 } from "./pem.ts"

/** What is there from the second time on; a first time that fails is forgotten. */
const once = <A>(first: () => Promise<A>): (() => Promise<A>) => {
  let made: Promise<A> | undefined
  return () => {
    if (made === undefined) {
      made = first()
      made.catch(() => (made = undefined))
    }
    return made
  }
}

const loadErrors = /* @__PURE__ */ once(() => import("jose/errors"))
const loadExport = /* @__PURE__ */ once(() => import("jose/key/export"))
const loadGenerate = /* @__PURE__ */ once(() => import("jose/key/generate/keypair"))
const loadImport = /* @__PURE__ */ once(() => import("jose/key/import"))
const loadKeySet = /* @__PURE__ */ once(() => import("jose/jwks/local"))
const loadSign = /* @__PURE__ */ once(() => import("jose/jwt/sign"))
const loadThumbprint = /* @__PURE__ */ once(() => import("jose/jwk/thumbprint"))
const loadVerify = /* @__PURE__ */ once(() => import("jose/jws/compact/verify"))
const loadEncrypt = /* @__PURE__ */ once(() => import("jose/jwe/compact/encrypt"))
const loadDecrypt = /* @__PURE__ */ once(() => import("jose/jwe/compact/decrypt"))

/** What a private key may be given as, in the clear: PEM, JWK (an object or its JSON), or a CryptoKey. */
export type PrivateKey = string | JsonWebKey | CryptoKey

/** A key known to sign with the algorithm it is for. */
export interface Signer {
  readonly algorithm: string
  readonly key: CryptoKey | Uint8Array
}

const isCryptoKey = (key: object): key is CryptoKey => "algorithm" in key && "usages" in key && "type" in key

const curves: Readonly<Record<string, string>> = { ES256: "P-256", ES384: "P-384", ES512: "P-521" }

const ofJwk = async (jwk: object, algorithm: string): Promise<CryptoKey> => {
  if (!("d" in jwk)) throw undefined
  // Deno takes a key for whatever curve the algorithm has.
  if ("crv" in jwk && jwk.crv !== (curves[algorithm] ?? jwk.crv)) throw undefined
  const { importJWK } = await loadImport()
  const key = await importJWK({ ...jwk, alg: algorithm } as JWK, algorithm)
  if (key instanceof Uint8Array) throw undefined
  return key
}

/** A private key, tried out once: fails with what was expected of it. */
export const signer = (key: PrivateKey, algorithm: string): Effect.Effect<Signer, string> =>
  Effect.gen(function* () {
    let imported: () => Promise<CryptoKey>
    if (typeof key !== "string" && (typeof key !== "object" || key === null)) return yield* Effect.fail(anyKey)
    if (typeof key === "string" && !key.trimStart().startsWith("{")) {
      const pem = yield* toPkcs8(key)
      imported = async () => (await loadImport()).importPKCS8(pem, algorithm)
    } else if (typeof key === "string" || !isCryptoKey(key)) {
      const jwk = typeof key === "string" ? Json.parseObject(key) : key
      if (jwk === undefined) return yield* Effect.fail(anyKey)
      if ("alg" in jwk && jwk["alg"] !== algorithm && jwk["alg"] !== undefined)
        return yield* Effect.fail(fitting(algorithm))
      imported = () => ofJwk(jwk, algorithm)
    } else imported = () => Promise.resolve(key)
    const cryptoKey = yield* Effect.tryPromise({ try: imported, catch: () => fitting(algorithm) })
    const { modulusLength } = cryptoKey.algorithm as { readonly modulusLength?: number }
    if (modulusLength !== undefined && modulusLength < 2048) {
      return yield* Effect.fail("an RSA private key of at least 2048 bits")
    }
    const made = { algorithm, key: cryptoKey }
    yield* Effect.mapError(sign(made, {}, {}), () => fitting(algorithm))
    return made
  })

const anyKey = "a private key: PEM, JWK or CryptoKey"

const fitting = (algorithm: string): string => `a private key for ${algorithm}, allowed to sign`

/** A shared secret as a signer (RFC 7518 §3.2: at least as long as the hash). */
export const hmacSigner = (secret: string, algorithm: "HS256" | "HS384" | "HS512"): Either.Either<Signer, string> => {
  const key = new TextEncoder().encode(secret)
  const least = Number(algorithm.slice(2)) / 8
  return key.length >= least
    ? Either.right({ algorithm, key })
    : Either.left(`a secret of at least ${least} bytes for ${algorithm}`)
}

/** A private key with its public half, which may be shown to anybody. */
export interface KeyPair {
  readonly signer: Signer
  /** The public half as a JWK, with nothing in it but what the key consists of. */
  readonly publicKey: Readonly<Record<string, string>>
  /** The name of the public half (RFC 7638, SHA-256, in base64url). */
  readonly thumbprint: string
}

const publicMembers = ["crv", "e", "kty", "n", "x", "y"] as const

const publicKeyOf = (jwk: JWK): Readonly<Record<string, string>> =>
  Object.fromEntries(
    publicMembers.flatMap((name) => (typeof jwk[name] === "string" ? [[name, jwk[name] as string]] : []))
  )

/** Both halves of a key, tried out once: of the one given, or of a new one that nobody can ever read. Fails with what was expected of it. */
export const keyPair = (
  key: string | JsonWebKey | CryptoKeyPair | undefined,
  algorithm: string
): Effect.Effect<KeyPair, string> =>
  Effect.gen(function* () {
    const trying = <A>(attempt: () => Promise<A>): Effect.Effect<A, string> =>
      Effect.tryPromise({ try: attempt, catch: () => fitting(algorithm) })
    const { exportJWK } = yield* trying(loadExport)
    const { importJWK, importPKCS8 } = yield* trying(loadImport)
    let made: Signer
    let jwk: JWK
    if (key === undefined || (typeof key === "object" && "privateKey" in key)) {
      const pair = key ?? (yield* trying(async () => (await loadGenerate()).generateKeyPair(algorithm)))
      made = yield* signer(pair.privateKey, algorithm)
      jwk = yield* trying(() => exportJWK(pair.publicKey))
    } else {
      made = yield* signer(key, algorithm)
      if (typeof key === "string" && !key.trimStart().startsWith("{")) {
        const pem = yield* toPkcs8(key)
        jwk = yield* trying(async () => exportJWK(await importPKCS8(pem, algorithm, { extractable: true })))
      } else jwk = (typeof key === "string" ? Json.parseObject(key) : key) as JWK
    }
    const publicKey = publicKeyOf(jwk)
    const signature = yield* sign(made, {}, {})
    const { compactVerify } = yield* trying(loadVerify)
    yield* trying(async () => compactVerify(signature, await importJWK(publicKey as JWK, algorithm)))
    const { calculateJwkThumbprint } = yield* trying(loadThumbprint)
    return { signer: made, publicKey, thumbprint: yield* trying(() => calculateJwkThumbprint(publicKey as JWK)) }
  })

/** A signed JWT with exactly these claims. */
export const sign = (
  signer: Signer,
  header: Readonly<Record<string, unknown>>,
  claims: Readonly<Record<string, unknown>>
): Effect.Effect<string, string> =>
  Effect.tryPromise({
    try: async () => {
      const { SignJWT } = await loadSign()
      return new SignJWT(claims).setProtectedHeader({ typ: "JWT", ...header, alg: signer.algorithm }).sign(signer.key)
    },
    catch: () => "a key that can sign"
  })

/** The public keys that somebody signs with. */
export type KeySet = () => Promise<ReturnType<typeof createLocalJWKSet>>

/** The keys of a JSON Web Key Set; what is no object among them is left out. */
export const keySet = (keys: ReadonlyArray<unknown>): KeySet =>
  once(async () => {
    const { createLocalJWKSet } = await loadKeySet()
    return createLocalJWKSet({ keys: keys.filter(Json.isObject) as unknown as Array<JWK> })
  })

/** Without a key identifier, or with one that several keys have, this many keys are tried. */
const mostKeys = 5

/**
 * Whether one of the keys signed it. A key counts only if its type, curve, `alg`, `use`, `key_ops` and `kid` fit; an RSA key only from 2048 bits.
 * Secret and private keys never count, and keys inside the header are not looked at.
 */
export const verify = (
  jws: string,
  keys: KeySet,
  algorithm: string
): Effect.Effect<"Verified" | "UnknownKey" | "WrongSignature"> =>
  Effect.promise(async () => {
    if (!Base64Url.isCanonical(jws.slice(jws.lastIndexOf(".") + 1))) return "WrongSignature"
    const options = { algorithms: [algorithm] }
    const [{ compactVerify }, set] = [await loadVerify(), await keys()]
    try {
      await compactVerify(jws, set, options)
      return "Verified"
    } catch (error) {
      const { JWKSMultipleMatchingKeys, JWKSNoMatchingKey } = await loadErrors()
      if (error instanceof JWKSNoMatchingKey) return "UnknownKey"
      if (!(error instanceof JWKSMultipleMatchingKeys)) return "WrongSignature"
      let tried = 0
      for await (const key of error) {
        if (++tried > mostKeys) break
        try {
          await compactVerify(jws, key, options)
          return "Verified"
        } catch {
          // The next one.
        }
      }
      return "WrongSignature"
    }
  })

/** A text that only who has the key can read or change: a compact JWE (RFC 7516), AES-256-GCM under the key itself. The header is for everybody to read. */
export const seal = (
  text: string,
  key: CryptoKey,
  header: Readonly<Record<string, unknown>>
): Effect.Effect<string, string> =>
  Effect.tryPromise({
    try: async () => {
      const { CompactEncrypt } = await loadEncrypt()
      return new CompactEncrypt(new TextEncoder().encode(text))
        .setProtectedHeader({ ...header, alg: "dir", enc: "A256GCM" })
        .encrypt(key)
    },
    catch: () => "a key for AES-256-GCM"
  })

/** The text, if the key is the right one and nothing was changed. */
export const unseal = (sealed: string, key: CryptoKey): Effect.Effect<string, string> =>
  Effect.tryPromise({
    try: async () => {
      const { compactDecrypt } = await loadDecrypt()
      const { plaintext } = await compactDecrypt(sealed, key, {
        keyManagementAlgorithms: ["dir"],
        contentEncryptionAlgorithms: ["A256GCM"]
      })
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(plaintext)
    },
    catch: () => "the key it was encrypted with"
  })
