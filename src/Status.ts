/**
 * How credentials stand, at one look: whose token is held, until when, what went wrong last, and when it goes on.
 *
 * For a status page, a health check, or a line in a terminal. `Credentials.status` gives it, and asks nobody for it. To follow what
 * happens use `Credentials.events`.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import * as Status from "effect-credentials/Status"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const credentials = yield* Credentials.Credentials
 *   yield* credentials.token
 *   console.log(Status.format(yield* credentials.status))
 * })
 * Effect.runSync(program.pipe(Effect.provide(StaticToken.layer({ token: "s3cret" }))))
 * // StaticToken: fresh, expiry unknown
 * ```
 *
 * @module
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { RefreshError } from "./CredentialsError.ts"
import * as Json from "./internal/json.ts"
import * as Text from "./internal/text.ts"
import * as Jwt from "./Jwt.ts"
import type * as Token from "./Token.ts"

/**
 * How credentials stand.
 *
 * @category models
 * @since 0.1.0
 */
export interface Status {
  /** The provider's name. */
  readonly provider: string
  /** When this was so. */
  readonly at: DateTime.Utc
  /** What the token held is good for. `None`: none is held. */
  readonly freshness: Token.Freshness | "None"
  /** Whom the token held is for, as its ID token says, or itself if it is a JWT: an e-mail address, a user name, a subject or a client. Nobody has verified it here. */
  readonly who: Option.Option<string>
  /** What the token held allows. */
  readonly scope: ReadonlyArray<string>
  /** Until when the token held works. None: unknown, or none is held. */
  readonly expiresAt: Option.Option<DateTime.Utc>
  /** Why no token was obtained when one was last asked for, and when that was. None: one was. */
  readonly lastError: Option.Option<{ readonly at: DateTime.Utc; readonly error: RefreshError }>
  /** Whether a token is being obtained. */
  readonly isRenewing: boolean
  /** From when on a renewal starts by itself, once somebody asks or the schedule comes by. None: not before something else happens. */
  readonly nextTry: Option.Option<DateTime.Utc>
}

/**
 * Whom a token is for, without a promise: the first of `email`, `preferred_username`, `upn`, `sub` and `client_id` in its ID token, or in the access token if that is a JWT.
 *
 * @example
 * ```ts
 * import * as Status from "effect-credentials/Status"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Redacted } from "effect"
 *
 * const jwt = `${btoa("{}")}.${btoa('{"sub":"ada"}')}.${btoa("signature")}`.replaceAll("=", "")
 * const token = Token.make({ accessToken: Redacted.make(jwt), issuedAt: DateTime.unsafeMake(0) })
 * console.log(Status.who(token))
 * // { _id: 'Option', _tag: 'Some', value: 'ada' }
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const who = (token: Token.Token): Option.Option<string> => {
  for (const jwt of [...Option.toArray(token.idToken), token.accessToken]) {
    const decoded = Jwt.decode(jwt)
    if (Either.isLeft(decoded)) continue
    for (const name of ["email", "preferred_username", "upn", "sub", "client_id"]) {
      const claim = Json.member(decoded.right.claims, name)
      const text = typeof claim === "string" ? Text.printable(claim, 128) : ""
      if (text !== "") return Option.some(text)
    }
  }
  return Option.none()
}

/**
 * A status in one line, for a terminal or a log.
 *
 * @example
 * ```ts
 * import * as Status from "effect-credentials/Status"
 * import { DateTime, Option } from "effect"
 *
 * console.log(Status.format({
 *   provider: "ClientCredentials",
 *   at: DateTime.unsafeMake(0),
 *   freshness: "Fresh",
 *   who: Option.some("ada@example.com"),
 *   scope: ["read"],
 *   expiresAt: Option.some(DateTime.unsafeMake(3_600_000)),
 *   lastError: Option.none(),
 *   isRenewing: false,
 *   nextTry: Option.some(DateTime.unsafeMake(3_550_000))
 * }))
 * // ClientCredentials: fresh, for ada@example.com, expires in 1h, next renewal in 59m 10s
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const format = (self: Status): string => {
  const distance = (to: DateTime.Utc) =>
    Duration.format(Duration.seconds(Math.ceil(Math.abs(DateTime.distance(self.at, to)) / 1000)))
  const ago = (time: DateTime.Utc) => (distance(time) === "0" ? "just now" : `${distance(time)} ago`)
  const isPast = (time: DateTime.Utc) => DateTime.distance(self.at, time) <= 0
  const when = (time: DateTime.Utc) => (isPast(time) ? "when next asked for" : `in ${distance(time)}`)
  const has = self.freshness !== "None"
  return `${self.provider}: ${[
    has ? self.freshness.toLowerCase() : "no token",
    ...Option.toArray(Option.map(self.who, (who) => `for ${who}`)),
    ...(has
      ? [
          Option.match(self.expiresAt, {
            onNone: () => "expiry unknown",
            onSome: (time) => (isPast(time) ? `expired ${ago(time)}` : `expires in ${distance(time)}`)
          })
        ]
      : []),
    ...Option.toArray(
      Option.map(self.lastError, ({ at, error }) => `last error ${ago(at)} (${Text.printable(error.message, 256)})`)
    ),
    ...(self.isRenewing
      ? ["being obtained now"]
      : Option.toArray(Option.map(self.nextTry, (time) => `next ${has ? "renewal" : "try"} ${when(time)}`)))
  ].join(", ")}`
}
