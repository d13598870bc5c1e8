/**
 * Trading a grant for a token: the only module that talks to a token endpoint.
 *
 * Providers are built on it. Use it yourself for a single exchange, to give a token back, or to ask about one.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import * as TokenEndpoint from "effect-credentials/TokenEndpoint"
 *
 * const endpoint = TokenEndpoint.make("MyProvider", {
 *   tokenEndpoint: "https://id.example.com/token",
 *   clientId: "me",
 *   clientSecret: "s3cret"
 * })
 * const token = TokenEndpoint.exchange(endpoint, Grant.clientCredentials({ scope: ["read"] }))
 * console.log(endpoint.provider)
 * // MyProvider
 * ```
 *
 * @module
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { Authorization } from "./Authorization.ts"
import * as AuthorizationServer from "./AuthorizationServer.ts"
import * as ClientAuthentication from "./ClientAuthentication.ts"
import { InvalidOption, RefreshError, type RefreshErrorReason, RevocationError } from "./CredentialsError.ts"
import * as Http from "./internal/http.ts"
import { own } from "./internal/own.ts"
import * as Spending from "./internal/spending.ts"
import * as Text from "./internal/text.ts"
import * as Timing from "./internal/timing.ts"
import * as AuthorizationRequest from "./protocol/AuthorizationRequest.ts"
import * as DeviceFlow from "./protocol/DeviceFlow.ts"
import type { Grant, Target } from "./protocol/Grant.ts"
import * as Login from "./protocol/Login.ts"
import type { Endpoint } from "./protocol/ServerMetadata.ts"
import * as TokenRequest from "./protocol/TokenRequest.ts"
import * as TokenResponse from "./protocol/TokenResponse.ts"
import type { Token } from "./Token.ts"

/**
 * Where the token endpoint is, who asks, and how.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Server & ClientAuthentication.Client & Settings

/**
 * Where the token endpoint is: known by its address, found by the issuer's discovery, or part of a server.
 *
 * @category models
 * @since 0.1.0
 */
export type Server =
  | {
      /** The token endpoint's URL, if nothing else is known of the server: https, or http on this machine. */
      readonly tokenEndpoint: string
      readonly issuer?: undefined
      readonly server?: undefined
    }
  | {
      /** The issuer: its endpoints are discovered when the first one is needed. */
      readonly issuer: string
      readonly tokenEndpoint?: undefined
      readonly server?: undefined
    }
  | {
      /** The authorization server, with all its endpoints. */
      readonly server: AuthorizationServer.AuthorizationServer
      readonly tokenEndpoint?: undefined
      readonly issuer?: undefined
    }

/**
 * How the token endpoint is asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  /** How parameters are sent: as a form, which is the standard, or as JSON, which some servers want. Default: `"form"`. */
  readonly body?: "form" | "json" | undefined
  /** How long one attempt may take. Default: 10 seconds. */
  readonly attemptTimeLimit?: Duration.DurationInput | undefined
  /** How long all attempts may take together; none is started that could not end in time. Default: 30 seconds. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /**
   * When to try again, if trying again may help. A `Retry-After` of the server makes the pause longer, never shorter. Default: twice, after about 500 ms and 1 s,
   * jittered.
   */
  readonly retry?: Schedule.Schedule<unknown, RefreshError> | undefined
  /**
   * What to do if the server grants less than was asked for. Default: `"warn"`, which is a line in the log. A refresh only ever warns: failing would lose the
   * refresh token that it brought.
   */
  readonly reducedScope?: "warn" | "error" | "ignore" | undefined
  /**
   * How the tokens will go on requests: if with a proof of possession (`DPoP`), they are asked for with one too, and must be bound to its key. Default: as bearer
   * tokens.
   */
  readonly authorization?: Authorization | undefined
}

/**
 * A token endpoint, and who we are to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenEndpoint {
  /** Whom errors, spans and log lines speak of. */
  readonly provider: string
  /** Where the endpoints are. */
  readonly server: AuthorizationServer.AuthorizationServer
  /** The client's identifier. */
  readonly clientId: string
  /** How the client proves who it is. */
  readonly authentication: ClientAuthentication.ClientAuthentication
  /** How it is asked. */
  readonly settings: Settings
}

/**
 * A token endpoint from a provider's options. Pure: nothing is sent, nothing is checked.
 *
 * @example
 * ```ts
 * import * as AuthorizationServer from "effect-credentials/AuthorizationServer"
 * import * as TokenEndpoint from "effect-credentials/TokenEndpoint"
 *
 * const server = AuthorizationServer.discover("https://id.example.com")
 * console.log(TokenEndpoint.make("MyProvider", { server, clientId: "me" }).authentication.method)
 * // none
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (provider: string, options: Options): TokenEndpoint => {
  const mine = own(options)
  return {
    provider,
    server: serverOf(mine),
    clientId: mine.clientId,
    authentication: ClientAuthentication.fromClient(mine),
    // Nothing else of the options: a secret given as a plain string must not be found in here.
    settings: {
      body: mine.body,
      attemptTimeLimit: mine.attemptTimeLimit,
      timeLimit: mine.timeLimit,
      retry: mine.retry,
      reducedScope: mine.reducedScope,
      authorization: mine.authorization
    }
  }
}

const serverOf = (options: Server): AuthorizationServer.AuthorizationServer =>
  options.server !== undefined
    ? options.server
    : options.issuer !== undefined || ("issuer" in options && options.tokenEndpoint === undefined)
      ? // Undefined, whatever the type says, if a setting is missing: then it is the issuer that is.
        AuthorizationServer.discover(options.issuer!)
      : AuthorizationServer.make({ token_endpoint: options.tokenEndpoint })

const limits = ({ attemptTimeLimit = "10 seconds", timeLimit = "30 seconds" }: Settings) => {
  const all = Duration.toMillis(timeLimit)
  return { all, attempt: Math.min(all, Duration.toMillis(attemptTimeLimit)) }
}

/**
 * Fails if an option cannot work, before anything is sent: providers run it while their layer is built.
 *
 * @example
 * ```ts
 * import * as TokenEndpoint from "effect-credentials/TokenEndpoint"
 * import { Effect } from "effect"
 *
 * const endpoint = TokenEndpoint.make("MyProvider", { tokenEndpoint: "https://id.example.com/token", clientId: " " })
 * console.log(Effect.runSync(Effect.flip(TokenEndpoint.check(endpoint))).option)
 * // clientId
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (self: TokenEndpoint): Effect.Effect<void, InvalidOption> =>
  Effect.gen(function* () {
    const { authentication, clientId, provider, server, settings } = self
    const invalid = (option: string, expected: string) => new InvalidOption({ provider, option, expected })
    yield* Effect.mapError(server.check(provider), (error) =>
      error.option === "token_endpoint" ? invalid("tokenEndpoint", error.expected) : error
    )
    if (Text.isBlank(clientId) || !Text.isPlain(clientId)) {
      return yield* invalid("clientId", "text that is not blank and has no line breaks or other controls")
    }
    yield* authentication.check(provider)
    if (settings.authorization?.proof !== undefined) {
      yield* Effect.mapError(settings.authorization.proof.thumbprint, (expected) => invalid("key", expected))
    }
    for (const option of ["attemptTimeLimit", "timeLimit"] as const) {
      const limit = Duration.toMillis(settings[option] ?? "10 seconds")
      if (!(limit > 0 && limit <= longest)) return yield* invalid(option, "more than nothing, and at most a day")
    }
  })

const longest = /* @__PURE__ */ Duration.toMillis("1 day")

/**
 * A token for a grant.
 *
 * **Details** – up to three attempts within the time limit, and only where another one may help: the server was not reached, took too
 * long, or answered 408, 429, 500, 502, 503, 504, `temporarily_unavailable` or `server_error`. `Retry-After` is honoured: what does not fit in the time limit fails at once
 * with `Unavailable`, which says how long to wait. The client's proof is made anew for every attempt.
 *
 * A grant that can be spent only once is sent again only if it provably was not received (connection refused, name not found), or if the server says
 * that it did nothing (408, 429, 503; once also `use_dpop_nonce`). If the answer was lost the error is `Ambiguous`: the grant may be spent.
 *
 * Redirects are never followed, and answers over 1 MiB are refused. The span `TokenEndpoint.exchange` carries the provider's name, the grant's type and the number of
 * attempts, nothing else; the platform's own span is off, because it shows URLs and headers.
 *
 * @example
 * ```ts
 * import * as Grant from "effect-credentials/Grant"
 * import * as TokenEndpoint from "effect-credentials/TokenEndpoint"
 * import { Effect } from "effect"
 *
 * const endpoint = TokenEndpoint.make("MyProvider", { tokenEndpoint: "https://id.example.com/token", clientId: "me" })
 * const program = Effect.flatMap(TokenEndpoint.exchange(endpoint, Grant.clientCredentials()), (token) =>
 *   Effect.log(token.expiresAt))
 * console.log(Effect.isEffect(program))
 * // true
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc6749#section-5>
 * @category operations
 * @since 0.1.0
 */
export const exchange = (
  self: TokenEndpoint,
  grant: Grant,
  options?: {
    /** What was asked for, if it is not in the grant: a code stands for what the login asked. Default: the grant's scope. */
    readonly requestedScope?: ReadonlyArray<string> | undefined
  }
): Effect.Effect<Token, RefreshError, HttpClient.HttpClient> => {
  const param = (name: string) => {
    const value = grant.params.find((param) => param[0] === name)?.[1]
    return Redacted.isRedacted(value) ? undefined : value
  }
  // A refresh token that is not replaced stays in use (RFC 6749 §6).
  const spent = grant.params.find(
    (param): param is [string, Redacted.Redacted] => param[0] === "refresh_token" && Redacted.isRedacted(param[1])
  )?.[1]
  const requestedScope = options?.requestedScope ?? (param("scope") ?? "").split(" ").filter((scope) => scope !== "")
  const sent = send(self, "token_endpoint", TokenRequest.fromGrant(grant), grant.oneTime, (response) =>
    TokenResponse.decode({
      ...response,
      requestedScope,
      requestedTokenType: param("requested_token_type"),
      previousRefreshToken: Option.fromNullable(spent)
    })
  )
  const store: RefreshErrorReason = { _tag: "Store", description: "it may hold a newer refresh token than this one" }
  return FiberRef.getWith(Spending.withoutRefreshTokens, (isForbidden) =>
    isForbidden && spent !== undefined ? Effect.fail(refused(self, store)) : sent
  ).pipe(
    Effect.tap((token) => checkScope(self, requestedScope, token, spent !== undefined)),
    Effect.withSpan("TokenEndpoint.exchange", {
      attributes: { provider: self.provider, grant: grant.type },
      captureStackTrace: false
    })
  )
}

const checkScope = (
  { provider, settings: { reducedScope = "warn" } }: TokenEndpoint,
  requested: ReadonlyArray<string>,
  token: Token,
  isRefresh = false
): Effect.Effect<void, RefreshError> => {
  const missing = requested.filter((scope) => !token.scope.includes(scope))
  if (missing.length === 0 || reducedScope === "ignore") return Effect.void
  const description = `the server granted less than was asked for, missing: ${missing.join(" ")}`
  // An error here would throw away the refresh token that has just taken the place of the one spent.
  return reducedScope === "warn" || isRefresh
    ? Effect.logWarning(`${provider}: ${description}`)
    : Effect.fail(new RefreshError({ provider, reason: { _tag: "InvalidResponse", description } }))
}

/**
 * Leaves a login's parameters at the server before the browser opens (RFC 9126): nobody on the way sees or changes them, and the client proves who it is. Gives the address that
 * remains, for a browser to open once, and for how long the server remembers: a minute or so.
 *
 * **Details** – fails with `InvalidResponse` if the server has no endpoint for that, or none for logins. Tried again like {@link exchange}.
 *
 * @example
 * ```ts
 * import * as TokenEndpoint from "effect-credentials/TokenEndpoint"
 * import { Effect } from "effect"
 *
 * const endpoint = TokenEndpoint.make("MyProvider", { issuer: "https://id.example.com", clientId: "me" })
 * const url = "https://id.example.com/authorize?response_type=code&client_id=me"
 * const program = Effect.flatMap(TokenEndpoint.pushAuthorization(endpoint, url), (short) => Effect.log(short.url))
 * console.log(Effect.isEffect(program))
 * // true
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc9126#section-2>
 * @category operations
 * @since 0.1.0
 */
export const pushAuthorization = (
  self: TokenEndpoint,
  url: string
): Effect.Effect<
  { readonly url: string; readonly expiresIn: Duration.Duration },
  RefreshError,
  HttpClient.HttpClient
> =>
  Effect.gen(function* () {
    const metadata = yield* Effect.mapError(self.server.metadata, ({ reason }) => refused(self, reason))
    if (metadata.authorization_endpoint === undefined) {
      return yield* refused(self, {
        _tag: "InvalidResponse",
        description: "the server's metadata has no authorization_endpoint"
      })
    }
    const pushed = AuthorizationRequest.pushed(url, metadata.authorization_endpoint)
    return yield* send(
      { ...self, authentication: withClientId(self.authentication) },
      "pushed_authorization_request_endpoint",
      TokenRequest.make(pushed.params),
      false,
      (response) =>
        Either.mapBoth(AuthorizationRequest.decodePushed(response), {
          onLeft: (reason) => refused(self, reason),
          onRight: ({ expiresIn, requestUri }) => ({ url: pushed.url(requestUri), expiresIn })
        })
    )
  }).pipe(
    Effect.withSpan("TokenEndpoint.pushAuthorization", {
      attributes: { provider: self.provider },
      captureStackTrace: false
    })
  )

/** A login names its client, however that one proves itself (RFC 6749 §4.1.1). */
const withClientId = (
  authentication: ClientAuthentication.ClientAuthentication
): ClientAuthentication.ClientAuthentication => ({
  ...authentication,
  apply: (request, context) =>
    Effect.map(authentication.apply(request, context), (proven) =>
      proven.params.some(([name]) => name === "client_id")
        ? proven
        : TokenRequest.withParam(proven, "client_id", context.clientId)
    )
})

/**
 * Starts a login on a second device (RFC 8628 §3.1): the codes to show to a person and to poll with.
 *
 * **Details** – the target goes with this request, not with the polls. Fails with `InvalidResponse` if the server has no device authorization endpoint. Tried again
 * like {@link exchange}.
 *
 * @example
 * ```ts
 * import * as TokenEndpoint from "effect-credentials/TokenEndpoint"
 * import { Effect } from "effect"
 *
 * const endpoint = TokenEndpoint.make("MyProvider", { issuer: "https://id.example.com", clientId: "me" })
 * const program = Effect.flatMap(TokenEndpoint.authorizeDevice(endpoint, { scope: ["openid"] }), (codes) =>
 *   Effect.log(codes.verificationUri, codes.userCode))
 * console.log(Effect.isEffect(program))
 * // true
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8628#section-3.1>
 * @category operations
 * @since 0.1.0
 */
export const authorizeDevice = (
  self: TokenEndpoint,
  target?: Target
): Effect.Effect<DeviceFlow.DeviceAuthorization, RefreshError, HttpClient.HttpClient> =>
  send(self, "device_authorization_endpoint", DeviceFlow.request(target), false, (response) =>
    Either.mapLeft(DeviceFlow.decode(response), (reason) => refused(self, reason))
  ).pipe(
    Effect.withSpan("TokenEndpoint.authorizeDevice", {
      attributes: { provider: self.provider },
      captureStackTrace: false
    })
  )

/**
 * Asks once whether the person has approved (RFC 8628 §3.4): a token, or a failure that says to wait.
 *
 * **Details** – never tried again by itself: `DeviceFlow.next` says after every outcome when the next poll is due. A lost answer is `Transport` or `Timeout`, as the code
 * can be offered again.
 *
 * @example
 * ```ts
 * import * as TokenEndpoint from "effect-credentials/TokenEndpoint"
 * import { Effect, Redacted } from "effect"
 *
 * const endpoint = TokenEndpoint.make("MyProvider", { issuer: "https://id.example.com", clientId: "me" })
 * const program = TokenEndpoint.pollDevice(endpoint, Redacted.make("s3cret")).pipe(
 *   Effect.catchTag("Pending", () => Effect.log("not yet"))
 * )
 * console.log(Effect.isEffect(program))
 * // true
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8628#section-3.4>
 * @category operations
 * @since 0.1.0
 */
export const pollDevice = (
  self: TokenEndpoint,
  deviceCode: Redacted.Redacted,
  requestedScope: ReadonlyArray<string> = []
): Effect.Effect<Token, RefreshError | DeviceFlow.Waiting, HttpClient.HttpClient> =>
  send(
    { ...self, settings: { ...self.settings, retry: Schedule.stop } },
    "token_endpoint",
    TokenRequest.fromGrant(DeviceFlow.grant(deviceCode)),
    false,
    (response): Either.Either<Either.Either<Token, DeviceFlow.Waiting>, RefreshError> => {
      const waiting = DeviceFlow.waiting(response)
      return Option.isSome(waiting)
        ? Either.right(Either.left(waiting.value))
        : Either.map(TokenResponse.decode({ ...response, requestedScope }), (token) => Either.right(token))
    }
  ).pipe(
    // To wait is no failure of the request.
    Effect.withSpan("TokenEndpoint.pollDevice", { attributes: { provider: self.provider }, captureStackTrace: false }),
    Effect.flatten,
    // The code can be offered again, but not once it has brought the token.
    Spending.spending,
    Effect.tap((token) => checkScope(self, requestedScope, token))
  )

/**
 * A token for a login at a server that does not speak OAuth: what is sent and how the answer is read is the login's; everything else is as in {@link exchange}.
 *
 * **Details** – as JSON, if the endpoint's `body` says so. The span is `TokenEndpoint.login`.
 *
 * @example
 * ```ts
 * import * as ClientAuthentication from "effect-credentials/ClientAuthentication"
 * import * as TokenEndpoint from "effect-credentials/TokenEndpoint"
 * import { Effect, Redacted } from "effect"
 *
 * const options = ClientAuthentication.orAnonymous({ tokenEndpoint: "https://api.example.com/login", body: "json" as const })
 * const params = [["user", "ada"], ["pass", Redacted.make("s3cret")]] as const
 * const program = TokenEndpoint.login(TokenEndpoint.make("Mine", options), { params, shape: { accessToken: "jwt" }, oneTime: false })
 * console.log(Effect.isEffect(program))
 * // true
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const login = (
  self: TokenEndpoint,
  login: Login.Login
): Effect.Effect<Token, RefreshError, HttpClient.HttpClient> =>
  send(self, "token_endpoint", { ...TokenRequest.make(login.params), lists: login.lists }, login.oneTime, (response) =>
    Login.decode(login, response)
  ).pipe(Effect.withSpan("TokenEndpoint.login", { attributes: { provider: self.provider }, captureStackTrace: false }))

/**
 * Tells the server that a token is no longer needed (RFC 7009). A token that the server does not know counts as given back.
 *
 * **Details** – give the refresh token back if there is one: servers then drop its access tokens too. Fails with `RevocationError` if the server has no
 * revocation endpoint. Tried again like {@link exchange}.
 *
 * @example
 * ```ts
 * import * as TokenEndpoint from "effect-credentials/TokenEndpoint"
 * import { Effect, Redacted } from "effect"
 *
 * const endpoint = TokenEndpoint.make("MyProvider", { tokenEndpoint: "https://id.example.com/token", clientId: "me" })
 * const program = TokenEndpoint.revoke(endpoint, Redacted.make("s3cret"), "refresh_token")
 * console.log(Effect.isEffect(program))
 * // true
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc7009#section-2>
 * @category operations
 * @since 0.1.0
 */
export const revoke = (
  self: TokenEndpoint,
  token: Redacted.Redacted,
  hint: "access_token" | "refresh_token"
): Effect.Effect<void, RevocationError, HttpClient.HttpClient> =>
  send(
    self,
    "revocation_endpoint",
    TokenRequest.make([
      ["token", token],
      ["token_type_hint", hint]
    ]),
    false,
    (response) => (response.status < 300 ? Either.void : Either.left(refused(self, TokenResponse.failureOf(response))))
  ).pipe(
    Effect.mapError(({ provider, reason }) => new RevocationError({ provider, reason })),
    Effect.withSpan("TokenEndpoint.revoke", { attributes: { provider: self.provider }, captureStackTrace: false })
  )

/**
 * What a server says about a token (RFC 7662).
 *
 * @category models
 * @since 0.1.0
 */
export interface Introspection {
  /** Whether the token can be used now. */
  readonly active: boolean
  /** Everything that was said, `active` included: `scope`, `sub`, `exp` and more. Nothing of it for a token that is not active. */
  readonly members: Readonly<Record<string, unknown>>
}

/**
 * Asks the server about a token (RFC 7662): whether it can be used, and whose it is.
 *
 * **Details** – fails with `InvalidResponse` if the server has no introspection endpoint, or does not say whether the token is active. Tried again like
 * {@link exchange}.
 *
 * @example
 * ```ts
 * import * as TokenEndpoint from "effect-credentials/TokenEndpoint"
 * import { Effect, Redacted } from "effect"
 *
 * const endpoint = TokenEndpoint.make("MyProvider", { tokenEndpoint: "https://id.example.com/token", clientId: "me" })
 * const program = TokenEndpoint.introspect(endpoint, Redacted.make("s3cret"), "access_token")
 * console.log(Effect.isEffect(program))
 * // true
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc7662#section-2>
 * @category operations
 * @since 0.1.0
 */
export const introspect = (
  self: TokenEndpoint,
  token: Redacted.Redacted,
  hint: "access_token" | "refresh_token"
): Effect.Effect<Introspection, RefreshError, HttpClient.HttpClient> =>
  send(
    self,
    "introspection_endpoint",
    TokenRequest.make([
      ["token", token],
      ["token_type_hint", hint]
    ]),
    false,
    (response) =>
      Either.mapLeft(
        Either.flatMap(TokenResponse.members(response), (members): Either.Either<Introspection, RefreshErrorReason> =>
          typeof members["active"] === "boolean"
            ? Either.right({ active: members["active"], members })
            : Either.left({
                _tag: "InvalidResponse",
                description: "it does not say whether the token is active",
                status: response.status
              })
        ),
        (reason) => refused(self, reason)
      )
  ).pipe(
    Effect.withSpan("TokenEndpoint.introspect", { attributes: { provider: self.provider }, captureStackTrace: false })
  )

const refused = ({ provider }: TokenEndpoint, reason: RefreshErrorReason): RefreshError =>
  new RefreshError({ provider, reason })

// Attempts

/** An attempt that failed, and whether another one may help and does no harm. */
interface Failed {
  readonly error: RefreshError
  readonly again: boolean
}

type Decode<A> = (response: TokenResponse.TokenResponse) => Either.Either<A, RefreshError>

const twice: Schedule.Schedule<unknown, RefreshError> = /* @__PURE__ */ (() =>
  Schedule.exponential("500 millis").pipe(Schedule.jittered, Schedule.intersect(Schedule.recurs(2))))()

const send = <A>(
  self: TokenEndpoint,
  endpoint: Endpoint,
  request: TokenRequest.TokenRequest,
  oneTime: boolean,
  decode: Decode<A>
): Effect.Effect<A, RefreshError, HttpClient.HttpClient> =>
  Effect.clockWith((clock) => {
    const schedule = self.settings.retry ?? twice
    const limit = limits(self.settings)
    const since = Timing.instant(clock)
    const loop = (count: number, state: unknown): Effect.Effect<A, RefreshError, HttpClient.HttpClient> =>
      Effect.annotateCurrentSpan("attempts", count).pipe(
        Effect.zipRight(attempt(self, endpoint, request, oneTime, decode, limit.attempt)),
        Effect.catchAll(({ again, error }) =>
          Effect.gen(function* () {
            if (!again) return yield* error
            const now = yield* Clock.currentTimeMillis
            const [next, , decision] = yield* schedule.step(now, error, state)
            if (ScheduleDecision.isDone(decision)) return yield* error
            const planned = ScheduleIntervals.start(decision.intervals) - now
            const asked =
              error.reason._tag === "Unavailable" && error.reason.retryAfter !== undefined
                ? Duration.toMillis(error.reason.retryAfter)
                : 0
            const pause = Math.max(planned, asked, 0)
            if (Timing.elapsed(since, Timing.instant(clock)) + pause + limit.attempt > limit.all) return yield* error
            yield* Effect.sleep(pause)
            return yield* loop(count + 1, next)
          })
        )
      )
    return Effect.zipRight(Spending.exact(true), loop(1, schedule.initial))
  })

/** Answers after which another attempt may help, beside 4xx that say so. */
const worthRetrying: ReadonlySet<number> = new Set([500, 502, 504])

const attempt = <A>(
  self: TokenEndpoint,
  endpoint: Endpoint,
  request: TokenRequest.TokenRequest,
  oneTime: boolean,
  decode: Decode<A>,
  limit: number
): Effect.Effect<A, Failed, HttpClient.HttpClient> =>
  Effect.suspend(() => {
    const { authentication, clientId, provider, server, settings } = self
    let isSent = false
    let isTaught = false
    const failed = (reason: RefreshErrorReason, again: boolean): Failed => ({ error: refused(self, reason), again })
    // The rule for grants that can be spent only once: whatever may have been received is not sent again.
    const lost = (description: string, reason: RefreshErrorReason): Failed =>
      oneTime ? failed({ _tag: "Ambiguous", description }, false) : failed(reason, true)

    const unanswered = (failure: Http.Failure): Failed => {
      const { description } = failure
      switch (failure._tag) {
        case "NotSent":
          return failed({ _tag: "Transport", description }, !failure.isPermanent)
        case "Lost":
          return lost(description, { _tag: "Transport", description })
        case "Refused":
          return failed({ _tag: "InvalidResponse", description, status: failure.status }, false)
      }
    }

    const answered = ({ reason }: RefreshError): Failed => {
      if (reason._tag !== "Unavailable") return failed(reason, false)
      const { status } = reason
      // A bare 401 or 403 comes from something in between, and stays.
      if (status < 500) return failed(reason, status !== 401 && status !== 403)
      return status === 503
        ? failed(reason, true)
        : oneTime
          ? failed({ _tag: "Ambiguous", description: `status ${status}` }, false)
          : failed(reason, worthRetrying.has(status))
    }

    // RFC 9449 §5: only tokens are asked for with a proof.
    const proof = endpoint === "token_endpoint" ? settings.authorization?.proof : undefined
    const unsigned = (description: string): Failed => failed({ _tag: "Assertion", description }, false)

    const once: Effect.Effect<A, Failed, HttpClient.HttpClient> = Effect.gen(function* () {
      const metadata = yield* Effect.mapError(server.metadata, (error) => failed(error.reason, error.isRetryable))
      const aliases = authentication.isMutualTls === true ? metadata.mtls_endpoint_aliases : undefined
      const url = aliases?.[endpoint] ?? metadata[endpoint]
      if (url === undefined) {
        return yield* Effect.fail(
          failed({ _tag: "InvalidResponse", description: `the server's metadata has no ${endpoint}` }, false)
        )
      }
      const proven = yield* Effect.mapError(
        authentication.apply(request, {
          provider,
          clientId,
          tokenEndpoint: metadata.token_endpoint,
          issuer: server.issuer
        }),
        (error) => ({ error, again: error.isRetryable })
      )
      const { body, contentType, headers } = TokenRequest.encode(proven, settings.body ?? "form")
      const boundTo = proof === undefined ? undefined : yield* Effect.mapError(proof.thumbprint, unsigned)
      const signed =
        proof === undefined
          ? undefined
          : yield* Effect.mapError(proof.sign({ method: "POST", url, token: Option.none() }), unsigned)
      const requestedAt = yield* DateTime.now
      const receive = Effect.gen(function* () {
        isSent = true
        const answer = yield* Effect.mapError(
          Http.send({
            method: "POST",
            url,
            headers: { ...headers, ...signed?.headers },
            content: { type: contentType, body }
          }),
          unanswered
        )
        const isEchoed = (text: string) => TokenRequest.isEchoed(proven, text)
        const decoded = decode({ ...answer, provider, requestedAt, isEchoed, boundTo })
        const refusal = Option.getOrUndefined(Option.map(Either.getLeft(decoded), ({ reason }) => reason))
        // The server did nothing but tell how the proof should have been: not even a grant that can be spent once is spent.
        if (signed?.learn(answer, refusal?._tag === "Rejected" ? refusal.code : "") === true && !isTaught) {
          isTaught = true
          isSent = false
          return yield* once
        }
        return yield* Either.mapLeft(decoded, answered)
      })
      return yield* oneTime ? Spending.spending(receive) : receive
    })

    return once.pipe(
      Effect.timeoutFail({
        duration: limit,
        onTimeout: () => {
          const timeout: RefreshErrorReason = { _tag: "Timeout", after: Duration.millis(limit) }
          return isSent ? lost("no answer in time", timeout) : failed(timeout, true)
        }
      })
    )
  })
