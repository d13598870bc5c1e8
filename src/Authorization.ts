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
import type * as Effect from "effect/Effect"
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
  /**
   * What proves with every request that the caller has the key that the token is bound to. Default: nothing, whoever has the token may use it. See the
   * module `DPoP`.
   */
  readonly proof?: Proof | undefined
}

/**
 * Proof of possession: headers made anew for every request, for a token that is worth nothing without its key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Proof {
  /** Every header it may set, in lower case. */
  readonly names: ReadonlyArray<string>
  /** The key's name: its thumbprint (RFC 7638). Fails with what the key should have been. */
  readonly thumbprint: Effect.Effect<string, string>
  /** Fails with what is wrong if a token was issued for another key: neither it nor its refresh token can be used with this one. */
  readonly accepts: (token: Token) => Effect.Effect<void, string>
  /** The proof for one request. Fails with what is wrong, before anything is sent: a token that it does not accept, above all. */
  readonly sign: (request: ProvenRequest) => Effect.Effect<Signed, string>
}

/**
 * What a proof is made for.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProvenRequest {
  /** The method, in upper case. */
  readonly method: string
  /** The absolute URL, as it is sent. */
  readonly url: string
  /** The token that goes with it. None: one is being asked for. */
  readonly token: Option.Option<Token>
}

/**
 * A proof, and what to do with the answer to its request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Signed {
  /** The headers, ready to be sent. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Learns from the answer, whatever it is, for the proofs to come. True: the request was refused because this proof could not know that, and for nothing else.
   * It may be sent once more, with another proof. `error` is the OAuth error code in the body. Default: what `WWW-Authenticate` says.
   */
  readonly learn: (
    answer: { readonly status: number; readonly headers: Readonly<Record<string, string | undefined>> },
    error?: string
  ) => boolean
}

type HeaderRecord = Readonly<Record<string, string>>

const nothing: HeaderRecord = /* @__PURE__ */ Object.freeze({})

const make = (
  names: ReadonlyArray<string>,
  problem: Option.Option<string>,
  headers: Authorization["headers"],
  proof?: Proof
): Authorization => ({
  names: [...new Set(names)],
  problem,
  proof,
  headers: Option.isSome(problem) ? () => nothing : headers,
  pipe() {
    return pipeArguments(this, arguments)
  }
})

/** RFC 9110 §5.6.2, token. */
const isName = (name: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)

/** RFC 9110 §5.5, without surrounding blanks, which some clients send and others drop. */
const isValue = (value: string): boolean =>
  typeof value === "string" && /^[\x21-\x7e\xa1-\xff]([\t\x20-\x7e\xa1-\xff]*[\x21-\x7e\xa1-\xff])?$/.test(value)

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
export const bearer: Authorization = /* @__PURE__ */ inHeader("authorization", (accessToken) => `Bearer ${accessToken}`)

/**
 * `Authorization: <scheme> <token>`, for APIs that want another word than `Bearer`.
 *
 * @example
 * ```ts
 * import * as Authorization from "effect-credentials/Authorization"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Redacted } from "effect"
 *
 * const token = Token.make({ accessToken: Redacted.make("t0ken"), issuedAt: DateTime.unsafeMake(0) })
 * console.log(Authorization.scheme("GoogleLogin").headers(token, "https://api.example.com"))
 * // { authorization: 'GoogleLogin t0ken' }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const scheme = (name: string): Authorization =>
  isName(name)
    ? inHeader("authorization", (accessToken) => `${name} ${accessToken}`)
    : make(["authorization"], Option.some("made with a scheme of letters, digits and hyphens"), () => nothing)

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
export const raw: Authorization = /* @__PURE__ */ header("authorization")

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
} = /* @__PURE__ */ dual(
  2,
  (self: Authorization, headers: Readonly<Record<string, string | Redacted.Redacted>>): Authorization => {
    const fixed = Object.entries(headers).map(
      ([name, value]) => [name.toLowerCase(), Redacted.isRedacted(value) ? Redacted.value(value) : value] as const
    )
    const problem = Option.firstSomeOf([
      self.problem,
      ...fixed.map(([name, value]) =>
        Option.firstSomeOf([
          nameProblem(name),
          taken(self, name),
          isValue(value)
            ? Option.none()
            : Option.some(
                `made with a header ${name} of Latin-1 characters, not empty, without line breaks and surrounding blanks`
              )
        ])
      )
    ])
    const built = new WeakMap<HeaderRecord, HeaderRecord>()
    return make(
      [...self.names, ...fixed.map(([name]) => name)],
      problem,
      (token, origin) => {
        const own = self.headers(token, origin)
        if (own === nothing) return nothing
        let all = built.get(own)
        if (all === undefined) {
          all = Object.freeze({ ...own, ...Object.fromEntries(fixed) })
          built.set(own, all)
        }
        return all
      },
      self.proof
    )
  }
)

/**
 * Adds a header with the refresh token, for servers that want to see it on every request. A token without one goes alone.
 *
 * **When to use** – only where the API demands it: a refresh token is worth more than what it obtains.
 *
 * @example
 * ```ts
 * import * as Authorization from "effect-credentials/Authorization"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Option, Redacted } from "effect"
 *
 * const both = Authorization.withRefreshToken(Authorization.bearer, "refresh-token")
 * const token = Token.make({
 *   accessToken: Redacted.make("t0ken"), refreshToken: Option.some(Redacted.make("r3fresh")), issuedAt: DateTime.unsafeMake(0)
 * })
 * console.log(both.headers(token, "https://api.example.com"))
 * // { authorization: 'Bearer t0ken', 'refresh-token': 'r3fresh' }
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withRefreshToken: {
  (header: string): (self: Authorization) => Authorization
  (self: Authorization, header: string): Authorization
} = /* @__PURE__ */ dual(2, (self: Authorization, header: string): Authorization => {
  const name = header.toLowerCase()
  const built = new WeakMap<Token, { readonly own: HeaderRecord; readonly all: HeaderRecord }>()
  return make(
    [...self.names, name],
    Option.firstSomeOf([self.problem, nameProblem(name), taken(self, name)]),
    (token, origin) => {
      const own = self.headers(token, origin)
      if (own === nothing || Option.isNone(token.refreshToken)) return own
      const before = built.get(token)
      if (before?.own === own) return before.all
      const value = Redacted.value(token.refreshToken.value)
      const all = isValue(value) ? Object.freeze({ ...own, [name]: value }) : own
      built.set(token, { own, all })
      return all
    },
    self.proof
  )
})

/** A header carries one thing. */
const taken = (self: Authorization, name: string): Option.Option<string> =>
  self.names.includes(name)
    ? Option.some(`made without a header ${name} beside the one that carries the token`)
    : Option.none()

/**
 * Adds a proof of possession to every request: what the module `DPoP` is made with.
 *
 * **Details** – a header of the proof that already carries something else is a `problem`.
 *
 * @example
 * ```ts
 * import * as Authorization from "effect-credentials/Authorization"
 * import { Effect } from "effect"
 *
 * const signature: Authorization.Proof = {
 *   names: ["x-signature"],
 *   thumbprint: Effect.succeed("my-key"),
 *   accepts: () => Effect.void,
 *   sign: ({ method, url }) =>
 *     Effect.succeed({ headers: { "x-signature": `signed ${method} ${url}` }, learn: () => false })
 * }
 * console.log(Authorization.withProof(Authorization.bearer, signature).names)
 * // [ 'authorization', 'x-signature' ]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withProof: {
  (proof: Proof): (self: Authorization) => Authorization
  (self: Authorization, proof: Proof): Authorization
} = /* @__PURE__ */ dual(2, (self: Authorization, proof: Proof): Authorization => {
  const taken = proof.names.find((name) => self.names.includes(name))
  const problem = taken === undefined ? self.problem : Option.some(`made without a header ${taken} beside its proof`)
  return make([...self.names, ...proof.names], problem, self.headers, proof)
})

/**
 * Another way for each origin: `bearer` to one API, a header of its own to another.
 *
 * **Details** – `otherwise` is for origins that are not listed. Default: nothing goes there. A token is bound to one key or to none, so all ways
 * must have the same proof, or none of them one.
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
  const proofs = new Set(all.map(({ proof }) => proof))
  if (proofs.size > 1) problem = Option.some("made with the same proof of possession for each of its origins")
  return make(
    all.flatMap(({ names }) => names),
    problem,
    (token, origin) => (byOrigin.get(origin) ?? otherwise)?.headers(token, origin) ?? nothing,
    [...proofs][0]
  )
}
