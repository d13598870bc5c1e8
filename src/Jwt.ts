/**
 * A look inside a JSON Web Token, without trusting it.
 *
 * For hints only: when a token expires, who it is about, what to show on a screen. Nothing here checks a signature, so nothing here may decide
 * who is let in.
 *
 * @example
 * ```ts
 * import * as Jwt from "effect-credentials/Jwt"
 * import { Either } from "effect"
 *
 * const token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSIsImV4cCI6NjB9."
 * console.log(Either.getOrThrow(Jwt.decode(token)).claims.sub)
 * // me
 * ```
 *
 * @module
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { JwtError } from "./CredentialsError.ts"
import * as Json from "./internal/json.ts"

/**
 * What a JWT says, which anybody may have written.
 *
 * @category models
 * @since 0.1.0
 */
export interface Jwt {
  /** The first part: `alg`, `kid`, `typ`. */
  readonly header: Readonly<Record<string, unknown>>
  /** The second part: `iss`, `sub`, `exp` and whatever else. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** Longer ones are not looked at (RFC 8725 leaves the limit to us). */
const longest = 65_536

const fail = (description: string) => Either.left(new JwtError({ description }))

/** By what every runtime has built in, which is several times faster than a loop. */
const part = (encoded: string): Readonly<Record<string, unknown>> | undefined => {
  // The other alphabet, and white space, are fine for atob.
  if (/[^\w=-]/.test(encoded)) return undefined
  try {
    const binary = atob(encoded.replaceAll("-", "+").replaceAll("_", "/"))
    // ASCII is the same in UTF-8, and most often there is nothing else.
    if (!/[\x80-\xff]/.test(binary)) return Json.parseObject(binary)
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
    return Json.parseObject(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/**
 * The header and the claims of a signed JWT. The signature is not looked at.
 *
 * **Details** – fails with `JwtError`, which says which part is wrong and never what it holds, for anything that is not three parts of base64url
 * (RFC 7515 §7.1), for an encrypted JWT, and for one over 64 KiB.
 *
 * @example
 * ```ts
 * import * as Jwt from "effect-credentials/Jwt"
 * import { Either } from "effect"
 *
 * console.log(Either.isLeft(Jwt.decode("opaque")))
 * // true
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (token: string | Redacted.Redacted): Either.Either<Jwt, JwtError> => {
  const text = Redacted.isRedacted(token) ? Redacted.value(token) : token
  if (text.length > longest) return fail("at most 65,536 characters expected")
  const parts = text.split(".")
  if (parts.length === 5) return fail("it is encrypted, only its recipient can look inside")
  if (parts.length !== 3) return fail("three parts separated by dots expected")
  const header = part(parts[0]!)
  if (header === undefined) return fail("the header is not a JSON object in base64url")
  const claims = part(parts[1]!)
  if (claims === undefined) return fail("the claims are not a JSON object in base64url")
  return Either.right({ header, claims })
}

/** `exp` in milliseconds. In seconds it has at most 11 digits until the year 5138: more are milliseconds by mistake. */
const expiry = ({ claims }: Jwt): Either.Either<Option.Option<number>, JwtError> => {
  const exp = Json.member(claims, "exp")
  if (exp === undefined) return Either.right(Option.none())
  return typeof exp === "number" && exp >= 0 && exp < 1e11
    ? Either.right(Option.some(Math.floor(exp * 1000)))
    : fail("exp is not a number of seconds since 1970")
}

/**
 * When a token says it expires. None if it is no JWT, or says nothing of use.
 *
 * @example
 * ```ts
 * import * as Jwt from "effect-credentials/Jwt"
 * import { DateTime, Option } from "effect"
 *
 * const token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSIsImV4cCI6NjB9."
 * console.log(Option.getOrThrow(Option.map(Jwt.expiresAt(token), DateTime.formatIso)))
 * // 1970-01-01T00:01:00.000Z
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const expiresAt = (token: string | Redacted.Redacted): Option.Option<DateTime.Utc> =>
  Option.map(Option.flatten(Either.getRight(Either.flatMap(decode(token), expiry))), (millis) =>
    DateTime.unsafeMake(millis)
  )

/**
 * Whether a token says that it has expired by now. One that does not say when it expires, has not.
 *
 * **Details** – `leeway` (default: none) forgives clocks that differ: a token counts as expired only that long after its `exp`. It is not the
 * early-renewal window, which works in the other direction and belongs to credentials. Fails with `JwtError` for what is no JWT, or has an odd `exp`.
 *
 * @example
 * ```ts
 * import * as Jwt from "effect-credentials/Jwt"
 * import { Effect } from "effect"
 *
 * const token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSIsImV4cCI6NjB9."
 * console.log(Effect.runSync(Jwt.isExpired(token, { leeway: "30 seconds" })))
 * // true
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isExpired = (
  token: string | Redacted.Redacted,
  options?: { readonly leeway?: Duration.DurationInput | undefined }
): Effect.Effect<boolean, JwtError> =>
  Effect.flatMap(Either.flatMap(decode(token), expiry), (exp) =>
    Effect.map(DateTime.now, (now) =>
      Option.exists(exp, (millis) => DateTime.toEpochMillis(now) >= millis + Duration.toMillis(options?.leeway ?? 0))
    )
  )
