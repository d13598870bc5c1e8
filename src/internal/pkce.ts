/**
 * What a login needs of cryptography: secrets nobody guesses, and the challenge that goes ahead of one (RFC 7636).
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"

/** 256 random bits in 43 characters of base64url: a state, a nonce, or a PKCE verifier, which must have 43 to 128. */
export const secret: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(32))))
)

/** `S256` of a verifier. There is no other method: `plain` protects nothing. */
export const challenge = (verifier: Redacted.Redacted): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(Redacted.value(verifier)))),
    (hash) => Encoding.encodeBase64Url(new Uint8Array(hash))
  )
