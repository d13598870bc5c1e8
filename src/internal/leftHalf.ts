/**
 * What an ID token repeats of the token that it came with.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"

/** The left half of a hash in base64url: `at_hash` (OpenID Connect Core §3.1.3.6). */
export const leftHalf = (hash: "SHA-256" | "SHA-384" | "SHA-512", text: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest(hash, new TextEncoder().encode(text))),
    (bits) => Encoding.encodeBase64Url(new Uint8Array(bits, 0, bits.byteLength / 2))
  )
