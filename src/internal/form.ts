/**
 * How a record becomes the text of a file: in the clear, or encrypted.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Encryption from "./encryption.ts"
import type { Codec, Stored } from "./record.ts"

/** Why a text cannot be read or written. `Corrupt` is no good to anybody; all else is kept. Never what is in it. */
export interface FormError {
  readonly reason: "Corrupt" | "NewerVersion" | "Permissions" | "Unavailable"
  readonly description: string
  /** Whether it shows what should be hidden here, so that nothing of it may be kept. Default: no. */
  readonly isExposed?: boolean
}

/** Records as texts, and back. */
export interface Form<A> {
  readonly encode: (record: Stored<A>) => Effect.Effect<string, FormError>
  readonly decode: (text: string, key?: string) => Effect.Effect<Stored<A>, FormError>
  readonly isSame: (one: A, other: A) => boolean
}

const refused = (description: string): Effect.Effect<never, FormError> =>
  Effect.fail({ reason: "Permissions", description })

/** In the clear. What is encrypted is kept for who has the key. */
export const plain = <A>(codec: Codec<A>): Form<A> => ({
  encode: codec.encode,
  decode: (text, key) =>
    Encryption.isSealed(text)
      ? refused("it is encrypted, and kept: open the store as an encrypted one, with its key")
      : codec.decode(text, key),
  isSame: codec.isSame
})

/** A record in the clear, or the beginning of one: what is encrypted has no brace in it. */
const isClear = (text: string): boolean => text.trimStart().startsWith("{")

/**
 * Encrypted, with everything about it, so that a record in another's place is found out. Before the first one is written some of the `others` are
 * looked at: a passphrase is then used in the same way, and made a key of once.
 */
export const sealed = <A>(
  codec: Codec<A>,
  seal: Encryption.Seal,
  others: Effect.Effect<ReadonlyArray<string>>
): Form<A> => {
  const settle = Effect.suspend(() =>
    seal.isSettled()
      ? Effect.void
      : Effect.flatMap(others, (texts) =>
          Effect.ignore(Effect.firstSuccessOf([...texts.map(seal.unseal), Effect.void]))
        )
  )
  return {
    encode: (record) => Effect.flatMap(codec.encode(record), (text) => Effect.zipRight(settle, seal.seal(text))),
    decode: (sealed, key) =>
      Effect.matchEffect(seal.unseal(sealed), {
        onSuccess: (text) => codec.decode(text, key),
        onFailure: ({ _tag }): Effect.Effect<never, FormError> =>
          _tag === "WrongKey"
            ? refused(
                "it cannot be decrypted: the key or the passphrase is wrong, or somebody changed it; it is kept: give the right key, or remove it and log in again"
              )
            : Effect.fail(
                isClear(sealed)
                  ? { reason: "Corrupt", description: "it was in the clear", isExposed: true }
                  : { reason: "Corrupt", description: "it is not encrypted, or cut off" }
              )
      }),
    isSame: codec.isSame
  }
}
