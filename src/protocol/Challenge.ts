/**
 * What an API answers to a request that it does not accept: the header `WWW-Authenticate`, read.
 *
 * Reach for it when a 401 or 403 says more than "no": which scope is missing, where the API's authorization server is, or that a person has to log in with more than a
 * password. It does nothing about that by itself.
 *
 * @example
 * ```ts
 * import * as Challenge from "effect-credentials/Challenge"
 *
 * const [refusal] = Challenge.refusals(`Basic realm="x", Bearer error="insufficient_scope", scope="read write"`)
 * console.log(refusal?.scheme, refusal?.scope)
 * // bearer [ 'read', 'write' ]
 * ```
 *
 * @module
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Text from "../internal/text.ts"
import * as Url from "../internal/url.ts"

/**
 * One way to get in, of the one or several that a server offers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Challenge {
  /** The scheme, in lower case: `"basic"`, `"bearer"`, `"dpop"`. */
  readonly scheme: string
  /** What stands in place of parameters, for schemes that have none. */
  readonly token68: Option.Option<string>
  /** The parameters, their names in lower case, exactly as the server wrote them. Of one that is there twice, the first. */
  readonly params: ReadonlyMap<string, string>
}

/** More of a header is not looked at. */
const longest = 65_536

const isBlank = (char: string | undefined): boolean => char === " " || char === "\t"

/** RFC 9110 §5.6.2, what names are made of. */
const isTokenChar = (char: string | undefined): boolean =>
  char !== undefined && /^[!#$%&'*+.^_`|~0-9A-Za-z-]$/.test(char)

/** RFC 9110 §11.2, without the padding. */
const isToken68Char = (char: string | undefined): boolean => char !== undefined && /^[0-9A-Za-z._~+/-]$/.test(char)

/**
 * The challenges in a header, in order. None if there is no header.
 *
 * **Details** – total, and linear in the header's length: it looks at each character a few times at most, and at no more than 65,536. What is no challenge is skipped. It reads
 * what servers have been seen to send beyond the grammar: parameters without commas between them, and values without quotes that need them.
 * A quoted string that does not end is dropped.
 *
 * @example
 * ```ts
 * import * as Challenge from "effect-credentials/Challenge"
 *
 * const challenges = Challenge.parse(`Negotiate abc==, Bearer realm="a, b", , DPoP algs="ES256"`)
 * console.log(challenges.map(({ scheme }) => scheme))
 * // [ 'negotiate', 'bearer', 'dpop' ]
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1>
 * @category decoding
 * @since 0.1.0
 */
export const parse = (header: string | undefined): ReadonlyArray<Challenge> => {
  const text = (header ?? "").slice(0, longest)
  const challenges: Array<Challenge> = []
  let params: Map<string, string> | undefined
  let at = 0

  const skip = (isSkipped: (char: string | undefined) => boolean): void => {
    while (at < text.length && isSkipped(text[at])) at++
  }
  const take = (isTaken: (char: string | undefined) => boolean): string => {
    const start = at
    skip(isTaken)
    return text.slice(start, at)
  }

  /** Stands on the opening quote. Undefined if there is no closing one. */
  const quoted = (): string | undefined => {
    const parts: Array<string> = []
    for (at++; at < text.length; at++) {
      if (text[at] === '"') {
        at++
        return parts.join("")
      }
      if (text[at] === "\\") at++
      parts.push(text[at] ?? "")
    }
    return undefined
  }

  /** Stands behind a scheme. If what follows is no token68 up to the next comma, nothing is taken. */
  const token68 = (): Option.Option<string> => {
    const start = at
    skip(isBlank)
    const value = take(isToken68Char)
    const padding = take((char) => char === "=")
    skip(isBlank)
    const isAlone = isBlank(text[start]) && (at === text.length || text[at] === ",")
    if (isAlone && value !== "") return Option.some(value + padding)
    at = start
    return Option.none()
  }

  while (at < text.length) {
    skip((char) => char === "," || isBlank(char))
    const name = take(isTokenChar).toLowerCase()
    if (name === "") {
      // Junk, up to where something can begin.
      if (text[at] === '"') quoted()
      else skip((char) => char !== "," && char !== '"' && !isBlank(char))
      continue
    }
    const end = at
    skip(isBlank)
    if (text[at] !== "=") {
      at = end
      params = new Map()
      challenges.push({ scheme: name, token68: token68(), params })
      continue
    }
    at++
    skip(isBlank)
    const value = text[at] === '"' ? quoted() : take((char) => char !== "," && !isBlank(char))
    if (value !== undefined && params !== undefined && !params.has(name)) params.set(name, value)
  }
  return challenges
}

/**
 * What an API that takes access tokens says about a request that it refused.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refusal {
  /** How it wants the token. */
  readonly scheme: "bearer" | "dpop"
  /**
   * What is wrong, as a code: `invalid_token`, `insufficient_scope`, `invalid_request` (RFC 6750 §3.1), `use_dpop_nonce` (RFC 9449 §9), … None: the request had no token.
   */
  readonly error: Option.Option<string>
  /** What is wrong, for a developer: printable, at most 256 characters. */
  readonly description: Option.Option<string>
  /** What the token has to allow. Empty: it does not say. */
  readonly scope: ReadonlyArray<string>
  /** Where the API describes itself and names its authorization servers (RFC 9728 §5.1): https, or http on this machine. */
  readonly resourceMetadata: Option.Option<string>
  /** How the person has to log in, where the login behind the token is not enough (`insufficient_user_authentication`, RFC 9470 §3). */
  readonly stepUp: Option.Option<StepUp>
}

/**
 * How a person has to log in, for the request to be accepted: what goes into the authorization request as `acr_values` and `max_age`.
 *
 * @category models
 * @since 0.1.0
 */
export interface StepUp {
  /** The authentication context classes of which one is needed, the most wanted first. Empty: any. */
  readonly acrValues: ReadonlyArray<string>
  /** How long ago the login may be. */
  readonly maxAge: Option.Option<Duration.Duration>
}

/**
 * The Bearer and DPoP challenges in a header, with what they say made safe to show and to use.
 *
 * **Details** – a code, a scope or an address that is not well-formed counts as absent.
 *
 * @example
 * ```ts
 * import * as Challenge from "effect-credentials/Challenge"
 * import { Option } from "effect"
 *
 * const [refusal] = Challenge.refusals(
 *   `Bearer error="insufficient_user_authentication", acr_values="urn:example:mfa", max_age=300`
 * )
 * console.log(Option.getOrThrow(refusal!.stepUp).acrValues)
 * // [ 'urn:example:mfa' ]
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc6750#section-3>
 * @see <https://www.rfc-editor.org/rfc/rfc9470#section-3>
 * @category decoding
 * @since 0.1.0
 */
export const refusals = (header: string | undefined): ReadonlyArray<Refusal> =>
  parse(header).flatMap(({ params, scheme }) =>
    scheme === "bearer" || scheme === "dpop" ? [refusal(scheme, params)] : []
  )

const refusal = (scheme: Refusal["scheme"], params: Challenge["params"]): Refusal => {
  const param = (name: string) => Option.fromNullable(params.get(name))
  const words = (name: string) => (params.get(name) ?? "").split(" ").filter((word) => Text.isWord(word))
  const error = Option.filter(param("error"), (code) => code.length <= 64 && Text.isWord(code))
  return {
    scheme,
    error,
    description: Option.filter(
      Option.map(param("error_description"), (text) => Text.printable(text, 256)),
      (text) => text !== ""
    ),
    scope: words("scope"),
    resourceMetadata: Option.filter(param("resource_metadata"), (url) => Url.endpoint(url) !== undefined),
    stepUp: Option.map(
      Option.filter(error, (code) => code === "insufficient_user_authentication"),
      () => ({
        acrValues: words("acr_values"),
        maxAge: Option.map(
          Option.filter(param("max_age"), (text) => /^\d{1,10}$/.test(text)),
          (text) => Duration.seconds(Number(text))
        )
      })
    )
  }
}

/**
 * What a response says is wrong: the first of its Bearer and DPoP challenges that has a code. None where it says nothing of that kind.
 *
 * **When to use** – on a 403, to learn which scope is missing (`insufficient_scope`). With fetch pass `Object.fromEntries(response.headers)`.
 *
 * @example
 * ```ts
 * import * as Challenge from "effect-credentials/Challenge"
 * import { Option } from "effect"
 *
 * const headers = { "www-authenticate": `Bearer error="insufficient_scope", scope="admin"` }
 * console.log(Option.getOrThrow(Challenge.refusalIn(headers)).scope)
 * // [ 'admin' ]
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc6750#section-3.1>
 * @category decoding
 * @since 0.1.0
 */
export const refusalIn = (headers: Readonly<Record<string, string | undefined>>): Option.Option<Refusal> =>
  Option.fromNullable(refusals(headers["www-authenticate"]).find(({ error }) => Option.isSome(error)))
