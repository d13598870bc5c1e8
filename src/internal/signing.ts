/**
 * Private keys from wherever they come, and the assertions signed with them.
 *
 * @module
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as Jose from "./jose.ts"

/** What a private key is given as. */
export type KeyMaterial = string | Redacted.Redacted | JsonWebKey | CryptoKey

/** A private key in use. */
export interface PrivateKey<E> {
  /** The key, if it does not change, or what was expected of it. One that is read anew every time is not looked at. */
  readonly check: Effect.Effect<Jose.Signer | undefined, string>
  /** The key of now, or what was expected of it. */
  readonly signer: Effect.Effect<Jose.Signer, E | string>
}

/** A key that does not change is imported once. */
export const privateKey = <E>(key: KeyMaterial | Effect.Effect<KeyMaterial, E>, algorithm: string): PrivateKey<E> => {
  const load = (key: KeyMaterial): Effect.Effect<Jose.Signer, string> =>
    Jose.signer(Redacted.isRedacted(key) ? Redacted.value(key) : key, algorithm)
  if (Effect.isEffect(key)) return { check: Effect.succeed(undefined), signer: Effect.flatMap(key, load) }
  let known: Jose.Signer | undefined
  const signer = Effect.suspend(() =>
    known !== undefined ? Effect.succeed(known) : Effect.tap(load(key), (signer) => Effect.sync(() => (known = signer)))
  )
  return { check: signer, signer }
}

/** An assertion made now, with an identifier that no other has: 128 random bits. */
export const assertion = (
  signer: Jose.Signer,
  header: Readonly<Record<string, string>>,
  claims: (moment: { readonly now: DateTime.Utc; readonly id: string }) => Readonly<Record<string, unknown>>
): Effect.Effect<Redacted.Redacted, string> =>
  Effect.flatMap(DateTime.now, (now) => {
    const id = Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(16)))
    return Effect.map(Jose.sign(signer, header, claims({ now, id })), Redacted.make)
  })
