/**
 * A login on a second device (RFC 8628), as pure data: what the server answers first, when it is asked again, and when to give up.
 *
 * `DeviceAuthorization` is the provider; you need this module only to build a login of your own on it. All decisions about the pace are
 * here: {@link start} says when the first poll is due, {@link next} what each answer means for the one after it.
 *
 * @example
 * ```ts
 * import * as DeviceFlow from "effect-credentials/DeviceFlow"
 * import { Duration, Either, Option } from "effect"
 *
 * const slowDown: DeviceFlow.Waiting = { _tag: "SlowDown", interval: Option.none() }
 * const polling = DeviceFlow.next(DeviceFlow.start(Duration.seconds(5)), slowDown)
 * console.log(Duration.toSeconds(Either.getOrThrow(polling).wait))
 * // 10
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8628#section-3.5>
 * @module
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { RefreshErrorReason } from "../CredentialsError.ts"
import * as Json from "../internal/json.ts"
import * as Text from "../internal/text.ts"
import * as Grant from "./Grant.ts"
import * as TokenRequest from "./TokenRequest.ts"
import * as TokenResponse from "./TokenResponse.ts"

const grantType = "urn:ietf:params:oauth:grant-type:device_code"

/**
 * What the server answers first (RFC 8628 §3.2).
 *
 * @category models
 * @since 0.1.0
 */
export interface DeviceAuthorization {
  /** What the polls offer; nobody else ever sees it. */
  readonly deviceCode: Redacted.Redacted
  /** What the person types in, fit to be shown. */
  readonly userCode: string
  /** Where the person types it in: always http or https. */
  readonly verificationUri: string
  /** The same with the code in it, for a link or a QR code. None: the server has none, or one that is no web address. */
  readonly verificationUriComplete: Option.Option<string>
  /** How long the codes live. */
  readonly expiresIn: Duration.Duration
  /** How long to wait between polls. */
  readonly interval: Duration.Duration
}

/**
 * The request that starts a login: scope, audience, resource and further parameters go here, not into the polls.
 *
 * @example
 * ```ts
 * import * as DeviceFlow from "effect-credentials/DeviceFlow"
 *
 * console.log(DeviceFlow.request({ scope: ["openid", "offline_access"] }).params)
 * // [ [ 'scope', 'openid offline_access' ] ]
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8628#section-3.1>
 * @category constructors
 * @since 0.1.0
 */
export const request = (target?: Grant.Target): TokenRequest.TokenRequest =>
  TokenRequest.make(Grant.make(grantType, {}, target).params)

/**
 * The grant that a poll offers. Until it succeeds it can be offered again, also when an answer was lost (RFC 8628 §3.5).
 *
 * @example
 * ```ts
 * import * as DeviceFlow from "effect-credentials/DeviceFlow"
 * import { Redacted } from "effect"
 *
 * console.log(DeviceFlow.grant(Redacted.make("s3cret")).oneTime)
 * // false
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8628#section-3.4>
 * @category constructors
 * @since 0.1.0
 */
export const grant = (deviceCode: Redacted.Redacted): Grant.Grant =>
  Grant.make(grantType, { device_code: deviceCode }, { oneTime: false })

const longestCode = 65_536
const longestUri = 2_048
const seconds = { interval: 5, mostInterval: 60, expiresIn: 900, mostExpiresIn: 86_400 }

/**
 * The codes in the server's first answer, or why there are none.
 *
 * **Details** – total: never throws.
 *
 * | member | is read as |
 * | --- | --- |
 * | `device_code` | 1 to 65,536 visible ASCII characters |
 * | `user_code` | text, without anything that a terminal would act upon |
 * | `verification_uri` (or `verification_url`) | an http or https URL without user name, as a browser writes it |
 * | `verification_uri_complete` | the same; anything else counts as absent |
 * | `expires_in` | seconds, also in a string, at most a day; absent or unusable: 15 minutes |
 * | `interval` | seconds, also in a string, from 1 to 60; absent or unusable: 5 |
 *
 * @example
 * ```ts
 * import * as DeviceFlow from "effect-credentials/DeviceFlow"
 * import { Duration, Either } from "effect"
 *
 * const codes = DeviceFlow.decode({
 *   status: 200,
 *   headers: { "content-type": "application/json" },
 *   body: `{"device_code":"s3cret","user_code":"WDJB-MJHT","verification_uri":"https://id.example.com/device"}`
 * })
 * console.log(Either.getOrThrow(codes).userCode, Duration.toSeconds(Either.getOrThrow(codes).interval))
 * // WDJB-MJHT 5
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8628#section-3.2>
 * @category decoding
 * @since 0.1.0
 */
export const decode = (response: TokenResponse.Answer): Either.Either<DeviceAuthorization, RefreshErrorReason> =>
  Either.flatMap(TokenResponse.members(response), (members) => {
    const invalid = (description: string): Either.Either<never, RefreshErrorReason> =>
      Either.left({ _tag: "InvalidResponse", description, status: response.status })
    const member = (name: string) => Json.member(members, name)

    const deviceCode = member("device_code")
    if (typeof deviceCode !== "string" || deviceCode.length > longestCode || !Text.isVisible(deviceCode)) {
      return invalid(`device_code is not a string of 1 to ${longestCode} visible characters`)
    }
    const given = member("user_code")
    const userCode = typeof given === "string" ? Text.printable(given, 64) : ""
    if (userCode === "") return invalid("user_code is missing")
    const verificationUri = webAddress(member("verification_uri") ?? member("verification_url"))
    if (Option.isNone(verificationUri)) return invalid("verification_uri is not an http or https URL")
    return Either.right({
      deviceCode: Redacted.make(deviceCode),
      userCode,
      verificationUri: verificationUri.value,
      verificationUriComplete: webAddress(member("verification_uri_complete") ?? member("verification_url_complete")),
      expiresIn: Duration.seconds(
        Math.min(atLeastOne(member("expires_in")) ?? seconds.expiresIn, seconds.mostExpiresIn)
      ),
      interval: Option.getOrElse(intervalOf(members), () => Duration.seconds(seconds.interval))
    })
  })

/** An address that a person may be sent to: nothing in it runs, hides or misleads. */
const webAddress = (value: unknown): Option.Option<string> => {
  if (typeof value !== "string" || value.length > longestUri) return Option.none()
  // Looked at before parsing: the parser drops line breaks and tabs without a word.
  if (/[\s\p{Cc}\p{Cf}\p{Cs}\\]/u.test(value) || !/^https?:\/\/[^/]/i.test(value) || !URL.canParse(value)) {
    return Option.none()
  }
  const url = new URL(value)
  return url.username === "" && url.password === "" ? Option.some(url.href) : Option.none()
}

/** Only what is plainly a number: JavaScript's own conversions read `null`, `true` and `[5]` as one. */
const number = (value: unknown): number | undefined =>
  typeof value === "number"
    ? value
    : typeof value === "string" && /^\s*-?\d+(\.\d+)?\s*$/.test(value)
      ? Number(value)
      : undefined

const atLeastOne = (value: unknown): number | undefined => {
  const read = number(value)
  return read !== undefined && read >= 1 ? read : undefined
}

const intervalOf = (members: Readonly<Record<string, unknown>>): Option.Option<Duration.Duration> =>
  Option.map(
    Option.filter(Option.fromNullable(number(Json.member(members, "interval"))), (read) => !Number.isNaN(read)),
    (read) => Duration.seconds(Math.min(Math.max(read, 1), seconds.mostInterval))
  )

/**
 * What a poll is answered with while the person has not decided yet.
 *
 * @category models
 * @since 0.1.0
 */
export type Waiting =
  | { readonly _tag: "Pending" }
  | {
      readonly _tag: "SlowDown"
      /** The interval that the server now wants, where it says one (GitHub). */
      readonly interval: Option.Option<Duration.Duration>
    }

/**
 * Whether an answer to a poll says to go on waiting, whatever its status: servers have been seen with 400, 403, 428, 429 and 200. None: it says something else.
 *
 * @example
 * ```ts
 * import * as DeviceFlow from "effect-credentials/DeviceFlow"
 * import { Option } from "effect"
 *
 * const answer = { status: 400, headers: {}, body: `{"error":"authorization_pending"}` }
 * console.log(Option.getOrThrow(DeviceFlow.waiting(answer))._tag)
 * // Pending
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8628#section-3.5>
 * @category decoding
 * @since 0.1.0
 */
export const waiting = (response: TokenResponse.Answer): Option.Option<Waiting> => {
  // Read as if it had the status of RFC 6749 §5.2: with 429 alone it would be a server that cannot answer.
  const reason = TokenResponse.failureOf({ ...response, status: 400 })
  switch (reason._tag === "Rejected" ? reason.code : undefined) {
    case "authorization_pending":
      return Option.some({ _tag: "Pending" })
    case "slow_down":
      return Option.some({ _tag: "SlowDown", interval: intervalOf(Json.parseObject(response.body) ?? {}) })
    default:
      return Option.none()
  }
}

/**
 * How a login is going.
 *
 * @category models
 * @since 0.1.0
 */
export interface Polling {
  /** How long to wait before the next poll. */
  readonly wait: Duration.Duration
  /** The interval as agreed with the server so far. */
  readonly interval: Duration.Duration
  /** By how much the interval is stretched, because this machine's clock seems to be fast: 1 is not at all. */
  readonly margin: number
  /** How often the server has asked to slow down. */
  readonly slowDowns: number
  /** How often of these in a row, the latest included. */
  readonly slowDownsInARow: number
  /** Whether an answer was lost: it may have held the token. */
  readonly isAnswerLost: boolean
}

/**
 * The beginning: the first poll comes after one interval, or at once.
 *
 * @example
 * ```ts
 * import * as DeviceFlow from "effect-credentials/DeviceFlow"
 * import { Duration } from "effect"
 *
 * console.log(Duration.toSeconds(DeviceFlow.start(Duration.seconds(5)).wait))
 * // 5
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (
  interval: Duration.Duration,
  options?: {
    /** Whether the first poll comes at once. Default: false, after one interval. */
    readonly pollAtOnce?: boolean | undefined
  }
): Polling => ({
  wait: options?.pollAtOnce === true ? Duration.zero : interval,
  interval,
  margin: 1,
  slowDowns: 0,
  slowDownsInARow: 0,
  isAnswerLost: false
})

/** So many requests to slow down are no accident. */
const drifting = 5

/**
 * What an answer without a token means: when to ask again, or why not to.
 *
 * | answer | then |
 * | --- | --- |
 * | pending | the same interval again |
 * | slow down | 5 s more from now on, or what the server says if that is more; twice in a row, and the waits are stretched by 20 %, then 40 % and so on: the clock here may be fast |
 * | none: `Transport`, `Timeout` | twice the interval from now on, up to 60 s |
 * | `Unavailable` | the same interval, or `Retry-After` if that is longer |
 * | `access_denied` | the end: `Interaction`, denied |
 * | `expired_token` | the end: `Interaction`, timed out |
 * | anything else | the end, as it is |
 *
 * @example
 * ```ts
 * import * as DeviceFlow from "effect-credentials/DeviceFlow"
 * import { Duration, Either } from "effect"
 *
 * const polling = DeviceFlow.start(Duration.seconds(5))
 * const denied = DeviceFlow.next(polling, { _tag: "Rejected", code: "access_denied", status: 400 })
 * console.log(Either.isLeft(denied) && denied.left._tag)
 * // Interaction
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8628#section-3.5>
 * @category combinators
 * @since 0.1.0
 */
export const next = (
  self: Polling,
  answer: Waiting | RefreshErrorReason
): Either.Either<Polling, RefreshErrorReason> => {
  const after = (changes: Partial<Polling>, least = Duration.zero): Either.Either<Polling, RefreshErrorReason> => {
    const changed = { ...self, slowDownsInARow: 0, ...changes }
    const stretched = Math.round(Duration.toMillis(changed.interval) * changed.margin)
    return Either.right({ ...changed, wait: Duration.max(Duration.millis(stretched), least) })
  }
  switch (answer._tag) {
    case "Pending":
      return after({})
    case "SlowDown": {
      const slower = Duration.sum(self.interval, Duration.seconds(5))
      const slowDownsInARow = self.slowDownsInARow + 1
      return after({
        interval: Duration.max(
          slower,
          Option.getOrElse(answer.interval, () => slower)
        ),
        margin: Math.max(self.margin, 1 + 0.2 * (slowDownsInARow - 1)),
        slowDowns: self.slowDowns + 1,
        slowDownsInARow
      })
    }
    case "Transport":
    case "Timeout": {
      const doubled = Duration.min(Duration.times(self.interval, 2), Duration.seconds(seconds.mostInterval))
      return after({ interval: Duration.max(self.interval, doubled), isAnswerLost: true })
    }
    case "Unavailable":
      // A bare 401 or 403 comes from something in between, and stays.
      return answer.status === 401 || answer.status === 403
        ? Either.left(answer)
        : after({}, answer.retryAfter ?? Duration.zero)
    case "Rejected":
      return Either.left(refusal(self, answer))
    default:
      return Either.left(answer)
  }
}

const refusal = (self: Polling, refused: RefreshErrorReason & { readonly _tag: "Rejected" }): RefreshErrorReason => {
  switch (refused.code) {
    case "access_denied":
    // What Microsoft says.
    case "authorization_declined":
      return { _tag: "Interaction", kind: "Denied", description: refused.description }
    case "expired_token":
      return expired(self)
    case "invalid_grant":
      return self.isAnswerLost ? { ...refused, description: lostAnswer } : refused
    default:
      return refused
  }
}

const lostAnswer = "an earlier poll stayed without an answer, which may have held the token"

/**
 * Why a login ends whose codes have expired.
 *
 * @example
 * ```ts
 * import * as DeviceFlow from "effect-credentials/DeviceFlow"
 * import { Duration } from "effect"
 *
 * console.log(DeviceFlow.expired(DeviceFlow.start(Duration.seconds(5)))._tag)
 * // Interaction
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const expired = (self: Polling): RefreshErrorReason => ({
  _tag: "Interaction",
  kind: "TimedOut",
  description:
    self.slowDowns >= drifting
      ? `the code has expired, and the server asked ${self.slowDowns} times to slow down: this machine's clock may run fast`
      : self.isAnswerLost
        ? `the code has expired; ${lostAnswer}`
        : "the code has expired"
})
