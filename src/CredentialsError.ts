/**
 * Every way credentials can fail, sorted by when it happens.
 *
 * At start-up, while a layer is built: {@link MissingCredentials} (not configured: a chain goes on), {@link PartialCredentials}
 * (half configured: a chain stops) and {@link InvalidOption}. At run time: {@link RefreshError}, whose `reason` says what went wrong
 * and whose message says what to do about it. All of them are schemas, so they cross RPC and workers as JSON, and none
 * ever holds a secret, a request or somebody else's error as its `cause`.
 *
 * @example
 * ```ts
 * import { RefreshError } from "effect-credentials/CredentialsError"
 * import { Effect } from "effect"
 *
 * const program = Effect.fail(
 *   new RefreshError({ provider: "RefreshToken", reason: { _tag: "Rejected", code: "invalid_grant", status: 400 } })
 * ).pipe(
 *   Effect.catchTag("RefreshError", (error) => Effect.succeed(error.isRetryable ? "try again later" : "log in again"))
 * )
 * console.log(Effect.runSync(program))
 * // log in again
 * ```
 *
 * @module
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { TaggedError, type TaggedErrorClass } from "./internal/error.ts"
import * as Text from "./internal/text.ts"

const list = (names: ReadonlyArray<string>): string => names.join(", ")

const MissingBase: TaggedErrorClass<
  MissingCredentials,
  "MissingCredentials",
  {
    readonly provider: string
    readonly missing: ReadonlyArray<string>
    readonly sources?: ReadonlyArray<string> | undefined
  }
> = /* @__PURE__ */ TaggedError("MissingCredentials", () => ({
  provider: Schema.String,
  missing: Schema.Array(Schema.String),
  sources: Schema.optional(Schema.Array(Schema.String))
}))

/**
 * None of a provider's settings are present. A chain of providers goes on to the next one. `sources` names where they were looked for,
 * if that was not the environment alone.
 *
 * @example
 * ```ts
 * import { MissingCredentials } from "effect-credentials/CredentialsError"
 *
 * const error = new MissingCredentials({ provider: "ClientCredentials", missing: ["CLIENT_ID", "CLIENT_SECRET"] })
 * console.log(error.message)
 * // ClientCredentials is not configured: set CLIENT_ID, CLIENT_SECRET
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class MissingCredentials extends MissingBase {
  /** One sentence: what happened and what to do. */
  override get message(): string {
    const where = this.sources === undefined ? "" : ` (looked for in ${list(this.sources)})`
    return `${this.provider} is not configured: set ${list(this.missing)}${where}`
  }
}

const PartialBase: TaggedErrorClass<
  PartialCredentials,
  "PartialCredentials",
  {
    readonly provider: string
    readonly present: ReadonlyArray<string>
    readonly missing: ReadonlyArray<string>
    readonly source?: string | undefined
    readonly elsewhere?: ReadonlyArray<{ readonly source: string; readonly present: ReadonlyArray<string> }> | undefined
  }
> = /* @__PURE__ */ TaggedError("PartialCredentials", () => ({
  provider: Schema.String,
  present: Schema.Array(Schema.String),
  missing: Schema.Array(Schema.String),
  source: Schema.optional(Schema.String),
  elsewhere: Schema.optional(
    Schema.Array(Schema.Struct({ source: Schema.String, present: Schema.Array(Schema.String) }))
  )
}))

/**
 * Some, but not all, of a provider's settings are present. A chain of providers stops here: somebody meant this one. Where there are several
 * sources, `source` is the one that decided, and `elsewhere` names what only others have: it is never mixed in.
 *
 * @example
 * ```ts
 * import { PartialCredentials } from "effect-credentials/CredentialsError"
 *
 * const error = new PartialCredentials({ provider: "ClientCredentials", present: ["CLIENT_ID"], missing: ["CLIENT_SECRET"] })
 * console.log(error.message)
 * // ClientCredentials is half configured: CLIENT_ID is set, CLIENT_SECRET is missing
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class PartialCredentials extends PartialBase {
  /** One sentence: what happened and what to do. */
  override get message(): string {
    const verb = (names: ReadonlyArray<string>) => (names.length === 1 ? "is" : "are")
    const where = this.source === undefined ? "" : ` in ${this.source}`
    const others = (this.elsewhere ?? []).map(({ present, source }) => `${source} has ${list(present)}`)
    const mixed = others.length === 0 ? "" : ` (${others.join("; ")}, but sources are never mixed)`
    return `${this.provider} is half configured${where}: ${list(this.present)} ${verb(this.present)} set, ${list(this.missing)} ${verb(this.missing)} missing${mixed}`
  }
}

const OptionBase: TaggedErrorClass<
  InvalidOption,
  "InvalidOption",
  {
    readonly provider: string
    readonly option: string
    readonly expected: string
  }
> = /* @__PURE__ */ TaggedError("InvalidOption", () => ({
  provider: Schema.String,
  option: Schema.String,
  expected: Schema.String
}))

/**
 * An option that cannot work, found while the layer is built and before anything is sent. Names the option and what was
 * expected, never the value: it may be a secret.
 *
 * @example
 * ```ts
 * import { InvalidOption } from "effect-credentials/CredentialsError"
 *
 * const error = new InvalidOption({ provider: "ClientCredentials", option: "tokenEndpoint", expected: "an https URL" })
 * console.log(error.message)
 * // ClientCredentials: option tokenEndpoint must be an https URL
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidOption extends OptionBase {
  /** One sentence: what happened and what to do. */
  override get message(): string {
    return `${this.provider}: option ${this.option} must be ${this.expected}`
  }
}

/**
 * What went wrong while a token was obtained or renewed.
 *
 * | reason | is | trying again later |
 * | --- | --- | --- |
 * | `Transport` | the server was not reached, or the answer was lost and asking again is harmless | may help |
 * | `Unavailable` | the server answered that it cannot answer now | may help, not before `retryAfter` |
 * | `Timeout` | the time limit ran out | may help |
 * | `TooSoon` | a token obtained just before was refused too; the next one is asked for after `retryAfter` | may help |
 * | `Store` | the token store failed | may help |
 * | `Rejected` | the server refused, with an OAuth error code | no |
 * | `InvalidResponse` | the server's answer is not a usable token | no |
 * | `Interaction` | a person is needed, or said no | no |
 * | `WrongUser` | somebody logged in, but not who was expected | no |
 * | `ReauthenticationRequired` | the login must be done again | no |
 * | `Assertion` | the client's own proof could not be made | no |
 * | `Source` | the caller's own function, file or program failed | no, unless `isRetryable` says so |
 * | `Ambiguous` | something that can be spent only once was sent and the answer was lost | not blindly |
 *
 * @category models
 * @since 0.1.0
 */
export type RefreshErrorReason =
  | { readonly _tag: "Transport"; readonly description: string }
  | { readonly _tag: "Unavailable"; readonly status: number; readonly retryAfter?: Duration.Duration | undefined }
  | { readonly _tag: "Timeout"; readonly after: Duration.Duration }
  | { readonly _tag: "TooSoon"; readonly retryAfter: Duration.Duration }
  | { readonly _tag: "Store"; readonly description: string }
  | {
      readonly _tag: "Rejected"
      readonly code: string
      readonly description?: string | undefined
      readonly subtype?: string | undefined
      readonly status: number
    }
  | { readonly _tag: "InvalidResponse"; readonly description: string; readonly status?: number | undefined }
  | {
      readonly _tag: "Interaction"
      readonly kind: "Denied" | "TimedOut" | "Cancelled" | "Forbidden"
      readonly description?: string | undefined
    }
  | { readonly _tag: "WrongUser"; readonly claim: string }
  | {
      readonly _tag: "ReauthenticationRequired"
      readonly subtype: string
      readonly description?: string | undefined
      /** Of which authentication context classes one is needed, where an API said so (RFC 9470): for `acr_values` of the next login. */
      readonly acrValues?: ReadonlyArray<string> | undefined
      /** How long ago the login may be, where an API said so: for `max_age` of the next login. */
      readonly maxAge?: Duration.Duration | undefined
    }
  | { readonly _tag: "Assertion"; readonly description: string }
  | { readonly _tag: "Source"; readonly description: string; readonly isRetryable?: boolean | undefined }
  | { readonly _tag: "Ambiguous"; readonly description: string }

/**
 * How a {@link RefreshErrorReason} looks as JSON: durations are milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export type RefreshErrorReasonEncoded = { readonly _tag: RefreshErrorReason["_tag"]; readonly [field: string]: unknown }

const describedBy = <const Tag extends string>(tag: Tag) => Schema.TaggedStruct(tag, { description: Schema.String })

const Reason = /* @__PURE__ */ (() =>
  Schema.Union(
    describedBy("Transport"),
    Schema.TaggedStruct("Unavailable", {
      status: Schema.Number,
      retryAfter: Schema.optional(Schema.DurationFromMillis)
    }),
    Schema.TaggedStruct("Timeout", { after: Schema.DurationFromMillis }),
    Schema.TaggedStruct("TooSoon", { retryAfter: Schema.DurationFromMillis }),
    describedBy("Store"),
    Schema.TaggedStruct("Rejected", {
      code: Schema.String,
      description: Schema.optional(Schema.String),
      subtype: Schema.optional(Schema.String),
      status: Schema.Number
    }),
    Schema.TaggedStruct("InvalidResponse", { description: Schema.String, status: Schema.optional(Schema.Number) }),
    Schema.TaggedStruct("Interaction", {
      kind: Schema.Literal("Denied", "TimedOut", "Cancelled", "Forbidden"),
      description: Schema.optional(Schema.String)
    }),
    Schema.TaggedStruct("WrongUser", { claim: Schema.String }),
    Schema.TaggedStruct("ReauthenticationRequired", {
      subtype: Schema.String,
      description: Schema.optional(Schema.String),
      acrValues: Schema.optional(Schema.Array(Schema.String)),
      maxAge: Schema.optional(Schema.DurationFromMillis)
    }),
    describedBy("Assertion"),
    Schema.TaggedStruct("Source", { description: Schema.String, isRetryable: Schema.optional(Schema.Boolean) }),
    describedBy("Ambiguous")
  ))()

const seconds = (duration: Duration.Duration) => `${Math.ceil(Duration.toSeconds(duration))} s`
const because = (description: string | undefined) => (description === undefined ? "" : ` (${description})`)

/** What happened and what to do, in one sentence. */
const explain = (reason: RefreshErrorReason): string => {
  switch (reason._tag) {
    case "Transport":
      return `the authorization server was not reached (${reason.description}); check the address and the network`
    case "Unavailable":
      return `the authorization server cannot answer now (status ${reason.status}); try again ${
        reason.retryAfter === undefined ? "later" : `in ${seconds(reason.retryAfter)}`
      }`
    case "Timeout":
      return `no token within ${seconds(reason.after)}; see what keeps it, or raise the time limit`
    case "TooSoon":
      return `a token obtained just before was refused as well; the next one is asked for in ${seconds(
        reason.retryAfter
      )}, check what the API requires`
    case "Store":
      return `the token store failed (${reason.description})`
    case "Rejected":
      return `the authorization server refused: ${reason.code}${because(reason.description)}; ${advice(reason.code)}`
    case "InvalidResponse":
      return `the answer is unusable: ${reason.description}`
    case "Interaction":
      return reason.kind === "Forbidden"
        ? `a person has to log in, which nothing in the background may ask for${because(reason.description)}`
        : `the login was ${
            reason.kind === "Denied" ? "denied" : reason.kind === "Cancelled" ? "cancelled" : "not completed in time"
          }${because(reason.description)}; start it again`
    case "WrongUser":
      return anotherUser(reason.claim)
    case "ReauthenticationRequired":
      return `the login has to be done again: ${reason.subtype}${because(reason.description)}${stepUp(reason)}`
    case "Assertion":
      return `the client's own proof could not be made: ${reason.description}; check the key`
    case "Source":
      return reason.description
    case "Ambiguous":
      return `the answer to something that can be spent only once was lost (${reason.description}); it may have been spent, log in again if the next attempt is refused`
  }
}

const stepUp = (reason: Extract<RefreshErrorReason, { _tag: "ReauthenticationRequired" }>): string => {
  const { acrValues = [], maxAge } = reason
  const asked = [
    ...(acrValues.length === 0 ? [] : [`acr_values "${Text.printable(acrValues.join(" "), 256)}"`]),
    ...(maxAge === undefined ? [] : [`max_age ${Duration.toSeconds(maxAge)}`])
  ]
  return asked.length === 0 ? "" : `; ask for it with ${asked.join(" and ")}`
}

const anotherUser = (claim: string): string =>
  `another user than the expected one logged in (${claim} differs); log in again with the right account`

const advice = (code: string): string => {
  switch (code) {
    case "invalid_client":
      return "check the client id, its secret and how the client authenticates"
    case "invalid_grant":
      return "what was offered is expired, revoked or already used: log in again"
    case "invalid_scope":
      return "check the scope that is asked for"
    case "unauthorized_client":
    case "unsupported_grant_type":
      return "allow this grant for the client at the authorization server"
    default:
      return "check the client's registration at the authorization server"
  }
}

const RefreshBase: TaggedErrorClass<
  RefreshError,
  "RefreshError",
  {
    readonly provider: string
    readonly reason: RefreshErrorReason
  },
  { readonly provider: string; readonly reason: RefreshErrorReasonEncoded }
> = /* @__PURE__ */ TaggedError("RefreshError", () => ({
  provider: Schema.String,
  reason: Reason
}))

/**
 * A token could not be obtained or renewed. Match on `reason._tag`; `isRetryable` sorts coarsely.
 *
 * @example
 * ```ts
 * import { RefreshError } from "effect-credentials/CredentialsError"
 *
 * const error = new RefreshError({
 *   provider: "ClientCredentials",
 *   reason: { _tag: "Rejected", code: "invalid_client", status: 401 }
 * })
 * console.log(error.isRetryable)
 * // false
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class RefreshError extends RefreshBase {
  /** Whether trying the same again later may help. */
  get isRetryable(): boolean {
    switch (this.reason._tag) {
      case "Transport":
      case "Unavailable":
      case "Timeout":
      case "TooSoon":
      case "Store":
        return true
      case "Source":
        return this.reason.isRetryable === true
      default:
        return false
    }
  }
  /** One sentence: what happened and what to do. */
  override get message(): string {
    return `${this.provider}: ${explain(this.reason)}`
  }
}

const RevocationBase: TaggedErrorClass<
  RevocationError,
  "RevocationError",
  {
    readonly provider: string
    readonly reason: RefreshErrorReason
  },
  { readonly provider: string; readonly reason: RefreshErrorReasonEncoded }
> = /* @__PURE__ */ TaggedError("RevocationError", () => ({
  provider: Schema.String,
  reason: Reason
}))

/**
 * The authorization server was not told that a token is no longer needed (RFC 7009). The local copy is gone all the same.
 *
 * @example
 * ```ts
 * import { RevocationError } from "effect-credentials/CredentialsError"
 *
 * const error = new RevocationError({ provider: "RefreshToken", reason: { _tag: "Unavailable", status: 503 } })
 * console.log(error.reason._tag)
 * // Unavailable
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class RevocationError extends RevocationBase {
  /** One sentence: what happened and what to do. */
  override get message(): string {
    return `${this.provider}: not revoked, ${explain(this.reason)}`
  }
}

const StoreBase: TaggedErrorClass<
  TokenStoreError,
  "TokenStoreError",
  {
    readonly operation: "open" | "get" | "remove" | "list" | "transaction" | "changes"
    readonly key: string
    readonly reason: "Corrupt" | "Permissions" | "LockTimeout" | "Conflict" | "Unavailable" | "NewerVersion"
    readonly description: string
  }
> = /* @__PURE__ */ TaggedError("TokenStoreError", () => ({
  operation: Schema.Literal("open", "get", "remove", "list", "transaction", "changes"),
  key: Schema.String,
  reason: Schema.Literal("Corrupt", "Permissions", "LockTimeout", "Conflict", "Unavailable", "NewerVersion"),
  description: Schema.String
}))

/**
 * A token store could not do what it was asked. Nothing that was stored is lost by it.
 *
 * | reason | is |
 * | --- | --- |
 * | `Corrupt` | what was stored is no token; it was set aside, and the key is empty now |
 * | `NewerVersion` | a newer version of this library wrote it; it is kept |
 * | `Permissions` | the store may not be read or written, or the key to it is wrong |
 * | `LockTimeout` | somebody else is busy with the same token for too long |
 * | `Conflict` | somebody else wrote at the same time; nothing was overwritten |
 * | `Unavailable` | anything else: the disk is full, the network is gone |
 *
 * `key` is empty where an operation is about no single one: `open`, which is building the layer, and `list`.
 *
 * @example
 * ```ts
 * import { TokenStoreError } from "effect-credentials/CredentialsError"
 *
 * const error = new TokenStoreError({
 *   operation: "transaction",
 *   key: "me",
 *   reason: "LockTimeout",
 *   description: "another process holds the lock"
 * })
 * console.log(error.message)
 * // token store, transaction of me: LockTimeout, another process holds the lock
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenStoreError extends StoreBase {
  /** One sentence: what happened and what to do. */
  override get message(): string {
    const what = this.key === "" ? this.operation : `${this.operation} of ${Text.printable(this.key, 200)}`
    return `token store, ${what}: ${this.reason}, ${this.description}`
  }
}

const ProfilesBase: TaggedErrorClass<
  ProfilesError,
  "ProfilesError",
  {
    readonly operation: "list" | "get" | "write" | "remove" | "current"
    readonly profile: string
    readonly reason:
      "NotFound" | "Invalid" | "Corrupt" | "Permissions" | "LockTimeout" | "Conflict" | "Unavailable" | "NewerVersion"
    readonly description: string
  }
> = /* @__PURE__ */ TaggedError("ProfilesError", () => ({
  operation: Schema.Literal("list", "get", "write", "remove", "current"),
  profile: Schema.String,
  reason: Schema.Literal(
    "NotFound",
    "Invalid",
    "Corrupt",
    "Permissions",
    "LockTimeout",
    "Conflict",
    "Unavailable",
    "NewerVersion"
  ),
  description: Schema.String
}))

/**
 * Profiles could not be read or written. `NotFound` and `Invalid` are about what was asked for, the others as for a token store. `profile` is empty
 * where it is about all of them. Nothing that was stored is lost by it.
 *
 * @example
 * ```ts
 * import { ProfilesError } from "effect-credentials/CredentialsError"
 *
 * const error = new ProfilesError({
 *   operation: "get",
 *   profile: "work",
 *   reason: "NotFound",
 *   description: "there are home, staging: choose one of them or write it first"
 * })
 * console.log(error.message)
 * // profiles, get work: NotFound, there are home, staging: choose one of them or write it first
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class ProfilesError extends ProfilesBase {
  /** One sentence: what happened and what to do. */
  override get message(): string {
    const what = this.profile === "" ? this.operation : `${this.operation} ${this.profile}`
    return `profiles, ${what}: ${this.reason}, ${this.description}`
  }
}

const JwtBase: TaggedErrorClass<JwtError, "JwtError", { readonly description: string }> = /* @__PURE__ */ TaggedError(
  "JwtError",
  () => ({
    description: Schema.String
  })
)

/**
 * Something that was read as a JWT is none. Says which part is wrong, never what it holds.
 *
 * @example
 * ```ts
 * import { JwtError } from "effect-credentials/CredentialsError"
 *
 * const error = new JwtError({ description: "three parts separated by dots expected" })
 * console.log(error.message)
 * // not a JWT: three parts separated by dots expected
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class JwtError extends JwtBase {
  /** One sentence: what happened and what to do. */
  override get message(): string {
    return `not a JWT: ${this.description}`
  }
}

const IdTokenBase: TaggedErrorClass<
  IdTokenError,
  "IdTokenError",
  {
    readonly part: string
    readonly description: string
  }
> = /* @__PURE__ */ TaggedError("IdTokenError", () => ({ part: Schema.String, description: Schema.String }))

/**
 * An ID token is not accepted. `part` says where it fails: a claim (`aud`, `exp`, `nonce`, …), a header parameter (`alg`, `typ`, …), the
 * `signature`, or the `token` as a whole. What the token says is never in here.
 *
 * @example
 * ```ts
 * import { IdTokenError } from "effect-credentials/CredentialsError"
 *
 * const error = new IdTokenError({ part: "aud", description: "it does not name this client" })
 * console.log(error.message)
 * // the ID token is refused, aud: it does not name this client
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class IdTokenError extends IdTokenBase {
  /** One sentence: what happened and what to do. */
  override get message(): string {
    return `the ID token is refused, ${this.part}: ${this.description}`
  }
}

const UserBase: TaggedErrorClass<WrongUser, "WrongUser", { readonly claim: string }> = /* @__PURE__ */ TaggedError(
  "WrongUser",
  () => ({
    claim: Schema.String
  })
)

/**
 * Somebody logged in, but not the one who was expected. `claim` says what differs, nothing says who it is.
 *
 * @example
 * ```ts
 * import { WrongUser } from "effect-credentials/CredentialsError"
 *
 * const error = new WrongUser({ claim: "email" })
 * console.log(error.message)
 * // another user than the expected one logged in (email differs); log in again with the right account
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WrongUser extends UserBase {
  /** One sentence: what happened and what to do. */
  override get message(): string {
    return anotherUser(this.claim)
  }
}

const RedirectBase: TaggedErrorClass<
  CrossOriginRedirect,
  "CrossOriginRedirect",
  {
    readonly from: string
    readonly to: string
  }
> = /* @__PURE__ */ TaggedError("CrossOriginRedirect", () => ({ from: Schema.String, to: Schema.String }))

/**
 * A response came from an origin that the credentials were not meant for: an HttpClient below the authenticated one
 * followed a redirect by itself and may have taken the credentials along. Give the authenticated client one that does not.
 *
 * @example
 * ```ts
 * import { CrossOriginRedirect } from "effect-credentials/CredentialsError"
 *
 * const error = new CrossOriginRedirect({ from: "https://api.example.com", to: "https://other.example" })
 * console.log(error.to)
 * // https://other.example
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class CrossOriginRedirect extends RedirectBase {
  /** One sentence: what happened and what to do. */
  override get message(): string {
    return `a request to ${this.from} was answered by ${this.to}: the HttpClient given to the authenticated client must not follow redirects`
  }
}
