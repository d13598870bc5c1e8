/**
 * What a DPoP proof says, and what answers say about proofs (RFC 9449), as pure data.
 *
 * The module `DPoP` makes proofs with it. Use it yourself to check the proofs that a server of yours receives.
 *
 * @example
 * ```ts
 * import * as Proof from "effect-credentials/Proof"
 *
 * console.log(Proof.target("https://API.example.com:443/me?page=2#top"))
 * // https://api.example.com/me
 * ```
 *
 * @module
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Text from "../internal/text.ts"
import * as Challenge from "./Challenge.ts"

/**
 * What a proof is for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Proof {
  /** The request's method. */
  readonly method: string
  /** The request's absolute URL. */
  readonly url: string
  /** What no other proof is called. */
  readonly id: string
  /** When it is made. */
  readonly now: DateTime.Utc
  /** The SHA-256 hash of the access token that goes with the request, in base64url. Default: none goes with it. */
  readonly tokenHash?: string | undefined
  /** What the server wants to find in it. Default: nothing. */
  readonly nonce?: string | undefined
}

/**
 * The claims of a proof (RFC 9449 §4.2).
 *
 * @example
 * ```ts
 * import * as Proof from "effect-credentials/Proof"
 * import { DateTime } from "effect"
 *
 * const now = DateTime.unsafeMake(1_562_262_616_000)
 * console.log(Proof.claims({ method: "POST", url: "https://server.example.com/token", id: "-BwC3ESc6acc2lTc", now }))
 * // {
 * //   jti: '-BwC3ESc6acc2lTc',
 * //   htm: 'POST',
 * //   htu: 'https://server.example.com/token',
 * //   iat: 1562262616
 * // }
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc9449#section-4.2>
 * @category encoding
 * @since 0.1.0
 */
export const claims = (proof: Proof): Readonly<Record<string, unknown>> => ({
  jti: proof.id,
  htm: proof.method,
  htu: target(proof.url),
  iat: Math.floor(DateTime.toEpochMillis(proof.now) / 1000),
  ...(proof.tokenHash === undefined ? {} : { ath: proof.tokenHash }),
  ...(proof.nonce === undefined ? {} : { nonce: proof.nonce })
})

/**
 * A URL without query and fragment, in its normal form: `htu` of a proof.
 *
 * @example
 * ```ts
 * import * as Proof from "effect-credentials/Proof"
 *
 * console.log(Proof.target("https://api.example.com"))
 * // https://api.example.com/
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const target = (url: string): string => {
  const { origin, pathname } = new URL(url)
  return origin + pathname
}

/**
 * The nonce that an answer brings for the next proof (RFC 9449 §8.2). None if there is none, or one that cannot be sent back.
 *
 * @example
 * ```ts
 * import * as Proof from "effect-credentials/Proof"
 * import { Option } from "effect"
 *
 * console.log(Option.getOrThrow(Proof.nonce({ "dpop-nonce": "eyJ7S_zG.eyJH0-Z.HX4w-7v" })))
 * // eyJ7S_zG.eyJH0-Z.HX4w-7v
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const nonce = (headers: Readonly<Record<string, string | undefined>>): Option.Option<string> =>
  Option.filter(Option.fromNullable(headers["dpop-nonce"]), (nonce) => nonce.length <= 4_096 && Text.isWord(nonce))

/**
 * Whether a request was refused for want of the nonce alone: nothing was done, and the request may be sent once more.
 *
 * **Details** – an authorization server says so in the body, with the code `use_dpop_nonce` (RFC 9449 §8); an API in `WWW-Authenticate` (§9), where a 401 that brings a
 * nonce and says nothing else counts as well.
 *
 * @example
 * ```ts
 * import * as Proof from "effect-credentials/Proof"
 *
 * const headers = { "www-authenticate": `DPoP error="use_dpop_nonce"`, "dpop-nonce": "abc" }
 * console.log(Proof.wantsNonce({ status: 401, headers }))
 * // true
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const wantsNonce = (
  answer: { readonly status: number; readonly headers: Readonly<Record<string, string | undefined>> },
  error?: string
): boolean => {
  if (Option.isNone(nonce(answer.headers))) return false
  if (error !== undefined) return error === code && (answer.status === 400 || answer.status === 401)
  const errors = Challenge.refusals(answer.headers["www-authenticate"]).flatMap(({ error }) => Option.toArray(error))
  return answer.status === 401 && (errors.length === 0 || errors.includes(code))
}

const code = "use_dpop_nonce"
