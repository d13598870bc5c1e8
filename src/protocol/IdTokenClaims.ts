/**
 * What an ID token says about a login, and whether it may be believed (OpenID Connect Core §3.1.3.7), as pure data.
 *
 * `IdToken` fetches the keys, verifies the signature and then uses this. You need this module for the type of its result, or to
 * judge claims whose signature you have verified in another way.
 *
 * @example
 * ```ts
 * import * as IdTokenClaims from "effect-credentials/IdTokenClaims"
 * import { DateTime, Either } from "effect"
 *
 * const claims = { iss: "https://id.example.com", sub: "ada", aud: "my-tool", iat: 0, exp: 300 }
 * const checked = IdTokenClaims.check(claims, {
 *   issuer: "https://id.example.com",
 *   clientId: "another-tool",
 *   now: DateTime.unsafeMake(1_000)
 * })
 * console.log(Either.isLeft(checked) && checked.left.message)
 * // the ID token is refused, aud: it does not name this client
 * ```
 *
 * @module
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { IdTokenError, WrongUser } from "../CredentialsError.ts"
import * as Json from "../internal/json.ts"
import * as Text from "../internal/text.ts"

/**
 * Who logged in, when, and for whom.
 *
 * @category models
 * @since 0.1.0
 */
export interface IdTokenClaims {
  /** Who says so (`iss`). */
  readonly issuer: string
  /** Who logged in (`sub`): unique at the issuer, never given to somebody else. The only claim to recognize a person by. */
  readonly subject: string
  /** The clients that it is meant for (`aud`). */
  readonly audience: ReadonlyArray<string>
  /** The client that asked for it (`azp`). */
  readonly authorizedParty: Option.Option<string>
  /** When it is no longer to be accepted (`exp`). This says nothing about how long the login or any other token lives. */
  readonly expiresAt: DateTime.Utc
  /** When it was issued (`iat`). */
  readonly issuedAt: DateTime.Utc
  /** When the person logged in (`auth_time`). */
  readonly authTime: Option.Option<DateTime.Utc>
  /** What the login's request said (`nonce`). */
  readonly nonce: Option.Option<string>
  /** The person's name, for the screen. */
  readonly name: Option.Option<string>
  /** What the person likes to be called (`preferred_username`). Not unique, and it may change. */
  readonly username: Option.Option<string>
  /** The e-mail address. It may change, and another person may have it later. */
  readonly email: Option.Option<string>
  /** Whether the issuer knows that the e-mail address is the person's (`email_verified`). */
  readonly emailVerified: Option.Option<boolean>
  /** All other claims, by their own names. */
  readonly extra: Readonly<Record<string, unknown>>
}

/**
 * Claims as they are in a token: a JSON object.
 *
 * @category models
 * @since 0.1.0
 */
export type Members = Readonly<Record<string, unknown>>

const Moment = /* @__PURE__ */ (() => Schema.Number.pipe(Schema.filter((seconds) => seconds >= 0 && seconds < 1e11)))()
const Word = Schema.NonEmptyString

const Known = /* @__PURE__ */ (() =>
  Schema.Struct({
    iss: Word,
    sub: Word.pipe(Schema.maxLength(255)),
    aud: Schema.Union(Word, Schema.NonEmptyArray(Word)),
    exp: Moment,
    iat: Moment,
    nbf: Schema.optional(Moment),
    auth_time: Schema.optional(Moment),
    azp: Schema.optional(Schema.String),
    nonce: Schema.optional(Schema.String),
    at_hash: Schema.optional(Schema.String),
    name: Schema.optional(Schema.String),
    preferred_username: Schema.optional(Schema.String),
    email: Schema.optional(Schema.String),
    // A text at Cognito and Apple.
    email_verified: Schema.optional(Schema.Union(Schema.Boolean, Schema.Literal("true", "false")))
  }))()

const seconds = "a number of seconds since 1970"

const expected: { readonly [claim: string]: string } = {
  sub: "1 to 255 characters",
  aud: "a text or a list of texts",
  exp: seconds,
  iat: seconds,
  nbf: seconds,
  auth_time: seconds,
  email_verified: "true or false"
}

let checks: ReadonlyArray<readonly [claim: keyof typeof Known.fields, isRight: (wire: Members) => boolean]> | undefined

/** Each claim, and whether it is as it should be: made when the first ID token is checked, which most programs never do. */
const known = () =>
  (checks ??= (Object.keys(Known.fields) as ReadonlyArray<keyof typeof Known.fields>).map(
    (claim) => [claim, Schema.is(Known.pick(claim))] as const
  ))

const inMillis = (seconds: number): DateTime.Utc => DateTime.unsafeMake(Math.floor(seconds * 1000))
const inSeconds = (moment: DateTime.Utc): number => DateTime.toEpochMillis(moment) / 1000

/** The members that are there: null counts as absent, and none is ever a prototype. */
const present = (members: Members): Members => {
  const copy: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined && value !== null && name !== "__proto__") copy[name] = value
  }
  return copy
}

const fromWire = (claims: typeof Known.Type): IdTokenClaims => {
  const { aud, auth_time, azp, email, email_verified, exp, iat, iss, name, nonce, preferred_username, sub, ...rest } =
    claims
  return {
    issuer: iss,
    subject: sub,
    audience: typeof aud === "string" ? [aud] : aud,
    authorizedParty: Option.fromNullable(azp),
    expiresAt: inMillis(exp),
    issuedAt: inMillis(iat),
    authTime: Option.map(Option.fromNullable(auth_time), inMillis),
    nonce: Option.fromNullable(nonce),
    name: Option.fromNullable(name),
    username: Option.fromNullable(preferred_username),
    email: Option.fromNullable(email),
    emailVerified: Option.map(Option.fromNullable(email_verified), (verified) => String(verified) === "true"),
    extra: present(rest)
  }
}

const toWire = (self: IdTokenClaims): Members =>
  present({
    ...self.extra,
    iss: self.issuer,
    sub: self.subject,
    aud: self.audience.length === 1 ? self.audience[0] : self.audience,
    azp: Option.getOrUndefined(self.authorizedParty),
    exp: inSeconds(self.expiresAt),
    iat: inSeconds(self.issuedAt),
    auth_time: Option.getOrUndefined(Option.map(self.authTime, inSeconds)),
    nonce: Option.getOrUndefined(self.nonce),
    name: Option.getOrUndefined(self.name),
    preferred_username: Option.getOrUndefined(self.username),
    email: Option.getOrUndefined(self.email),
    email_verified: Option.getOrUndefined(self.emailVerified)
  })

const Self = /* @__PURE__ */ (() =>
  Schema.Struct({
    issuer: Schema.String,
    subject: Schema.String,
    audience: Schema.Array(Schema.String),
    authorizedParty: Schema.OptionFromSelf(Schema.String),
    expiresAt: Schema.DateTimeUtcFromSelf,
    issuedAt: Schema.DateTimeUtcFromSelf,
    authTime: Schema.OptionFromSelf(Schema.DateTimeUtcFromSelf),
    nonce: Schema.OptionFromSelf(Schema.String),
    name: Schema.OptionFromSelf(Schema.String),
    username: Schema.OptionFromSelf(Schema.String),
    email: Schema.OptionFromSelf(Schema.String),
    emailVerified: Schema.OptionFromSelf(Schema.Boolean),
    extra: Schema.Record({ key: Schema.String, value: Schema.Unknown })
  }))()

/**
 * The schema of claims: from the JSON object in a token, and back. It checks what the claims look like, not whether they may be
 * believed: that is {@link check}.
 *
 * **Gotchas** – a `ParseError` of this schema can quote the claims.
 *
 * @example
 * ```ts
 * import * as IdTokenClaims from "effect-credentials/IdTokenClaims"
 * import { Schema } from "effect"
 *
 * const claims = Schema.decodeUnknownSync(IdTokenClaims.IdTokenClaims)({
 *   iss: "https://id.example.com", sub: "ada", aud: "my-tool", iat: 0, exp: 300, hd: "example.com"
 * })
 * console.log(claims.subject, claims.audience, claims.extra.hd)
 * // ada [ 'my-tool' ] example.com
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const IdTokenClaims: Schema.Schema<IdTokenClaims, Members> = /* @__PURE__ */ (() =>
  Schema.transform(
    Schema.Record({ key: Schema.String, value: Schema.Unknown }),
    Schema.Struct(Known.fields, Schema.Record({ key: Schema.String, value: Schema.Unknown })),
    { strict: false, decode: present, encode: present }
  )
    .pipe(Schema.transform(Self, { strict: false, decode: fromWire, encode: toWire }))
    .annotations({ identifier: "IdTokenClaims" }))()

/**
 * The algorithms that an ID token may be signed with: asymmetric ones only, so that nobody who can verify can sign.
 *
 * @category models
 * @since 0.1.0
 */
export type Algorithm =
  "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" | "ES256" | "ES384" | "ES512" | "EdDSA" | "Ed25519"

const all: ReadonlyArray<Algorithm> = [
  ...(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const),
  ...(["ES256", "ES384", "ES512", "EdDSA", "Ed25519"] as const)
]

/**
 * The hash that goes with an algorithm, for `at_hash` (§3.1.3.6): the one that it signs with.
 *
 * @example
 * ```ts
 * import * as IdTokenClaims from "effect-credentials/IdTokenClaims"
 *
 * console.log(IdTokenClaims.hashOf("ES384"))
 * // SHA-384
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const hashOf = (algorithm: Algorithm): "SHA-256" | "SHA-384" | "SHA-512" =>
  algorithm.endsWith("256") ? "SHA-256" : algorithm.endsWith("384") ? "SHA-384" : "SHA-512"

const refuse = (part: string, description: string): Either.Either<never, IdTokenError> =>
  Either.left(new IdTokenError({ part, description }))

/**
 * The algorithm that an ID token's header says it is signed with, if that is allowed.
 *
 * **Details** – `alg` must be one of `algorithms` (default: all of {@link Algorithm}; never `none`, never one with a shared secret), exactly as written. `typ` may be absent
 * or `JWT`: an access token (`at+jwt`) is no ID token. Extensions that must be understood (`crit`, `b64`) are refused, and keys
 * in the header (`jwk`, `jku`, `x5c`, `x5u`) are not looked at.
 *
 * @example
 * ```ts
 * import * as IdTokenClaims from "effect-credentials/IdTokenClaims"
 * import { Either } from "effect"
 *
 * console.log(IdTokenClaims.algorithm({ alg: "RS256" }).pipe(Either.getOrThrow))
 * // RS256
 * console.log(Either.isLeft(IdTokenClaims.algorithm({ alg: "none" })))
 * // true
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8725#section-3>
 * @category decoding
 * @since 0.1.0
 */
export const algorithm = (
  header: Members,
  algorithms: ReadonlyArray<Algorithm> = all
): Either.Either<Algorithm, IdTokenError> => {
  const alg = all.find((one) => one === Json.member(header, "alg"))
  if (alg === undefined || !algorithms.includes(alg)) return refuse("alg", "it is not signed with an allowed algorithm")
  const typ = Json.member(header, "typ") ?? "JWT"
  if (typeof typ !== "string" || !/^(application\/)?jwt$/i.test(typ)) return refuse("typ", "it is not an ID token")
  const extension = ["crit", "b64"].find((name) => Object.hasOwn(header, name))
  return extension === undefined
    ? Either.right(alg)
    : refuse(extension, "it needs an extension that ID tokens do not have")
}

/**
 * What claims are compared with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expectations {
  /** Who must have issued it, compared exactly: no slash more or less. */
  readonly issuer: string
  /** Whom it must be meant for. */
  readonly clientId: string
  /** The time of now. */
  readonly now: DateTime.Utc
  /** By how much the clocks may differ; more than a minute counts as a minute. Default: 30 seconds. */
  readonly clockTolerance?: Duration.DurationInput | undefined
  /** How long ago the person may have logged in; needs the claim `auth_time`. Not looked at in a renewal. Default: any time ago. */
  readonly maxAge?: Duration.DurationInput | undefined
  /** What the login's request said. Default: not looked at. */
  readonly nonce?: Redacted.Redacted | undefined
  /** The left half of the access token's hash (§3.1.3.6), compared with `at_hash` where there is one. Default: not looked at. */
  readonly accessTokenHash?: string | undefined
  /** The claims of the login, if this is a renewal of it (§12.2): it must be the same person. Default: this is the login. */
  readonly previous?: Members | undefined
  /** Who must have logged in: claims by their own names, compared exactly, all of them. Default: anybody. */
  readonly user?: { readonly [claim: string]: string | number | boolean } | undefined
}

/**
 * The claims, if they are as expected (§3.1.3.7), and after a renewal still the same person's (§12.2).
 *
 * **Details** – only for claims whose signature has been verified. The first thing that is wrong is told:
 *
 * | claim | must be |
 * | --- | --- |
 * | `iss`, `sub`, `aud`, `exp`, `iat` | there, and of the right type, as all others that are known |
 * | `iss` | the issuer, exactly |
 * | `aud` | the client, or a list with it; if others are in the list, `azp` must be there |
 * | `azp` | the client, if it is there |
 * | `exp` | in the future |
 * | `iat`, `nbf`, `auth_time` | not in the future |
 * | `nonce` | that of the login, if one is expected |
 * | `at_hash` | that of the access token, if both are there |
 * | `auth_time` | within `maxAge`, if one is given |
 *
 * Then, as `WrongUser`: `sub` must be that of the login in a renewal, and every claim of `user` as given.
 *
 * @example
 * ```ts
 * import * as IdTokenClaims from "effect-credentials/IdTokenClaims"
 * import { DateTime, Either } from "effect"
 *
 * const claims = { iss: "https://id.example.com", sub: "1", aud: "my-tool", iat: 0, exp: 300, email: "eve@example.com" }
 * const checked = IdTokenClaims.check(claims, {
 *   issuer: "https://id.example.com",
 *   clientId: "my-tool",
 *   now: DateTime.unsafeMake(1_000),
 *   user: { email: "ada@example.com" }
 * })
 * console.log(Either.isLeft(checked) && checked.left._tag)
 * // WrongUser
 * ```
 *
 * @see <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
 * @category decoding
 * @since 0.1.0
 */
export const check = (
  members: Members,
  expectations: Expectations
): Either.Either<IdTokenClaims, IdTokenError | WrongUser> => {
  const wire = present(members)
  const wrong = known().find(([, isRight]) => !isRight(wire))?.[0]
  if (wrong !== undefined) {
    return refuse(wrong, wire[wrong] === undefined ? "it is missing" : `it is not ${expected[wrong] ?? "a text"}`)
  }
  const claims = fromWire(wire as typeof Known.Type)

  if (claims.issuer !== expectations.issuer) return refuse("iss", "it is not the issuer that was configured")
  if (!claims.audience.includes(expectations.clientId)) return refuse("aud", "it does not name this client")
  if (claims.audience.length > 1 && Option.isNone(claims.authorizedParty)) {
    return refuse("azp", "it is missing, and there are several audiences")
  }
  if (Option.exists(claims.authorizedParty, (party) => party !== expectations.clientId)) {
    return refuse("azp", "it names another client")
  }

  const now = inSeconds(expectations.now)
  const tolerance = Math.min(60, Duration.toSeconds(expectations.clockTolerance ?? "30 seconds"))
  const time = (claim: string) => wire[claim] as number | undefined
  if (now >= time("exp")! + tolerance) return refuse("exp", "it has passed; check the clock of this machine")
  const future = ["iat", "nbf", "auth_time"].find((claim) => (time(claim) ?? 0) > now + tolerance)
  if (future !== undefined) return refuse(future, "it is in the future; check the clock of this machine")

  const nonce = Option.getOrUndefined(claims.nonce)
  if (expectations.nonce !== undefined && !Text.isSame(nonce ?? "", Redacted.value(expectations.nonce))) {
    return refuse("nonce", nonce === undefined ? "it is missing" : "it is not that of this login")
  }
  const { accessTokenHash, maxAge, previous, user = {} } = expectations
  if (accessTokenHash !== undefined && (wire["at_hash"] ?? accessTokenHash) !== accessTokenHash) {
    return refuse("at_hash", "it is not that of the access token")
  }
  if (maxAge !== undefined && previous === undefined) {
    const authTime = time("auth_time")
    if (authTime === undefined) return refuse("auth_time", "it is missing")
    if (now > authTime + Duration.toSeconds(maxAge) + tolerance) return refuse("auth_time", "it is too long ago")
  }

  const same = previous === undefined ? user : { sub: Json.member(previous, "sub"), ...user }
  const other = Object.entries(same).find(([claim, value]) => wire[claim] !== value)?.[0]
  return other === undefined ? Either.right(claims) : Either.left(new WrongUser({ claim: other }))
}
