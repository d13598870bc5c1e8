/**
 * How a token is put on a request.
 *
 * Bearer is what nearly every API wants and what every provider says unless told otherwise. The others are for APIs with a
 * header of their own; they compose with `pipe`.
 *
 * @example
 * ```ts
 * import * as Authorization from "effect-credentials/Authorization"
 *
 * const ads = Authorization.bearer.pipe(Authorization.withHeaders({ "developer-token": "d3v" }))
 * console.log(ads.names)
 * // [ 'authorization', 'developer-token' ]
 * ```
 *
 * @module
 */
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import * as Redacted from "effect/Redacted"
import { expected, originOf } from "./internal/origin.ts"
import type { Token } from "./Token.ts"

/**
 * How a token is put on a request: pure, from the token and the request's origin to headers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Authorization extends Pipeable {
  /** Every header it may set, in lower case: these are redacted in spans, and a caller who set one is left alone. */
  readonly names: ReadonlyArray<string>
  /**
   * The headers for a request to `origin` (`https://api.example.com`), ready to be sent: plain text, for the wire only. The same
   * object for the same token, so that a request costs no string building. Empty: nothing goes to that origin.
   */
  readonly headers: (token: Token, origin: string) => Readonly<Record<string, string>>
  /**
   * What it should have been made with, if it cannot work: layers fail with `InvalidOption` saying this. Until then it sets
   * no header at all.
   */
  readonly problem: Option.Option<string>
}

type HeaderRecord = Readonly<Record<string, string>>

const nothing: HeaderRecord = Object.freeze({})

const make = (
  names: ReadonlyArray<string>,
  problem: Option.Option<string>,
  headers: Authorization["headers"]
): Authorization => ({
  names: [...new Set(names)],
  problem,
  headers: Option.isSome(problem) ? () => nothing : headers,
  pipe() {
    return pipeArguments(this, arguments)
  }
})

/** RFC 9110 §5.6.2, token. */
const isName = (name: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)

/** RFC 9110 §5.5, without surrounding blanks, which some clients send and others drop. */
const isValue = (value: string): boolean =>
  /^[\x21-\x7e\xa1-\xff]([\t\x20-\x7e\xa1-\xff]*[\x21-\x7e\xa1-\xff])?$/.test(value)

const nameProblem = (name: string): Option.Option<string> =>
  isName(name) ? Option.none() : Option.some("made with header names of letters, digits and hyphens")

/** The token in one header. What is built is remembered for as long as the token lives. */
const inHeader = (name: string, value: (accessToken: string) => string): Authorization => {
  const lowerCase = name.toLowerCase()
  const built = new WeakMap<Token, HeaderRecord>()
  return make([lowerCase], nameProblem(name), (token) => {
    let headers = built.get(token)
    if (headers === undefined) {
      headers = Object.freeze({ [lowerCase]: value(Redacted.value(token.accessToken)) })
      built.set(token, headers)
    }
    return headers
  })
}

/**
 * `Authorization: Bearer <token>` (RFC 6750 §2.1), the default everywhere.
 *
 * @example
 * ```ts
 * import * as Authorization from "effect-credentials/Authorization"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Redacted } from "effect"
 *
 * const token = Token.make({ accessToken: Redacted.make("t0ken"), issuedAt: DateTime.unsafeMake(0) })
 * console.log(Authorization.bearer.headers(token, "https://api.example.com"))
 * // { authorization: 'Bearer t0ken' }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const bearer: Authorization = inHeader("authorization", (accessToken) => `Bearer ${accessToken}`)

/**
 * The token alone, without a scheme word, in a header of your choice: what most APIs with keys want.
 *
 * @example
 * ```ts
 * import * as Authorization from "effect-credentials/Authorization"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Redacted } from "effect"
 *
 * const token = Token.make({ accessToken: Redacted.make("t0ken"), issuedAt: DateTime.unsafeMake(0) })
 * console.log(Authorization.header("X-Api-Key").headers(token, "https://api.example.com"))
 * // { 'x-api-key': 't0ken' }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const header = (name: string): Authorization => inHeader(name, (accessToken) => accessToken)

/**
 * `Authorization: <token>`, without a scheme word: the same as `header("authorization")`. For APIs whose tokens
 * bring their scheme along, or have none.
 *
 * @example
 * ```ts
 * import * as Authorization from "effect-credentials/Authorization"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Redacted } from "effect"
 *
 * const token = Token.make({ accessToken: Redacted.make("t0ken"), issuedAt: DateTime.unsafeMake(0) })
 * console.log(Authorization.raw.headers(token, "https://api.example.com"))
 * // { authorization: 't0ken' }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const raw: Authorization = header("authorization")

/**
 * Adds fixed headers that travel with the token and are protected like it: a developer token, a project, a second key.
 *
 * **Details** – a value is a string or, if it is a secret, a `Redacted`. Line breaks, control characters, characters outside of Latin-1,
 * surrounding blanks and empty values are a `problem`, and so is a header that already carries the token.
 *
 * @example
 * ```ts
 * import * as Authorization from "effect-credentials/Authorization"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Redacted } from "effect"
 *
 * const ads = Authorization.withHeaders(Authorization.bearer, { "developer-token": Redacted.make("d3v") })
 * const token = Token.make({ accessToken: Redacted.make("t0ken"), issuedAt: DateTime.unsafeMake(0) })
 * console.log(ads.headers(token, "https://api.example.com"))
 * // { authorization: 'Bearer t0ken', 'developer-token': 'd3v' }
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withHeaders: {
  (headers: Readonly<Record<string, string | Redacted.Redacted>>): (self: Authorization) => Authorization
  (self: Authorization, headers: Readonly<Record<string, string | Redacted.Redacted>>): Authorization
} = dual(2, (self: Authorization, headers: Readonly<Record<string, string | Redacted.Redacted>>): Authorization => {
  const fixed = Object.entries(headers).map(
    ([name, value]) => [name.toLowerCase(), typeof value === "string" ? value : Redacted.value(value)] as const
  )
  const problem = Option.firstSomeOf([
    self.problem,
    ...fixed.map(([name, value]) =>
      Option.firstSomeOf([
        nameProblem(name),
        self.names.includes(name)
          ? Option.some(`made without a header ${name} beside the one that carries the token`)
          : Option.none(),
        isValue(value)
          ? Option.none()
          : Option.some(
              `made with a header ${name} of Latin-1 characters, not empty, without line breaks and surrounding blanks`
            )
      ])
    )
  ])
  const built = new WeakMap<HeaderRecord, HeaderRecord>()
  return make([...self.names, ...fixed.map(([name]) => name)], problem, (token, origin) => {
    const own = self.headers(token, origin)
    if (own === nothing) return nothing
    let all = built.get(own)
    if (all === undefined) {
      all = Object.freeze({ ...own, ...Object.fromEntries(fixed) })
      built.set(own, all)
    }
    return all
  })
})

/**
 * Another way for each origin: `bearer` to one API, a header of its own to another.
 *
 * **Details** – `otherwise` is for origins that are not listed. Default: nothing goes there.
 *
 * @example
 * ```ts
 * import * as Authorization from "effect-credentials/Authorization"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Redacted } from "effect"
 *
 * const both = Authorization.byOrigin({ "https://files.example.com": Authorization.header("x-key") }, Authorization.bearer)
 * const token = Token.make({ accessToken: Redacted.make("t0ken"), issuedAt: DateTime.unsafeMake(0) })
 * console.log(both.headers(token, "https://files.example.com"), both.headers(token, "https://api.example.com"))
 * // { 'x-key': 't0ken' } { authorization: 'Bearer t0ken' }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const byOrigin = (record: Readonly<Record<string, Authorization>>, otherwise?: Authorization): Authorization => {
  const byOrigin = new Map<string, Authorization>()
  let problem = otherwise === undefined ? Option.none<string>() : otherwise.problem
  for (const [text, authorization] of Object.entries(record)) {
    const origin = originOf(text)
    if (origin === undefined) problem = Option.some(`made with ${expected} for each of its origins`)
    else byOrigin.set(origin, authorization)
    problem = Option.orElse(problem, () => authorization.problem)
  }
  const all = [...byOrigin.values(), ...(otherwise === undefined ? [] : [otherwise])]
  return make(
    all.flatMap(({ names }) => names),
    problem,
    (token, origin) => (byOrigin.get(origin) ?? otherwise)?.headers(token, origin) ?? nothing
  )
}
