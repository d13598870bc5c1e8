/**
 * What the token endpoint answered, decoded: a token or a typed error, whatever was sent.
 *
 * Everything known about how servers deviate from RFC 6749 §5 stands here, as data in and data out.
 *
 * @example
 * ```ts
 * import * as TokenResponse from "effect-credentials/TokenResponse"
 * import { DateTime, Either } from "effect"
 *
 * const token = TokenResponse.decode({
 *   provider: "ClientCredentials",
 *   status: 200,
 *   headers: { "content-type": "application/json" },
 *   body: `{"access_token":"s3cret","token_type":"Bearer","expires_in":60}`,
 *   requestedAt: DateTime.unsafeMake(0)
 * })
 * console.log(Either.isRight(token))
 * // true
 * ```
 *
 * @module
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { RefreshError, type RefreshErrorReason } from "../CredentialsError.ts"
import * as Json from "../internal/json.ts"
import * as Text from "../internal/text.ts"
import * as Timing from "../internal/timing.ts"
import * as Jwt from "../Jwt.ts"
import * as Token from "../Token.ts"
import * as TokenShape from "./TokenShape.ts"

/**
 * An answer of an authorization server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  /** The HTTP status. */
  readonly status: number
  /** The HTTP headers, their names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The body, as it came. */
  readonly body: string
  /** When the request was sent: what the server dates counts from here, unless it shows its own clock. Default: not known. */
  readonly requestedAt?: DateTime.Utc | undefined
  /** Whether a text quotes a secret of the request, and is better not repeated. Default: no text does. */
  readonly isEchoed?: ((text: string) => boolean) | undefined
}

/**
 * An answer of the token endpoint, and what has to be known to read it.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenResponse extends Answer {
  /** Whom errors speak of. */
  readonly provider: string
  /** When the request was sent: lifetimes count from here. */
  readonly requestedAt: DateTime.Utc
  /** The scope that was asked for: a server that grants all of it need not repeat it. Default: none. */
  readonly requestedScope?: ReadonlyArray<string> | undefined
  /** What kind of token was asked for, as a URI (RFC 8693 §3). Default: an access token. */
  readonly requestedTokenType?: string | undefined
  /** Where the parts are, in answers that are not as RFC 6749 §5.1 says; there is no `extra` then. Default: as it says. */
  readonly shape?: TokenShape.TokenShape | undefined
  /** The refresh token held before: it stays unless the answer brings another (RFC 6749 §6). Default: none. */
  readonly previousRefreshToken?: Option.Option<Redacted.Redacted> | undefined
  /** The thumbprint of the key that the token has to be bound to (RFC 9449 §5). Default: to none. */
  readonly boundTo?: string | undefined
}

type Members = Readonly<Record<string, unknown>>

/**
 * The token in an answer, or why there is none.
 *
 * **Details** – total: never throws, never gives half a token.
 *
 * | member | is read as |
 * | --- | --- |
 * | `error` | a failure, whatever the status and whatever else is there |
 * | `access_token` | 1 to 65,536 visible ASCII characters |
 * | `token_type` | `bearer` in any case; absent: bearer; beside `issued_token_type` also `N_A`. Where the token has to be bound to a key: `dpop`, nothing else |
 * | `issued_token_type` | what was asked for, where that is more than an access token (RFC 8693 §2.2.1) |
 * | `expires_in` | seconds, as a number or as digits in a string; 0 or less: already expired; at most ten years count |
 * | `expires_at` | if there is no `expires_in`: seconds since 1970, or an ISO time with its zone; without either, the `exp` of a JWT |
 * | `refresh_token` | the next one; absent or empty: the previous one stays |
 * | `scope` | separated by spaces, or an array; absent or empty: as requested |
 * | the rest | kept in `extra`, where {@link boundTo} finds the key, if there is one |
 *
 * JSON is accepted as such, as plain text and without a content type; a form only where the content type says so; HTML never. A duplicate member counts the
 * last time, as in `JSON.parse`.
 *
 * @example
 * ```ts
 * import * as TokenResponse from "effect-credentials/TokenResponse"
 * import { DateTime, Either } from "effect"
 *
 * const answer = TokenResponse.decode({
 *   provider: "RefreshToken",
 *   status: 400,
 *   headers: { "content-type": "application/json" },
 *   body: `{"error":"invalid_grant"}`,
 *   requestedAt: DateTime.unsafeMake(0)
 * })
 * console.log(Either.isLeft(answer) && answer.left.reason._tag)
 * // Rejected
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (response: TokenResponse): Either.Either<Token.Token, RefreshError> =>
  Either.mapLeft(
    Either.flatMap(members(response), (members) =>
      token(response, response.shape === undefined ? members : TokenShape.read(response.shape, members))
    ),
    (reason) => new RefreshError({ provider: response.provider, reason })
  )

/**
 * The members of an answer that is no failure, for endpoints that answer with something other than a token (RFC 7662).
 *
 * @example
 * ```ts
 * import * as TokenResponse from "effect-credentials/TokenResponse"
 * import { Either } from "effect"
 *
 * const answer = { status: 200, headers: {}, body: `{"active":false}` }
 * console.log(Either.getOrThrow(TokenResponse.members(answer)).active)
 * // false
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const members = (response: Answer): Either.Either<Readonly<Record<string, unknown>>, RefreshErrorReason> => {
  const { status } = response
  const body = parse(response)
  const error = body === undefined ? undefined : Json.member(body, "error")
  if (status >= 200 && status < 300 && (error === undefined || error === "")) {
    return body === undefined ? invalid(unreadable(response), status) : Either.right(body)
  }
  return Either.left(failure(response, body ?? {}))
}

/**
 * Why an answer is a failure, for endpoints whose success has no body (RFC 7009).
 *
 * **Details** – 408, 429 and 5xx are `Unavailable`, and so are the codes `temporarily_unavailable`, `server_error` and `internal_failure` (Google also writes them as the description), and a bare 401 or 403, which comes from something in
 * between. A code that asks for a new login is `ReauthenticationRequired`, any other code `Rejected`, no code `InvalidResponse`.
 *
 * @example
 * ```ts
 * import * as TokenResponse from "effect-credentials/TokenResponse"
 *
 * console.log(TokenResponse.failureOf({ status: 503, headers: {}, body: "" })._tag)
 * // Unavailable
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const failureOf = (response: Answer): RefreshErrorReason => failure(response, parse(response) ?? {})

const invalid = (description: string, status: number): Either.Either<never, RefreshErrorReason> =>
  Either.left({ _tag: "InvalidResponse", description, status })

// Reading a body

const mediaType = (headers: Answer["headers"]): string =>
  (headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase()

const isJson = (type: string): boolean =>
  type === "" || type === "text/plain" || type === "text/json" || /^application\/([a-z0-9.-]+\+)?json$/.test(type)

const isForm = (type: string): boolean => type === "application/x-www-form-urlencoded"

const parse = ({ body, headers }: Answer): Members | undefined => {
  const type = mediaType(headers)
  if (isForm(type)) return Object.fromEntries(new URLSearchParams(body))
  return isJson(type) ? Json.parseObject(body) : undefined
}

const unreadable = ({ body, headers, isEchoed }: Answer): string => {
  const type = mediaType(headers)
  if (Text.isBlank(body)) return "an empty body"
  if (isJson(type) || isForm(type)) return "not a JSON object"
  return /^[a-z]+\/[a-z0-9.+-]{1,40}$/.test(type) && isEchoed?.(type) !== true
    ? `${type} instead of JSON`
    : "something else than JSON"
}

// Reading a failure

const unavailableCodes: ReadonlySet<string> = new Set(["temporarily_unavailable", "server_error", "internal_failure"])

const loginCodes: ReadonlySet<string> = new Set([
  "account_selection_required",
  "consent_required",
  "interaction_required",
  "invalid_rapt",
  "login_required",
  "rapt_required"
])

const failure = (response: Answer, members: Members): RefreshErrorReason => {
  const { isEchoed = () => false, status } = response
  const word = (value: unknown): string | undefined =>
    typeof value === "string" && value.length <= 64 && Text.isWord(value) && !isEchoed(value) ? value : undefined
  const sentence = (value: unknown): string | undefined => {
    if (typeof value !== "string") return undefined
    const text = Text.printable(value, 2_048)
    return text === "" ? undefined : isEchoed(text) ? "withheld, because it quotes a secret" : Text.printable(text, 256)
  }
  const error = Json.member(members, "error")
  const code = word(error)
  const subtype = word(Json.member(members, "error_subtype")) ?? word(Json.member(members, "suberror"))
  const description = sentence(
    Json.member(members, "error_description") ?? (Json.isObject(error) ? Json.member(error, "message") : undefined)
  )
  const words = [code, word(Json.member(members, "error_description"))]
  if (status === 408 || status === 429 || status >= 500 || words.some((word) => unavailableCodes.has(word ?? ""))) {
    return { _tag: "Unavailable", status, retryAfter: retryAfter(response) }
  }
  const login = [code, code === "invalid_grant" ? subtype : undefined].find(
    (word) => word !== undefined && loginCodes.has(word)
  )
  if (login !== undefined) return { _tag: "ReauthenticationRequired", subtype: login, description }
  if (error !== undefined && error !== "")
    return { _tag: "Rejected", code: code ?? "unknown", description, subtype, status }
  if (status === 401 || status === 403) return { _tag: "Unavailable", status, retryAfter: retryAfter(response) }
  return {
    _tag: "InvalidResponse",
    status,
    description: `status ${status} without an OAuth error code (${parse(response) === undefined ? unreadable(response) : "JSON without one"})`
  }
}

/** Both forms of RFC 9110 §10.2.3; a date counts from the server's own clock where it shows it. Garbage is as good as nothing. */
const retryAfter = ({
  headers,
  requestedAt
}: Pick<TokenResponse, "headers"> & { readonly requestedAt?: DateTime.Utc | undefined }):
  Duration.Duration | undefined => {
  const text = headers["retry-after"]?.trim() ?? ""
  if (/^\d+$/.test(text)) return Duration.millis(Math.min(Number(text) * 1000, Timing.maxLifetime))
  const at = httpDate(text)
  const now =
    httpDate(headers["date"]?.trim() ?? "") ??
    (requestedAt === undefined ? undefined : DateTime.toEpochMillis(requestedAt))
  if (at === undefined || now === undefined) return undefined
  return Duration.millis(Math.min(Math.max(at - now, 0), Timing.maxLifetime))
}

const httpDate = (text: string): number | undefined => {
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined
  const millis = Date.parse(text)
  return Number.isNaN(millis) ? undefined : millis
}

// Reading a token

const known: ReadonlySet<string> = new Set([
  "access_token",
  "error",
  "expires_at",
  "expires_in",
  "id_token",
  "refresh_token",
  "scope",
  "token_type"
])

const longest = 65_536

const token = (response: TokenResponse, members: Members): Either.Either<Token.Token, RefreshErrorReason> =>
  Either.gen(function* () {
    const { requestedAt, status } = response
    const text = (name: string) => {
      const value = Json.member(members, name)
      if (value === undefined || value === "") return Either.right(Option.none<string>())
      return typeof value === "string" && value.length <= longest && Text.isVisible(value)
        ? Either.right(Option.some(value))
        : invalid(`${name} is not a string of 1 to ${longest} visible characters`, status)
    }
    const secret = Option.map<string, Redacted.Redacted>(Redacted.make)

    const accessToken = Json.member(members, "access_token")
    if (typeof accessToken !== "string") return yield* invalid("access_token is missing", status)
    const type = Json.member(members, "token_type") ?? ""
    const issuedType = Json.member(members, "issued_token_type") || undefined
    // RFC 8693 §2.2.1: what is no access token has no type of its own.
    const { boundTo } = response
    const types = boundTo !== undefined ? ["dpop"] : issuedType === undefined ? ["", "bearer"] : ["", "bearer", "n_a"]
    if (typeof type !== "string" || !types.includes(type.trim().toLowerCase())) {
      return yield* invalid(
        boundTo === undefined
          ? "token_type is not bearer"
          : "token_type is not DPoP: a token bound to a key was asked for",
        status
      )
    }
    if (issuedType !== undefined && !isWanted(issuedType, response.requestedTokenType)) {
      return yield* invalid("issued_token_type is not what was asked for", status)
    }
    const expiresAt = yield* expiry(members, accessToken, requestedAt, status)
    const refreshToken = secret(yield* text("refresh_token"))
    const idToken = secret(yield* text("id_token"))
    const granted = yield* scope(members, status)
    const rest = Object.entries(members).filter(
      ([name]) => !known.has(name) && (boundTo === undefined || name !== "cnf")
    )
    if (boundTo !== undefined) rest.push(["cnf", { jkt: boundTo }])

    const token = Token.make({
      accessToken: Redacted.make(accessToken),
      ...(boundTo === undefined ? {} : { tokenType: "dpop" }),
      issuedAt: requestedAt,
      expiresAt,
      refreshToken: Option.orElse(refreshToken, () => response.previousRefreshToken ?? Option.none()),
      idToken,
      scope: granted.length > 0 ? granted : (response.requestedScope ?? []),
      ...(rest.length === 0 ? {} : { extra: Redacted.make(record(rest)) })
    })
    return Token.isSendable(token)
      ? token
      : yield* invalid(`access_token is not 1 to ${longest} visible characters without a space`, status)
  })

/**
 * The thumbprint of the key that a token was issued for (RFC 9449 §6.1). None: it was not issued for one.
 *
 * **Details** – kept as `cnf.jkt` in the token's `extra`, so that every store keeps it too.
 *
 * @example
 * ```ts
 * import * as Token from "effect-credentials/Token"
 * import * as TokenResponse from "effect-credentials/TokenResponse"
 * import { DateTime, Option, Redacted } from "effect"
 *
 * const token = Token.make({ accessToken: Redacted.make("t0ken"), issuedAt: DateTime.unsafeMake(0) })
 * console.log(Option.isNone(TokenResponse.boundTo(token)))
 * // true
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const boundTo = (token: Token.Token): Option.Option<string> => {
  const cnf = Json.member(Redacted.value(token.extra), "cnf")
  const jkt = Json.isObject(cnf) ? Json.member(cnf, "jkt") : undefined
  return typeof jkt === "string" ? Option.some(jkt) : Option.none()
}

/** Everything that is an access token is; anything else only where exactly that was asked for. */
const isWanted = (issued: unknown, requested: string | undefined): boolean =>
  issued === requested || (accessTypes.has(issued) && (requested === undefined || accessTypes.has(requested)))

const accessTypes: ReadonlySet<unknown> = new Set([
  "urn:ietf:params:oauth:token-type:access_token",
  "urn:ietf:params:oauth:token-type:jwt"
])

/** A record without a prototype: no member of it is ever somebody else's. */
const record = (entries: ReadonlyArray<readonly [string, unknown]>): Members => {
  const members: Record<string, unknown> = Object.create(null)
  for (const [name, value] of entries) members[name] = value
  return Object.freeze(members)
}

const scope = (members: Members, status: number): Either.Either<ReadonlyArray<string>, RefreshErrorReason> => {
  const value = Json.member(members, "scope") ?? ""
  const words = Array.isArray(value) ? value : typeof value === "string" ? value.split(" ") : undefined
  return words === undefined || !words.every((word): word is string => typeof word === "string")
    ? invalid("scope is neither a string nor an array of strings", status)
    : Either.right(words.map((word) => Text.printable(word, 1_024)).filter((word) => word !== ""))
}

const expiry = (
  members: Members,
  accessToken: string,
  requestedAt: DateTime.Utc,
  status: number
): Either.Either<Option.Option<DateTime.Utc>, RefreshErrorReason> => {
  const issuedAt = DateTime.toEpochMillis(requestedAt)
  // Never before it was issued, never later than anything can be planned.
  const after = (millis: number) =>
    Option.some(DateTime.unsafeMake(issuedAt + Math.max(0, Math.min(millis, Timing.maxLifetime))))

  const expiresIn = present(members, "expires_in")
  if (expiresIn !== undefined) {
    const seconds = number(expiresIn)
    return seconds === undefined
      ? invalid("expires_in is not a number of seconds", status)
      : Either.right(after(Math.floor(seconds) * 1000))
  }
  const expiresAt = present(members, "expires_at")
  if (expiresAt !== undefined) {
    const seconds = number(expiresAt)
    // In seconds that is the year 5138: it is milliseconds by mistake.
    const millis =
      seconds !== undefined ? (seconds < 1e11 ? Math.floor(seconds) * 1000 : undefined) : isoTime(expiresAt)
    return millis === undefined
      ? invalid("expires_at is neither a number of seconds since 1970 nor an ISO time", status)
      : Either.right(after(millis - issuedAt))
  }
  return Either.right(Option.flatMap(Jwt.expiresAt(accessToken), (at) => after(DateTime.toEpochMillis(at) - issuedAt)))
}

const present = (members: Members, name: string): unknown => {
  const value = Json.member(members, name)
  return typeof value === "string" && Text.isBlank(value) ? undefined : value
}

/** Only what is plainly a number: JavaScript's own conversions read `null`, `"0x10"` and `[3600]` as one. */
const number = (value: unknown): number | undefined => {
  if (typeof value === "number") return Number.isNaN(value) ? undefined : value
  return typeof value === "string" && /^\s*-?\d+(\.\d+)?\s*$/.test(value) ? Number(value) : undefined
}

const isoTime = (value: unknown): number | undefined => {
  if (
    typeof value !== "string" ||
    !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(value.trim())
  )
    return undefined
  const millis = Date.parse(value.trim())
  return Number.isNaN(millis) ? undefined : millis
}
