/**
 * Texts that lie encrypted: a compact JWE under 32 bytes, or under a passphrase by PBKDF2-HMAC-SHA-256, whose salt and number of iterations stand in the
 * header.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as Base64Url from "./base64url.ts"
import * as Jose from "./jose.ts"
import * as Json from "./json.ts"
import * as Lock from "./lock.ts"
import * as Text from "./text.ts"

/** What encrypts. */
export type Key = Redacted.Redacted<Uint8Array> | { readonly passphrase: Redacted.Redacted }

/** Why a text cannot be read. */
export interface SealError {
  /** `NotSealed`: it is nothing encrypted. `WrongKey`: it is, and it was another key, or somebody has changed it: nobody can tell which. */
  readonly _tag: "NotSealed" | "WrongKey"
}

/** Encrypts and decrypts under one key. */
export interface Seal {
  readonly seal: (text: string) => Effect.Effect<string>
  readonly unseal: (sealed: string) => Effect.Effect<string, SealError>
  /** Whether a text is encrypted in a way that was met before, so that another one will be in the same way. */
  readonly isSettled: () => boolean
}

/** What OWASP asks for with HMAC-SHA-256. */
const iterations = 600_000

/** More would let somebody who can write the file keep the reader busy. */
const mostIterations = 10_000_000

const shape = /^([A-Za-z0-9_-]+)\.\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{22})$/

/** Whether a text is encrypted, by the look of it. */
export const isSealed = (text: string): boolean => headerOf(text) !== undefined

const headerOf = (text: string): Readonly<Record<string, unknown>> | undefined => {
  const match = shape.exec(text)
  if (match === null || !Base64Url.isCanonical(match[1]!)) return undefined
  return Either.getOrUndefined(Either.map(Encoding.decodeBase64UrlString(match[1]!), (json) => Json.parseObject(json)))
}

const algorithm = { name: "AES-GCM", length: 256 }

const derive = (passphrase: Redacted.Redacted, salt: string, iterations: number): Effect.Effect<CryptoKey> =>
  Effect.promise(async () => {
    const text = new TextEncoder().encode(Redacted.value(passphrase).normalize("NFC"))
    const base = await crypto.subtle.importKey("raw", text, "PBKDF2", false, ["deriveKey"])
    const parameters = { name: "PBKDF2", hash: "SHA-256", iterations, salt: new TextEncoder().encode(salt) }
    return crypto.subtle.deriveKey(parameters, base, algorithm, false, ["encrypt", "decrypt"])
  })

const wrongKey: SealError = { _tag: "WrongKey" }

/** Fails with what is wrong about the key. */
export const make = (key: Key): Effect.Effect<Seal, string> =>
  Effect.suspend((): Effect.Effect<Seal, string> => {
    if ("passphrase" in key) {
      return Text.isBlank(Redacted.value(key.passphrase))
        ? Effect.fail("the passphrase must not be blank")
        : Effect.succeed(fromPassphrase(key.passphrase))
    }
    const bytes = Uint8Array.from(Redacted.value(key))
    return bytes.length === 32
      ? Effect.map(
          Effect.promise(() => crypto.subtle.importKey("raw", bytes, algorithm, false, ["encrypt", "decrypt"])),
          fromBytes
        )
      : Effect.fail("the key must be 32 bytes")
  })

const unsealWith = (sealed: string, key: CryptoKey): Effect.Effect<string, SealError> =>
  sealed.split(".").every((part) => part === "" || Base64Url.isCanonical(part))
    ? Effect.mapError(Jose.unseal(sealed, key), () => wrongKey)
    : Effect.fail(wrongKey)

const sealWith = (text: string, key: CryptoKey, header: Readonly<Record<string, unknown>>): Effect.Effect<string> =>
  Effect.orDie(Jose.seal(text, key, header))

const fromBytes = (key: CryptoKey): Seal => ({
  seal: (text) => sealWith(text, key, {}),
  unseal: (sealed) => (isSealed(sealed) ? unsealWith(sealed, key) : Effect.fail({ _tag: "NotSealed" })),
  isSettled: () => true
})

const fromPassphrase = (passphrase: Redacted.Redacted): Seal => {
  const one = Lock.make()
  const keys = new Map<string, CryptoKey>()
  let settled: { readonly salt: string; readonly iterations: number } | undefined

  /** Derived once: it is meant to take its time. */
  const keyOf = (salt: string, iterations: number): Effect.Effect<CryptoKey> =>
    one(
      Effect.suspend(() => {
        const name = `${iterations} ${salt}`
        const known = keys.get(name)
        return known !== undefined
          ? Effect.succeed(known)
          : Effect.tap(derive(passphrase, salt, iterations), (key) => Effect.sync(() => keys.set(name, key)))
      })
    )

  return {
    seal: (text) =>
      Effect.suspend(() => {
        settled ??= { salt: Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(16))), iterations }
        const { iterations: count, salt } = settled
        return Effect.flatMap(keyOf(salt, count), (key) => sealWith(text, key, { p2s: salt, p2c: count }))
      }),
    unseal: (sealed) =>
      Effect.suspend(() => {
        const header = headerOf(sealed)
        if (header === undefined) return Effect.fail<SealError>({ _tag: "NotSealed" })
        const salt = Json.member(header, "p2s")
        const count = Json.member(header, "p2c")
        const isFit =
          typeof salt === "string" &&
          typeof count === "number" &&
          Number.isSafeInteger(count) &&
          count >= iterations &&
          count <= mostIterations
        if (!isFit) return Effect.fail(wrongKey)
        return Effect.tap(
          Effect.flatMap(keyOf(salt, count), (key) => unsealWith(sealed, key)),
          () => Effect.sync(() => (settled ??= { salt, iterations: count }))
        )
      }),
    isSettled: () => settled !== undefined
  }
}
