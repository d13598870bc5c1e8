/**
 * The value an authorization server issues: immutable, its secrets redacted, its times on the calendar.
 *
 * You meet a token when you look at what credentials hold. Applications seldom need to: they ask for an authenticated HttpClient.
 *
 * @example
 * ```ts
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Option, Redacted } from "effect"
 *
 * const token = Token.make({
 *   accessToken: Redacted.make("s3cret"),
 *   issuedAt: DateTime.unsafeMake(0),
 *   expiresAt: Option.some(DateTime.unsafeMake(3_600_000))
 * })
 * console.log(Token.freshness(token, DateTime.unsafeMake(3_590_000)))
 * // Stale
 * ```
 *
 * @module
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Timing from "./internal/timing.ts"
import * as Jwt from "./Jwt.ts"

/**
 * What an authorization server issued.
 *
 * @category models
 * @since 0.1.0
 */
export interface Token {
  /** What is put on requests. */
  readonly accessToken: Redacted.Redacted
  /** How it is put on requests, in lower case: `"bearer"` almost always. */
  readonly tokenType: string
  /** When it was asked for: lifetimes count from here, so that a slow answer never makes a token live longer. */
  readonly issuedAt: DateTime.Utc
  /** When it stops working. None: unknown, usable until a server answers 401. */
  readonly expiresAt: Option.Option<DateTime.Utc>
  /** What obtains the next token without anybody's help. */
  readonly refreshToken: Option.Option<Redacted.Redacted>
  /** Who logged in (OpenID Connect). Not verified by being here. */
  readonly idToken: Option.Option<Redacted.Redacted>
  /** What it allows; as granted, or as requested where the server did not say (RFC 6749 §5.1). */
  readonly scope: ReadonlyArray<string>
  /** All other members of the server's answer. */
  readonly extra: Redacted.Redacted<Readonly<Record<string, unknown>>>
}

/**
 * How a token looks at rest: plain JSON, times in milliseconds since 1970. Whoever writes it down must keep it secret.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenEncoded {
  /** The access token, in the clear. */
  readonly accessToken: string
  /** The token type, in lower case. */
  readonly tokenType: string
  /** Milliseconds since 1970. */
  readonly issuedAt: number
  /** Milliseconds since 1970; absent: unknown. */
  readonly expiresAt?: number
  /** The refresh token, in the clear. */
  readonly refreshToken?: string
  /** The ID token, in the clear. */
  readonly idToken?: string
  /** What the token allows. */
  readonly scope: ReadonlyArray<string>
  /** All other members of the server's answer. */
  readonly extra?: { readonly [member: string]: unknown }
}

const Secret = /* @__PURE__ */ Schema.Redacted(Schema.String)
const noExtra: Redacted.Redacted<Readonly<Record<string, unknown>>> = /* @__PURE__ */ Redacted.make(
  /* @__PURE__ */ Object.freeze(Object.create(null))
)

/**
 * The schema of a token at rest, for stores.
 *
 * **Gotchas** – a `ParseError` of this schema can quote what it was given: report that decoding failed, not the error.
 *
 * @example
 * ```ts
 * import * as Token from "effect-credentials/Token"
 * import { Schema } from "effect"
 *
 * const token = Schema.decodeUnknownSync(Token.Token)({
 *   accessToken: "s3cret", tokenType: "bearer", issuedAt: 0, scope: ["read"]
 * })
 * console.log(String(token.accessToken))
 * // <redacted>
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Token: Schema.Schema<Token, TokenEncoded> = /* @__PURE__ */ (() =>
  Schema.Struct({
    accessToken: Secret,
    tokenType: Schema.String,
    issuedAt: Schema.DateTimeUtcFromNumber,
    expiresAt: Schema.optionalWith(Schema.DateTimeUtcFromNumber, { as: "Option", exact: true }),
    refreshToken: Schema.optionalWith(Secret, { as: "Option", exact: true }),
    idToken: Schema.optionalWith(Secret, { as: "Option", exact: true }),
    scope: Schema.Array(Schema.String),
    extra: Schema.optionalToRequired(Schema.Object, Schema.RedactedFromSelf(Schema.Object), {
      decode: Option.match({
        onNone: () => noExtra,
        onSome: (members) => Redacted.make(Object.assign(Object.create(null), members))
      }),
      encode: (members) => (members === noExtra ? Option.none() : Option.some({ ...Redacted.value(members) }))
    })
  }).annotations({ identifier: "Token" }) as any)()

/**
 * A token from what is known about it; the rest is filled in: bearer, unknown expiry, nothing else issued.
 *
 * @example
 * ```ts
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Option, Redacted } from "effect"
 *
 * const token = Token.make({ accessToken: Redacted.make("s3cret"), issuedAt: DateTime.unsafeMake(0) })
 * console.log(token.tokenType, Option.isNone(token.expiresAt))
 * // bearer true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (token: Pick<Token, "accessToken" | "issuedAt"> & Partial<Token>): Token => new Compact(token)

type Rest = Pick<Token, "tokenType" | "refreshToken" | "idToken" | "scope" | "extra">

/** One for all tokens that have nothing else. */
const nothingElse: Rest = {
  tokenType: "bearer",
  refreshToken: /* @__PURE__ */ Option.none(),
  idToken: /* @__PURE__ */ Option.none(),
  scope: /* @__PURE__ */ Object.freeze([]) as ReadonlyArray<string>,
  extra: noExtra
}

const restOf = (token: Partial<Token>): Rest => {
  const { extra, idToken, refreshToken, scope, tokenType } = { ...nothingElse, ...token }
  const isNothing =
    tokenType === nothingElse.tokenType &&
    Option.isNone(refreshToken) &&
    Option.isNone(idToken) &&
    scope.length === 0 &&
    extra === noExtra
  return isNothing ? nothingElse : { tokenType, refreshToken, idToken, scope, extra }
}

/**
 * A token as a process may hold 100,000 of: a text, two numbers, and what it shares with others. What {@link Token} promises is made of them when somebody looks.
 * Each member is the token's own all the same, so that it can be spread, compared and printed like any record.
 */
class Compact extends Inspectable.Class implements Token {
  /** A text until somebody looks at it. */
  #accessToken: string | Redacted.Redacted
  readonly #issuedAt: number
  readonly #expiresAt: number | undefined
  readonly #rest: Rest

  constructor(token: Pick<Token, "accessToken" | "issuedAt"> & Partial<Token>) {
    super()
    this.#accessToken = Redacted.value(token.accessToken)
    this.#issuedAt = DateTime.toEpochMillis(token.issuedAt)
    this.#expiresAt = Option.getOrUndefined(Option.map(token.expiresAt ?? Option.none(), DateTime.toEpochMillis))
    this.#rest = restOf(token)
    for (const [name, member] of members()) Object.defineProperty(this, name, member)
  }

  /** The access token in the clear. */
  static reveal(token: Token): string {
    const secret = #accessToken in token ? token.#accessToken : token.accessToken
    return typeof secret === "string" ? secret : Redacted.value(secret)
  }

  get accessToken(): Token["accessToken"] {
    if (typeof this.#accessToken === "string") this.#accessToken = Redacted.make(this.#accessToken)
    return this.#accessToken
  }
  get tokenType(): Token["tokenType"] {
    return this.#rest.tokenType
  }
  get issuedAt(): Token["issuedAt"] {
    return DateTime.unsafeMake(this.#issuedAt)
  }
  get expiresAt(): Token["expiresAt"] {
    return Option.map(Option.fromNullable(this.#expiresAt), DateTime.unsafeMake)
  }
  get refreshToken(): Token["refreshToken"] {
    return this.#rest.refreshToken
  }
  get idToken(): Token["idToken"] {
    return this.#rest.idToken
  }
  get scope(): Token["scope"] {
    return this.#rest.scope
  }
  get extra(): Token["extra"] {
    return this.#rest.extra
  }
  toJSON(): unknown {
    return { ...this }
  }
}

let known: ReadonlyArray<readonly [name: string, member: PropertyDescriptor]> | undefined

/** The getters above, for each token: the same ones, as only then they take no memory. */
const members = () =>
  (known ??= Object.entries(Object.getOwnPropertyDescriptors(Compact.prototype))
    .filter(([, { get }]) => get !== undefined)
    .map(([name, member]) => [name, { ...member, enumerable: true }]))

/**
 * A token of which only the access token is known. If that is a JWT, its `exp` says when it expires, for what that is worth: nobody has
 * verified it.
 *
 * @example
 * ```ts
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Option, Redacted } from "effect"
 *
 * const jwt = `${btoa("{}")}.${btoa('{"exp":3600}')}.${btoa("signature")}`.replaceAll("=", "")
 * const token = Token.fromAccessToken(Redacted.make(jwt), DateTime.unsafeMake(0))
 * console.log(Option.getOrThrow(Option.map(token.expiresAt, DateTime.toEpochMillis)))
 * // 3600000
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromAccessToken = (accessToken: Redacted.Redacted, issuedAt: DateTime.Utc): Token =>
  make({ accessToken, issuedAt, expiresAt: Jwt.expiresAt(accessToken) })

/**
 * Whether two tokens are the same to a server: their access tokens are equal, wherever they came from.
 *
 * @example
 * ```ts
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Redacted } from "effect"
 *
 * const token = () => Token.make({ accessToken: Redacted.make("s3cret"), issuedAt: DateTime.unsafeMake(0) })
 * console.log(Token.isSame(token(), token()))
 * // true
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isSame = (self: Token, that: Token): boolean =>
  self === that || Compact.reveal(self) === Compact.reveal(that)

/**
 * Whether the access token can be sent at all: 1 to 65,536 visible ASCII characters without a space (RFC 6750 §2.1 is
 * stricter still). Anything else could break out of a header, or would be refused by every HTTP client in its own way.
 *
 * @example
 * ```ts
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Redacted } from "effect"
 *
 * const token = Token.make({ accessToken: Redacted.make("a\r\nb"), issuedAt: DateTime.unsafeMake(0) })
 * console.log(Token.isSendable(token))
 * // false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isSendable = (self: Token): boolean => {
  const value = Compact.reveal(self)
  return value.length > 0 && value.length <= 65_536 && /^[\x21-\x7e]+$/.test(value)
}

/**
 * What a token is good for: `Fresh` is used as it is; `Stale` is used, and renewed meanwhile; `Expired` is not used.
 *
 * @category models
 * @since 0.1.0
 */
export type Freshness = "Fresh" | "Stale" | "Expired"

const window = (self: Token, expiresAt: DateTime.Utc, ahead: Duration.DurationInput) =>
  Timing.renewalWindow(DateTime.distance(self.issuedAt, expiresAt), Duration.toMillis(ahead))

/**
 * When a token's early-renewal window opens: `ahead` (default: 1 minute) before it expires, but never more than a fifth of
 * its life before. None where the expiry is unknown.
 *
 * @example
 * ```ts
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Option, Redacted } from "effect"
 *
 * const token = Token.make({
 *   accessToken: Redacted.make("s3cret"),
 *   issuedAt: DateTime.unsafeMake(0),
 *   expiresAt: Option.some(DateTime.unsafeMake(10_000))
 * })
 * console.log(Option.map(Token.renewAt(token), DateTime.toEpochMillis))
 * // { _id: 'Option', _tag: 'Some', value: 8000 }
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const renewAt = (self: Token, ahead: Duration.DurationInput = "1 minute"): Option.Option<DateTime.Utc> =>
  Option.map(self.expiresAt, (expiresAt) => DateTime.subtractDuration(expiresAt, window(self, expiresAt, ahead)))

/**
 * What a token is good for at a moment; `ahead` (default: 1 minute) as in {@link renewAt}.
 *
 * @example
 * ```ts
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Redacted } from "effect"
 *
 * const token = Token.make({ accessToken: Redacted.make("s3cret"), issuedAt: DateTime.unsafeMake(0) })
 * console.log(Token.freshness(token, DateTime.unsafeMake(1e12)))
 * // Fresh
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const freshness = (self: Token, now: DateTime.Utc, ahead: Duration.DurationInput = "1 minute"): Freshness => {
  if (Option.isNone(self.expiresAt)) return "Fresh"
  const left = DateTime.distance(now, self.expiresAt.value)
  return left <= 0 ? "Expired" : left <= window(self, self.expiresAt.value, ahead) ? "Stale" : "Fresh"
}
