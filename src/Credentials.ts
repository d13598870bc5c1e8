/**
 * A provider, running: its token is cached, renewed before it expires by one flight that everybody shares, and observable.
 *
 * You seldom call this yourself: every provider module has a `layer` that builds it, and
 * `AuthenticatedHttpClient` uses it. Reach for it to look at the token, to hear of renewals, to log out, or to give a provider of your own a layer.
 *
 * **Details** – three states decide everything. A `Fresh` token is returned at once. A `Stale` one (inside the early-renewal
 * window) is returned at once too, and one renewal starts behind it; should that fail, nobody notices while the token lives, and the next
 * try comes after a pause. With an `Expired` one, or none, callers wait for the one flight. The flight belongs to the layer, not to the caller that
 * started it: interrupting a caller never loses a rotated refresh token and never fails the others. A failure reaches
 * those who waited for it and is then forgotten, but for the pause before the next flight; after a login that was denied or cancelled that is two seconds. A
 * refresh token that was sent is never lost: neither the time limit nor the end of the layer cuts off the answer, for which they wait 15 seconds at most.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const credentials = yield* Credentials.Credentials
 *   const token = yield* credentials.token
 *   console.log(token.tokenType, String(token.accessToken))
 * })
 * Effect.runSync(program.pipe(Effect.provide(StaticToken.layer({ token: Redacted.make("s3cret") }))))
 * // bearer <redacted>
 * ```
 *
 * @module
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Authorization } from "./Authorization.ts"
import { InvalidOption, RefreshError, type RevocationError, type TokenStoreError } from "./CredentialsError.ts"
import { closeWith } from "./internal/emptyScope.ts"
import type { Looking } from "./internal/looking.ts"
import * as Provenance from "./internal/provenance.ts"
import * as Spending from "./internal/spending.ts"
import * as Text from "./internal/text.ts"
import * as Timing from "./internal/timing.ts"
import { isUnattended } from "./internal/unattended.ts"
import type { Backlog, Need, Provider, Unsaved } from "./Provider.ts"
import * as Status from "./Status.ts"
import * as Token from "./Token.ts"

/**
 * The identity of the {@link Credentials} called `Name`: nominal, so that no other service can take their place.
 *
 * @category models
 * @since 0.1.0
 */
export interface Id<in out Name extends string> {
  /** The name, for the type checker only. */
  readonly "~effect-credentials/Credentials": (name: Name) => Name
}

/**
 * What happened to credentials. `at` is the wall clock's time.
 *
 * | event | says |
 * | --- | --- |
 * | `Acquired` | a first token is held |
 * | `Renewed` | a token took the place of another |
 * | `AcquisitionFailed` | no first token was obtained |
 * | `RenewalFailed` | the token held could not be renewed; it is used as long as it lives |
 * | `Expired` | the token held was seen to have expired |
 * | `PersistFailed` | a token could not be stored; it is used from memory, and storing it is tried again until it succeeds |
 * | `Revoked` | the token was given back and forgotten |
 *
 * @category models
 * @since 0.1.0
 */
export type Event =
  | { readonly _tag: "Acquired" | "Renewed" | "Expired"; readonly at: DateTime.Utc; readonly token: Token.Token }
  | { readonly _tag: "AcquisitionFailed" | "RenewalFailed"; readonly at: DateTime.Utc; readonly error: RefreshError }
  | { readonly _tag: "PersistFailed"; readonly at: DateTime.Utc; readonly error: TokenStoreError }
  | { readonly _tag: "Revoked"; readonly at: DateTime.Utc }

/**
 * A provider, running.
 *
 * @category models
 * @since 0.1.0
 */
export interface Credentials {
  /** The provider's name: what errors, spans and metrics call these credentials. */
  readonly name: string
  /** How the token goes on a request. */
  readonly authorization: Authorization
  /** A token fit for use now. */
  readonly token: Effect.Effect<Token.Token, RefreshError>
  /** A token with at least this much life left. Fails with `InvalidResponse` if the server issues none that lasts so long. */
  readonly tokenValidFor: (duration: Duration.DurationInput) => Effect.Effect<Token.Token, RefreshError>
  /**
   * A token other than `seen`, which a server has refused: whichever replaced it meanwhile, or a new one. Fails with `TooSoon`
   * if the one before was refused moments ago as well, with `InvalidResponse` if the server issues the same one again.
   */
  readonly renew: (seen: Token.Token) => Effect.Effect<Token.Token, RefreshError>
  /** What is held now, whatever its state. Obtains nothing. */
  readonly current: Effect.Effect<Option.Option<Token.Token>>
  /** The token held, if any, then each that replaces it. Ends with the layer. A slow reader misses all but the latest 16. */
  readonly changes: Stream.Stream<Token.Token>
  /** What happens from now on. Ends with the layer. A slow reader misses all but the latest 256. */
  readonly events: Stream.Stream<Event>
  /**
   * Tells the server that the token is no longer needed, the stored one too, then forgets it everywhere, even if telling failed. Whoever asks for a token
   * meanwhile waits.
   */
  readonly revoke: Effect.Effect<void, RevocationError | TokenStoreError>
  /** Forgets the token, here and in the store, without telling the server. */
  readonly forget: Effect.Effect<void, TokenStoreError>
  /**
   * Renews what is due, without ever asking a person and without ever failing, and says for how long nothing will be due.
   * Running it again and again is the schedule: see {@link refreshes}.
   */
  readonly maintain: Effect.Effect<Duration.Duration>
  /** How they stand: whose token is held, until when, what went wrong last, when it goes on. Asks nobody. See the module `Status`. */
  readonly status: Effect.Effect<Status.Status>
}

/**
 * The default credentials of a program. For a second set see {@link Tag}.
 *
 * @category tags
 * @since 0.1.0
 */
export const Credentials: Context.Tag<Id<"default">, Credentials> = /* @__PURE__ */ Context.GenericTag(
  "effect-credentials/Credentials"
)

/**
 * The tag of credentials with a name of their own, for programs that talk to several APIs.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { Effect, Redacted } from "effect"
 *
 * const GitHub = Credentials.Tag("github")
 * const GitHubLive = StaticToken.layer({ token: Redacted.make("s3cret") }, { tag: GitHub })
 * const program = Effect.flatMap(GitHub, (github) => github.token)
 * console.log(Effect.runSync(program.pipe(Effect.provide(GitHubLive))).tokenType)
 * // bearer
 * ```
 *
 * @category tags
 * @since 0.1.0
 */
export const Tag = <const Name extends string>(name: Name): Context.Tag<Id<Name>, Credentials> =>
  Context.GenericTag(`effect-credentials/Credentials/${name}`)

/**
 * How credentials are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How long before its expiry a token is renewed; never more than a fifth of its life. Default: 1 minute. */
  readonly renewAhead?: Duration.DurationInput | undefined
  /** How long a token is used whose expiry is unknown. Default: until a server answers 401. */
  readonly defaultLifetime?: Duration.DurationInput | undefined
}

/**
 * How a layer keeps credentials, and under which tag it provides them.
 *
 * @category models
 * @since 0.1.0
 */
export interface LayerOptions<Name extends string = "default"> extends Options {
  /** The tag that a layer provides. Default: {@link Credentials}. */
  readonly tag?: Context.Tag<Id<Name>, Credentials> | undefined
  /**
   * Whether the token is obtained at once and renewed on schedule for as long as the layer lives, whether anybody asks or not: for servers, where no request is to wait for a
   * token. For short scripts on demand makes fewer requests. Default: false, on demand.
   */
  readonly scheduled?: boolean | undefined
}

const issued = /* @__PURE__ */ Metric.counter("effect_credentials_tokens_issued", {
  description: "Tokens obtained, first ones and renewals",
  incremental: true
})
const failed = /* @__PURE__ */ Metric.counter("effect_credentials_renewals_failed", {
  description: "Flights that brought no token",
  incremental: true
})
const waited = /* @__PURE__ */ Metric.histogram(
  "effect_credentials_wait_seconds",
  /* @__PURE__ */ MetricBoundaries.fromIterable([0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]),
  "How long a flight took, which is how long its first caller waited"
)

const moment = (now: Timing.Instant): DateTime.Utc => DateTime.unsafeMake(now.wall)

/** What is special about a token: it came in place of one that was refused, it was asked to last for some time, or it expired on its way. */
type Special = "replacement" | "wished" | "late"

/**
 * A token and what was decided about it in the moment when it came; durations in milliseconds from then. Whole ones, where it can be: a small integer takes no
 * memory of its own, and there may be 100,000.
 */
class Held implements Timing.Instant {
  readonly token: Token.Token
  readonly wall: number
  /** How far the monotonic clock was ahead of the wall clock. */
  readonly #lead: number
  readonly expiresIn: number
  readonly dueIn: number
  readonly special: Special | undefined

  constructor(
    token: Token.Token,
    { mono, wall }: Timing.Instant,
    expiresIn: number,
    dueIn: number,
    special: Special | undefined
  ) {
    this.token = token
    this.wall = wall
    this.#lead = Math.round(mono - wall)
    this.expiresIn = expiresIn
    this.dueIn = Math.ceil(dueIn)
    this.special = special
  }
  get mono(): number {
    return this.wall + this.#lead
  }
}

/** The fast path, for whoever asks again and again: while the wall clock is in between, the token held is right without a further look. */
class Door {
  from = Infinity
  until = -Infinity
  exit: Exit.Exit<Token.Token> | undefined = undefined
  readonly token: Effect.Effect<Token.Token, RefreshError>

  constructor(credentials: Running<any>) {
    // What `Effect.clockWith` does, in one closure and not in three.
    this.token = Effect.withFiberRuntime((fiber) => {
      const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
      const now = clock.unsafeCurrentTimeMillis()
      return now < this.until && now >= this.from ? this.exit! : credentials.look(clock, this)
    })
  }

  shut(): void {
    this.until = -Infinity
    this.exit = undefined
  }
}

/** One request for a token, shared by everybody who waits. */
interface Flight {
  readonly landing: Deferred.Deferred<Token.Token, RefreshError>
  /** What those wait with who take any token: one effect for all of them, so that a stampede keeps little per caller. */
  readonly arrival: Effect.Effect<Token.Token, RefreshError>
  generation: number
  need: Need & { readonly backlog: Backlog }
  /** Whether the provider was asked. */
  hasBegun: boolean
  readonly refused: Token.Token | undefined
  fiber: Fiber.RuntimeFiber<void> | undefined
}

/** What a caller who waits will take. */
interface Want {
  readonly validFor: number
  readonly not: Token.Token | undefined
}

const anything: Want = { validFor: 0, not: undefined }

const isOver: RefreshError["reason"] = { _tag: "Source", description: "the layer of these credentials is closed" }

/** What may be lost gets this long when a layer closes, in real time whatever the program's clock is. */
const closingTime = /* @__PURE__ */ Duration.seconds(5)

const liveClock = /* @__PURE__ */ Clock.make()

/** What all that one maker makes have in common. Durations in milliseconds. */
interface Common<R> {
  readonly ahead: number
  readonly defaultLifetime: number
  readonly runtime: Runtime.Runtime<R>
}

/** What is so with few credentials at a time. */
interface Circumstances {
  readonly flight: Flight | undefined
  readonly failure: (Timing.Failure & { readonly error: RefreshError }) | undefined
  /** How often what was held has been forgotten. */
  readonly generation: number
  readonly forgottenAt: number
  /** Open while what is held is being forgotten, by somebody who takes his time. */
  readonly leaving: Deferred.Deferred<void> | undefined
  /** What the store has not taken, and who tries again. */
  readonly backlog: Backlog | undefined
  readonly saving: Fiber.RuntimeFiber<void> | undefined
  readonly toldUnsaved: Unsaved | undefined
  /** Whether the token held was said to have expired. */
  readonly toldExpired: boolean
  readonly closed: boolean
  readonly subscribers: Map<Queue.Enqueue<Option.Option<any>>, (event: Event) => void> | undefined
}

/** The same for all with which nothing is the matter. */
const usual: Circumstances = {
  flight: undefined,
  failure: undefined,
  generation: 0,
  forgottenAt: -Infinity,
  leaving: undefined,
  backlog: undefined,
  saving: undefined,
  toldUnsaved: undefined,
  toldExpired: false,
  closed: false,
  subscribers: undefined
}

const isUsual = (state: Circumstances): boolean =>
  (Object.keys(usual) as ReadonlyArray<keyof Circumstances>).every((name) => state[name] === usual[name])

/** Whether a token holds a refresh token that is nowhere else. Any other token can be had again. */
const isLosable = ({ replaces, token }: Unsaved): boolean =>
  Option.isSome(token.refreshToken) &&
  !Option.exists(replaces ?? Option.none<Token.Token>(), (before) =>
    Equal.equals(before.refreshToken, token.refreshToken)
  )

/** Whether there is anything to remember in it. */
const isEmpty = (backlog: Backlog): boolean => backlog.unsaved === undefined && backlog.warned === undefined

/** A provider, running: what is known, and all that is done about it. Methods and few members, as a process may hold it for 100,000 tenants. */
class Running<R> extends Inspectable.Class implements Credentials, Looking<Token.Token, RefreshError> {
  #held: Held | undefined = undefined
  #door: Door | undefined = undefined
  /** To be changed with {@link set}. */
  #state: Circumstances = usual
  readonly #provider: Provider<R>
  readonly #common: Common<R>
  readonly #scope: Scope.Scope

  constructor(provider: Provider<R>, common: Common<R>, scope: Scope.Scope) {
    super()
    this.#provider = provider
    this.#common = common
    this.#scope = scope
  }

  set(change: Partial<Circumstances>): void {
    const next = { ...this.#state, ...change }
    this.#state = isUsual(next) ? usual : next
  }

  tell(event: Event): void {
    this.#state.subscribers?.forEach((listener) => listener(event))
  }

  refuse(reason: RefreshError["reason"]): RefreshError {
    return new RefreshError({ provider: this.#provider.name, reason })
  }

  measured<In, Out>(metric: Metric.Metric<any, In, Out>, value: In): Effect.Effect<void> {
    return Metric.update(Metric.tagged(metric, "provider", this.#provider.name), value)
  }

  // A token issued without any life is what the server wants to be used, until it may be asked again.
  isUsable(now: Timing.Instant): boolean {
    return (
      this.#held !== undefined &&
      Timing.elapsed(this.#held, now) < (this.#held.expiresIn > 0 ? this.#held.expiresIn : this.spacing(this.#held))
    )
  }

  /** The early-renewal window of a token. */
  window({ token }: Held): number {
    return Timing.renewalWindow(this.lifetime(token), this.#common.ahead)
  }

  /** The least time between a token and the next. */
  spacing({ expiresIn, special }: Held): number {
    return special === "late" ? 0 : Timing.spacing(expiresIn)
  }

  /** Milliseconds until a renewal in the background is due: 0 is now, infinity is not before something else happens. */
  due(now: Timing.Instant): number {
    const { closed, failure, leaving } = this.#state
    if (this.#state.flight !== undefined || leaving !== undefined || closed) return Infinity
    const planned = this.#held === undefined ? 0 : this.#held.dueIn - Timing.elapsed(this.#held, now)
    const paused =
      failure === undefined
        ? 0
        : Timing.pause(failure, this.isUsable(now) ? this.window(this.#held!) : undefined) -
          Timing.elapsed(failure.at, now)
    return Math.max(planned, paused, 0)
  }

  /** How long a token lives in all. */
  lifetime(token: Token.Token): number {
    return Option.match(token.expiresAt, {
      onNone: () => this.#common.defaultLifetime,
      onSome: (expiresAt) => DateTime.distance(token.issuedAt, expiresAt)
    })
  }

  /** How long a token lives from now on, in milliseconds. */
  lifeOf(token: Token.Token, now: Timing.Instant): number {
    return Option.match(token.expiresAt, {
      onNone: () =>
        this.#common.defaultLifetime === Infinity
          ? Infinity
          : Math.min(this.#common.defaultLifetime, Timing.maxLifetime),
      onSome: (expiresAt) =>
        Timing.lifeLeft(DateTime.toEpochMillis(token.issuedAt), DateTime.toEpochMillis(expiresAt), now.wall)
    })
  }

  holding(token: Token.Token, now: Timing.Instant, jitter: number, mine: Flight | undefined): Held {
    const expiresIn = this.lifeOf(token, now)
    const lead = Timing.renewalLead(this.lifetime(token), this.#common.ahead, jitter)
    const dueIn = expiresIn === Infinity ? Infinity : Math.max(Timing.spacing(expiresIn), expiresIn - lead)
    const special =
      mine?.refused !== undefined
        ? "replacement"
        : mine !== undefined && Duration.greaterThan(mine.need.validFor, Duration.zero)
          ? "wished"
          : undefined
    return new Held(token, now, expiresIn, dueIn, special)
  }

  adopt(token: Token.Token, now: Timing.Instant, jitter: number, mine: Flight | undefined) {
    const before = this.#held
    this.#held = this.holding(token, now, jitter, mine)
    this.#door?.shut()
    if (this.#state !== usual) this.set({ failure: undefined, toldExpired: false })
    // What this flight stored may have come back through the store before the flight itself.
    if (
      before === undefined ||
      !Token.isSame(before.token, token) ||
      !Equal.equals(before.token.issuedAt, token.issuedAt)
    ) {
      this.tell({ _tag: before === undefined ? "Acquired" : "Renewed", at: moment(now), token })
    }
  }

  drop() {
    for (const backlog of [this.#state.backlog, this.#state.flight?.need.backlog]) {
      if (backlog !== undefined) backlog.unsaved = undefined
    }
    this.#held = undefined
    this.#door?.shut()
    this.set({ generation: this.#state.generation + 1, backlog: undefined, failure: undefined })
  }

  acquire(need: Need): Effect.Effect<Token.Token, RefreshError, R> {
    return Effect.suspend(() => Scope.extend(this.#provider.acquire(need), this.#scope)).pipe(
      Effect.filterOrFail(Token.isSendable, () =>
        this.refuse({
          _tag: "InvalidResponse",
          description:
            "the access token is empty, too long, or has a space, a line break or another character that no header takes"
        })
      ),
      // The flight is nobody's child: it must not look like a part of whichever caller happened to come first.
      Effect.withSpan("Credentials.acquire", { root: true, attributes: { provider: this.#provider.name } }),
      (effect) =>
        Spending.unbroken(effect, {
          restore: Effect.interruptible,
          timeLimit: {
            after: this.#provider.timeLimit,
            onTimeout: () => this.refuse({ _tag: "Timeout", after: this.#provider.timeLimit })
          },
          grace: Option.exists(need.previous, ({ refreshToken }) => Option.isSome(refreshToken))
            ? closingTime
            : Duration.zero
        })
    )
  }

  /** What to remember of a failure. Nothing of an interruption: the layer is closing. */
  reasonOf(exit: Exit.Failure<Token.Token, RefreshError>): RefreshError | undefined {
    return (
      Option.getOrUndefined(Cause.failureOption(exit.cause)) ??
      (Cause.isInterruptedOnly(exit.cause)
        ? undefined
        : this.refuse({
            _tag: "Source",
            description: `the provider failed unexpectedly (${Text.kindOf(Cause.squash(exit.cause))})`
          }))
    )
  }

  /** What those are told who wait for a flight that ended with the layer: they were not interrupted, and an interruption cannot be caught. */
  ended(exit: Exit.Exit<Token.Token, RefreshError>): Exit.Exit<Token.Token, RefreshError> {
    return this.#state.closed && Exit.isInterrupted(exit) ? Exit.fail(this.refuse(isOver)) : exit
  }

  land(
    mine: Flight,
    exit: Exit.Exit<Token.Token, RefreshError>,
    now: Timing.Instant,
    jitter: number
  ): Effect.Effect<void> {
    this.set({ flight: undefined })
    if (mine.generation !== this.#state.generation) {
      // Forgotten meanwhile: those who asked before may have it, but nobody after them.
      Deferred.unsafeDone(mine.landing, this.ended(exit))
      return Effect.void
    }
    const backlog = isEmpty(mine.need.backlog) ? undefined : mine.need.backlog
    if (backlog !== this.#state.backlog) this.set({ backlog })
    const outcome = Exit.flatMap(exit, (token): Exit.Exit<Token.Token, RefreshError> =>
      Option.exists(mine.need.previous, (previous) => Token.isSame(previous, token)) &&
      Option.exists(token.expiresAt, (expiresAt) => DateTime.toEpochMillis(expiresAt) <= now.wall)
        ? Exit.fail(this.refuse({ _tag: "InvalidResponse", description: "the same expired token was issued again" }))
        : exit
    )
    if (Exit.isSuccess(outcome)) {
      this.adopt(outcome.value, now, jitter, mine)
      Deferred.unsafeDone(mine.landing, outcome)
      return Effect.zipRight(this.measured(issued, 1), Effect.logDebug("token obtained"))
    }
    const error = this.reasonOf(outcome)
    if (error === undefined) {
      Deferred.unsafeDone(mine.landing, this.ended(outcome))
      return this.measured(failed, 1)
    }
    const { reason } = error
    const failure = {
      error,
      at: now,
      count: (this.#state.failure?.count ?? 0) + 1,
      isRetryable: error.isRetryable || Cause.isDie(outcome.cause),
      retryAfter:
        reason._tag === "Interaction" && (reason.kind === "Denied" || reason.kind === "Cancelled")
          ? Timing.afterDenial
          : "retryAfter" in reason && reason.retryAfter !== undefined
            ? Duration.toMillis(reason.retryAfter)
            : undefined,
      jitter
    }
    this.set({ failure })
    this.#door?.shut()
    Deferred.unsafeDone(mine.landing, outcome)
    this.tell({ _tag: this.#held === undefined ? "AcquisitionFailed" : "RenewalFailed", at: moment(now), error })
    const log = reason._tag === "Interaction" && reason.kind === "Forbidden" ? Effect.logDebug : Effect.logWarning
    return Effect.zipRight(this.measured(failed, 1), log(error.message))
  }

  /**
   * Whether the token expired on its way, because the machine slept: nothing else takes longer than the provider may. Then it is kept for what renews it,
   * and nobody is given it: the flight goes on.
   */
  isLate(mine: Flight, token: Token.Token, boarded: Timing.Instant, now: Timing.Instant): boolean {
    const isOver = Option.exists(
      Option.map(token.expiresAt, DateTime.toEpochMillis),
      (expiresAt) => expiresAt > boarded.wall && expiresAt <= now.wall
    )
    const slept = Timing.elapsed(boarded, now) > Duration.toMillis(this.#provider.timeLimit)
    if (!isOver || !slept || mine.generation !== this.#state.generation) return false
    this.#held = new Held(token, now, this.lifeOf(token, now), 0, "late")
    this.#door?.shut()
    if (this.#state.failure !== undefined) this.set({ failure: undefined })
    mine.need = { ...mine.need, previous: Option.some(token) }
    return true
  }

  /** Asks the provider, again if the answer is late: as often as the machine sleeps. */
  inTime(mine: Flight, clock: Clock.Clock): Effect.Effect<Token.Token, RefreshError, R> {
    return Effect.suspend(() => {
      const boarded = Timing.instant(clock)
      return Effect.flatMap(this.acquire(mine.need), (token) =>
        this.isLate(mine, token, boarded, Timing.instant(clock)) ? this.inTime(mine, clock) : Effect.succeed(token)
      )
    })
  }

  fly(mine: Flight, delay: number): Effect.Effect<void, never, R> {
    return Effect.clockWith((clock) => {
      const begin = Timing.instant(clock)
      const wait = delay > 0 ? Effect.interruptible(Effect.sleep(Duration.millis(delay))) : Effect.void
      return Effect.zipRight(wait, this.board(mine)).pipe(
        Effect.zipRight(this.inTime(mine, clock)),
        Effect.exit,
        Effect.zip(Random.next),
        Effect.flatMap(([exit, jitter]) => {
          const now = Timing.instant(clock)
          return Effect.zipRight(
            this.land(mine, exit, now, jitter),
            this.measured(waited, Timing.elapsed(begin, now) / 1000)
          )
        }),
        Effect.zipRight(this.keep())
      )
    }).pipe(Effect.annotateLogs("provider", this.#provider.name))
  }

  /** The last moment before the provider is asked: what was forgotten until now is not spent. */
  board(mine: Flight): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { backlog = {}, generation, leaving } = this.#state
      if (leaving !== undefined) return Effect.zipRight(Effect.interruptible(Deferred.await(leaving)), this.board(mine))
      if (mine.generation !== generation) {
        mine.generation = generation
        mine.need = { ...mine.need, previous: Option.none(), backlog }
      }
      mine.hasBegun = true
      return Effect.void
    })
  }

  /** Tells once of a token that could not be stored, and sees to it that it will be. */
  keep(): Effect.Effect<void> {
    return Effect.clockWith((clock) => {
      const unsaved = this.#state.backlog?.unsaved
      if (unsaved === undefined || unsaved === this.#state.toldUnsaved) return Effect.void
      this.set({ toldUnsaved: unsaved })
      this.tell({ _tag: "PersistFailed", at: moment(Timing.instant(clock)), error: unsaved.error })
      if (this.#state.saving === undefined && !this.#state.closed)
        this.set({ saving: Runtime.runFork(this.#common.runtime, Effect.interruptible(this.save(1))) })
      return this.complain(unsaved, unsaved.error)
    })
  }

  /** Says why a token is not stored, again only if the reason has changed. */
  complain(unsaved: Unsaved, error: TokenStoreError): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { backlog } = this.#state
      if (backlog === undefined || backlog.warned === error.reason)
        return Effect.logDebug("the token could not be stored again")
      backlog.warned = error.reason
      const log = isLosable(unsaved) ? Effect.logError : Effect.logWarning
      return log(`${error.message}; the token is used from memory, and storing it is tried again until it succeeds`)
    })
  }

  save(count: number): Effect.Effect<void> {
    return Random.next.pipe(
      Effect.flatMap((jitter) => Effect.sleep(Duration.millis(Timing.savePause(count, jitter)))),
      Effect.zipRight(this.saveOnce()),
      Effect.matchCauseEffect({
        onFailure: (cause) => {
          const unsaved = this.#state.backlog?.unsaved
          const error = Option.getOrElse(Cause.failureOption(cause), () => unsaved?.error)
          const complaint = unsaved === undefined || error === undefined ? Effect.void : this.complain(unsaved, error)
          return Effect.zipRight(complaint, this.save(count + 1))
        },
        onSuccess: () =>
          Effect.suspend(() => {
            if (this.#state.backlog?.unsaved !== undefined) return this.save(1)
            this.set({ saving: undefined })
            return Effect.void
          })
      }),
      Effect.annotateLogs("provider", this.#provider.name)
    )
  }

  /** Stores what is not stored yet. */
  saveOnce(): Effect.Effect<void, TokenStoreError> {
    return Effect.suspend(() => {
      const shelf = this.#state.backlog
      const unsaved = shelf?.unsaved
      return shelf === undefined || unsaved === undefined
        ? Effect.void
        : Effect.map(unsaved.save, () => {
            shelf.warned = undefined
            if (shelf.unsaved === unsaved) shelf.unsaved = undefined
          })
    })
  }

  // Synchronous from the look at `flight` to the assignment: nobody can come in between.
  launch(need: Pick<Need, "interaction"> & { readonly validFor?: number }, delay = 0, refused?: Token.Token): Flight {
    const landing = Deferred.unsafeMake<Token.Token, RefreshError>(FiberId.none)
    const mine: Flight = {
      landing,
      arrival: this.arrivalOf(landing, need.interaction, anything),
      generation: this.#state.generation,
      need: {
        previous: Option.map(Option.fromNullable(this.#held), ({ token }) => token),
        validFor: Duration.millis(need.validFor ?? 0),
        interaction: need.interaction,
        backlog: this.#state.backlog ?? {}
      },
      hasBegun: false,
      refused,
      fiber: undefined
    }
    this.set({ flight: mine })
    mine.fiber = Runtime.runFork(this.#common.runtime, this.fly(mine, delay), { immediate: false })
    return mine
  }

  shortfall(want: Want, token: Token.Token, now: Timing.Instant): RefreshError | undefined {
    if (want.not !== undefined && Token.isSame(token, want.not)) {
      return this.refuse({ _tag: "InvalidResponse", description: "the token that was refused was issued again" })
    }
    const left =
      this.#held?.token === token ? this.#held.expiresIn - Timing.elapsed(this.#held, now) : this.lifeOf(token, now)
    return want.validFor > 0 && left < want.validFor
      ? this.refuse({
          _tag: "InvalidResponse",
          description: `a token that lasts ${Duration.format(Duration.millis(want.validFor))} was asked for, the server issues less`
        })
      : undefined
  }

  /** How long a caller has to wait before a flight of his own may start, or why he cannot have one. */
  clearance(want: Want, now: Timing.Instant): number | RefreshError {
    const { failure } = this.#state
    const onlyBackground = failure?.error.reason._tag === "Interaction" && failure.error.reason.kind === "Forbidden"
    if (failure !== undefined && !onlyBackground) {
      const left = Timing.pause(failure, undefined) - Timing.elapsed(failure.at, now)
      if (left > 0) return failure.isRetryable && left <= Timing.patience ? left : failure.error
    }
    // One renewal may come before its time, for a caller who needs another token than the one held; a second has to wait.
    if (
      this.#held !== undefined &&
      (this.#held.special === "replacement" || (this.#held.special === "wished" && want.validFor > 0)) &&
      want !== anything
    ) {
      const left = this.spacing(this.#held) - Timing.elapsed(this.#held, now)
      if (left > 0) {
        return want.not !== undefined
          ? this.refuse({ _tag: "TooSoon", retryAfter: Duration.millis(left) })
          : (this.shortfall(want, this.#held.token, now) ?? 0)
      }
    }
    return 0
  }

  /** The token that a flight brings, or what {@link again} finds if that is not what is wanted. */
  arrivalOf(
    landing: Flight["landing"],
    interaction: Need["interaction"],
    want: Want
  ): Effect.Effect<Token.Token, RefreshError> {
    return Effect.matchCauseEffect(Deferred.await(landing), {
      onFailure: (cause) =>
        interaction === "forbidden" &&
        Option.exists(Cause.failureOption(cause), ({ reason }) => reason._tag === "Interaction")
          ? this.whenDone(want)
          : Effect.failCause(cause),
      onSuccess: (token) =>
        want === anything
          ? Effect.succeed(token)
          : Effect.clockWith((clock) =>
              this.shortfall(want, token, Timing.instant(clock)) === undefined
                ? Effect.succeed(token)
                : this.again(want, clock)
            )
    })
  }

  /**
   * Waits for a flight: the one in the air, or a new one. Called in one step with the look at what is held: were it an effect of
   * its own, a flight could land in between, and a second one would start.
   */
  obtain(want: Want, clock: Clock.Clock): Effect.Effect<Token.Token, RefreshError> {
    const { closed, generation, leaving } = this.#state
    if (closed) return Effect.fail(this.refuse(isOver))
    if (leaving !== undefined) return Effect.zipRight(Deferred.await(leaving), this.whenDone(want))
    const joined = this.#state.flight
    if (joined !== undefined) {
      if (joined.hasBegun && joined.generation !== generation) {
        return Effect.zipRight(Effect.exit(Deferred.await(joined.landing)), this.whenDone(want))
      }
      return want === anything ? joined.arrival : this.arrivalOf(joined.landing, joined.need.interaction, want)
    }
    const clear = this.clearance(want, Timing.instant(clock))
    if (typeof clear !== "number") return Effect.fail(clear)
    const { landing } = this.launch({ interaction: "allowed", validFor: want.validFor }, clear, want.not)
    return Effect.flatMap(Deferred.await(landing), (token) => {
      const error = this.shortfall(want, token, Timing.instant(clock))
      return error === undefined ? Effect.succeed(token) : Effect.fail(error)
    })
  }

  /** What is held, if it is what is wanted by now; otherwise waits for a flight. */
  again(want: Want, clock: Clock.Clock): Effect.Effect<Token.Token, RefreshError> {
    const now = Timing.instant(clock)
    return this.#held !== undefined && this.isUsable(now) && this.shortfall(want, this.#held.token, now) === undefined
      ? this.look(clock)
      : this.obtain(want, clock)
  }

  whenDone(want: Want): Effect.Effect<Token.Token, RefreshError> {
    return Effect.clockWith((clock) => this.again(want, clock))
  }

  /** Everything but the fast path: both clocks are compared, what is due is started, and a door is told how long it may stay open. */
  look(clock: Clock.Clock, door?: Door): Effect.Effect<Token.Token, RefreshError> {
    if (this.#held === undefined) return this.obtain(anything, clock)
    const now = Timing.instant(clock)
    const age = Timing.elapsed(this.#held, now)
    const exit = Exit.succeed(this.#held.token)
    if (age >= this.#held.expiresIn) {
      this.#door?.shut()
      if (!this.#state.toldExpired) {
        this.set({ toldExpired: true })
        this.tell({ _tag: "Expired", at: moment(now), token: this.#held.token })
      }
      return this.isUsable(now) ? exit : this.obtain(anything, clock)
    }
    if (this.due(now) <= 0) this.launch({ interaction: "forbidden" })
    if (door !== undefined) {
      door.from = now.wall
      door.until = now.wall + Math.min(Timing.recheckEvery, this.#held.expiresIn - age, this.due(now))
      door.exit = exit
    }
    return exit
  }

  /** A stream for one reader, until the layer closes: what `offer` is called with, the latest `capacity` of it. */
  subscribe<A>(capacity: number, listen: (offer: (value: A) => void) => (event: Event) => void): Stream.Stream<A> {
    return Stream.unwrapScoped(
      Effect.map(
        Effect.acquireRelease(
          // One step from the look at what is held to the subscription: nothing can happen in between.
          Effect.map(Queue.sliding<Option.Option<A>>(capacity), (queue) => {
            const listener = listen((value) => queue.unsafeOffer(Option.some(value)))
            const { closed, subscribers = new Map() } = this.#state
            if (closed) queue.unsafeOffer(Option.none())
            else this.set({ subscribers: subscribers.set(queue, listener) })
            return queue
          }),
          (queue) =>
            Effect.zipRight(
              Effect.sync(() => {
                this.#state.subscribers?.delete(queue)
                if (this.#state.subscribers?.size === 0) this.set({ subscribers: undefined })
              }),
              Queue.shutdown(queue)
            )
        ),
        (queue) =>
          Stream.fromQueue(queue, { maxChunkSize: 1 }).pipe(
            Stream.takeWhile(Option.isSome),
            Stream.map(({ value }) => value)
          )
      )
    )
  }

  get changes(): Credentials["changes"] {
    return this.subscribe<Token.Token>(16, (offer) => {
      if (this.#held !== undefined) offer(this.#held.token)
      return (event) => {
        if (event._tag === "Acquired" || event._tag === "Renewed") offer(event.token)
      }
    })
  }

  get maintain(): Credentials["maintain"] {
    return Effect.clockWith((clock) => {
      const next = () => Duration.millis(Math.min(this.due(Timing.instant(clock)), Timing.maxLifetime))
      if (this.#state.closed) return Effect.succeed(Duration.infinity)
      const running =
        this.#state.flight ??
        (this.due(Timing.instant(clock)) <= 0 ? this.launch({ interaction: "forbidden" }) : undefined)
      return running === undefined ? Effect.sync(next) : Effect.map(Effect.exit(Deferred.await(running.landing)), next)
    })
  }

  statusAt(now: Timing.Instant): Status.Status {
    const token = Option.map(Option.fromNullable(this.#held), ({ token }) => token)
    const left = this.#held === undefined ? 0 : this.#held.expiresIn - Timing.elapsed(this.#held, now)
    const rest = this.due(now)
    return {
      provider: this.#provider.name,
      at: moment(now),
      freshness:
        this.#held === undefined
          ? "None"
          : !this.isUsable(now)
            ? "Expired"
            : left <= this.window(this.#held)
              ? "Stale"
              : "Fresh",
      who: Option.flatMap(token, Status.who),
      scope: Option.match(token, { onNone: () => [], onSome: ({ scope }) => scope }),
      expiresAt: Option.flatMap(token, ({ expiresAt }) => expiresAt),
      lastError: Option.map(Option.fromNullable(this.#state.failure), (failure) => ({
        at: moment(failure.at),
        error: failure.error
      })),
      isRenewing: this.#state.flight !== undefined,
      nextTry: rest < Timing.maxLifetime ? Option.some(DateTime.addDuration(moment(now), rest)) : Option.none()
    }
  }

  /** Forgets here at once; whoever asks before the rest is done waits, or he would find elsewhere what is about to be forgotten. */
  leave<A, E>(
    rest: (restore: <B, F>(self: Effect.Effect<B, F>) => Effect.Effect<B, F>) => Effect.Effect<A, E>
  ): Effect.Effect<A, E> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.clockWith((clock) => {
        const mine = Deferred.unsafeMake<void>(FiberId.none)
        this.set({ leaving: mine })
        const done = Effect.sync(() => {
          this.set({ forgottenAt: Timing.instant(clock).wall })
          if (this.#state.leaving === mine) this.set({ leaving: undefined })
          Deferred.unsafeDone(mine, Exit.void)
        })
        const following = rest(restore)
        this.drop()
        return Effect.ensuring(following, done)
      })
    )
  }

  /** With what the credentials were made with. */
  around<A, E>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E> {
    return Effect.provide(Scope.extend(effect, this.#scope), this.#common.runtime.context)
  }

  get forget(): Credentials["forget"] {
    return this.leave((restore) => restore(this.around(this.#provider.forget)))
  }

  get revoke(): Credentials["revoke"] {
    return this.leave((restore) => {
      const was = Option.map(Option.fromNullable(this.#held), ({ token }) => token)
      const inTheAir = this.#state.flight?.hasBegun === true ? this.#state.flight : undefined
      const late =
        inTheAir === undefined
          ? Effect.succeed(Option.none<Token.Token>())
          : Effect.map(
              Effect.exit(restore(Deferred.await(inTheAir.landing))),
              Exit.match({ onFailure: () => Option.none<Token.Token>(), onSuccess: Option.some })
            )
      return late.pipe(
        Effect.flatMap((late) => {
          const tokens = [...Option.toArray(late), ...Option.toArray(was)]
          return Effect.exit(restore(this.around(Effect.suspend(() => this.#provider.revoke(tokens)))))
        }),
        Effect.tap((exit) => (Exit.isInterrupted(exit) ? this.around(this.#provider.forget) : Effect.void)),
        Effect.tap(() =>
          Effect.clockWith((clock) =>
            Effect.sync(() => this.tell({ _tag: "Revoked", at: moment(Timing.instant(clock)) }))
          )
        ),
        Effect.flatten
      )
    })
  }

  /** Takes what others obtained, until the layer closes. */
  follow(): Effect.Effect<void> {
    return this.around(
      Stream.runForEach(this.#provider.updates, (token) =>
        Effect.zipWith(Random.next, Effect.clock, (jitter, clock) => {
          const now = Timing.instant(clock)
          const isNewer =
            this.#held === undefined ||
            // One of another provider takes nobody's place: who is asked next is for a renewal to decide.
            (Provenance.isSame(this.#held.token, token) &&
              !Token.isSame(this.#held.token, token) &&
              DateTime.greaterThan(token.issuedAt, this.#held.token.issuedAt))
          const lives = Option.match(token.expiresAt, {
            onNone: () => true,
            onSome: (expiresAt) => DateTime.toEpochMillis(expiresAt) > now.wall
          })
          const { closed, forgottenAt, leaving } = this.#state
          const isForgotten = DateTime.toEpochMillis(token.issuedAt) <= forgottenAt
          if (isNewer && lives && !isForgotten && leaving === undefined && !closed)
            this.adopt(token, now, jitter, undefined)
        })
      )
    )
  }

  /** The end: what is in the air lands, and what is not stored yet is stored, with the loggers of the layer and not of whoever closes it. */
  close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.set({ closed: true })
      this.#door?.shut()
      const fiber = this.#state.flight?.fiber
      const end = Effect.sync(() => this.#state.subscribers?.forEach((_, queue) => queue.unsafeOffer(Option.none())))
      if (fiber === undefined && this.#state.saving === undefined && this.#state.backlog?.unsaved === undefined)
        return end
      // Waits for what may rotate a refresh token, and for what it brings to be stored.
      const landing = fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
      const lastSave = Effect.suspend(() =>
        this.#state.saving === undefined ? Effect.void : Fiber.interrupt(this.#state.saving)
      ).pipe(
        Effect.zipRight(
          this.saveOnce().pipe(
            Effect.interruptible,
            Effect.mapError(({ message }) => message),
            Effect.timeoutFail({ duration: closingTime, onTimeout: () => "storing it takes too long" }),
            Effect.withClock(liveClock),
            Effect.catchAll((why) => {
              const unsaved = this.#state.backlog?.unsaved
              return unsaved === undefined || !isLosable(unsaved)
                ? Effect.void
                : Effect.logError(`${why}; the token is lost with this program`)
            }),
            Effect.annotateLogs("provider", this.#provider.name)
          )
        )
      )
      const rest = Runtime.runFork(this.#common.runtime, Effect.zipRight(landing, lastSave))
      return Effect.zipRight(Fiber.await(rest), end)
    })
  }

  get name(): string {
    return this.#provider.name
  }
  get authorization(): Authorization {
    return this.#provider.authorization
  }
  get token(): Credentials["token"] {
    return (this.#door ??= new Door(this)).token
  }
  get tokenValidFor(): Credentials["tokenValidFor"] {
    return (duration) =>
      Effect.clockWith((clock) => {
        const validFor = Math.min(Duration.toMillis(duration), Timing.maxLifetime)
        return validFor > 0 ? this.again({ validFor, not: undefined }, clock) : this.look(clock)
      })
  }
  get renew(): Credentials["renew"] {
    return (seen) => Effect.clockWith((clock) => this.again({ validFor: 0, not: seen }, clock))
  }
  get current(): Credentials["current"] {
    return Effect.sync(() => Option.map(Option.fromNullable(this.#held), ({ token }) => token))
  }
  get events(): Credentials["events"] {
    return this.subscribe<Event>(256, (offer) => offer)
  }
  get status(): Credentials["status"] {
    return Effect.clockWith((clock) => Effect.sync(() => this.statusAt(Timing.instant(clock))))
  }
  toJSON(): unknown {
    return { _id: "effect-credentials/Credentials", provider: this.name }
  }
}

/**
 * Credentials that live as long as the scope. {@link layer} does this for you; call it for one set of credentials per tenant, in an `RcMap`.
 *
 * **Details** – fails with `InvalidOption` if an option cannot work, before anything is sent. Nothing is obtained before the first
 * caller asks.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const credentials = yield* Credentials.make(StaticToken.make({ token: Redacted.make("s3cret") }))
 *   console.log(credentials.name, (yield* credentials.token).tokenType)
 * })
 * Effect.runSync(Effect.scoped(program))
 * // StaticToken bearer
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R>(
  provider: Provider<R>,
  options?: Options
): Effect.Effect<Credentials, InvalidOption, R | Scope.Scope> =>
  Effect.flatMap(maker<R>(options), (make) => make(provider))

/**
 * {@link make} for many: whoever makes credentials by the thousand looks once at what all of them share, the services and loggers around them, and
 * each set weighs that much less.
 *
 * **Details** – `CredentialsMap` uses it. `Scope` is each set's own.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const make = yield* Credentials.maker({ renewAhead: "2 minutes" })
 *   const [one, another] = yield* Effect.forEach(["1", "2"], (key) => make(StaticToken.make({ token: Redacted.make(key) })))
 *   console.log((yield* one!.token) === (yield* another!.token))
 * })
 * Effect.runSync(Effect.scoped(program))
 * // false
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const maker = <R = never>(
  options?: Options
): Effect.Effect<(provider: Provider<R>) => Effect.Effect<Credentials, InvalidOption, Scope.Scope>, never, R> =>
  Effect.map(Effect.runtime<R>(), (around) => {
    const ahead = milliseconds(options?.renewAhead ?? "1 minute")
    const defaultLifetime = milliseconds(options?.defaultLifetime ?? Infinity)
    // Whatever region these credentials are made in, a flight is never interrupted before it has begun, and its acquisition always can be.
    const runtime = Runtime.disableRuntimeFlag(around, RuntimeFlags.Interruption)
    const common: Common<R> = { ahead: ahead ?? 0, defaultLifetime: defaultLifetime ?? 0, runtime }
    return (provider) =>
      Effect.gen(function* () {
        const invalid = (option: string, expected: string) =>
          new InvalidOption({ provider: provider.name, option, expected })
        const aDuration = 'a duration, as "1 minute"'
        if (ahead === undefined) return yield* invalid("renewAhead", aDuration)
        if (defaultLifetime === undefined) return yield* invalid("defaultLifetime", aDuration)
        const scope = yield* Effect.scope
        // Into an empty scope most providers put nothing: it is not even touched for those that have nothing to check.
        if (provider.check !== Effect.void) {
          yield* Effect.provide(provider.check, Context.add(runtime.context, Scope.Scope, scope))
        }
        if (Option.isSome(provider.authorization.problem)) {
          return yield* invalid("authorization", provider.authorization.problem.value)
        }
        const credentials = new Running(provider, common, scope)
        yield* closeWith(scope, credentials)
        if (provider.updates !== Stream.empty) {
          yield* Effect.forkIn(Effect.locally(credentials.follow(), isUnattended, true), scope)
        }
        return credentials
      })
  })

const milliseconds = (input: Duration.DurationInput): number | undefined =>
  Option.getOrUndefined(Option.map(Duration.decodeUnknown(input), Duration.toMillis))

/**
 * A layer of credentials from a provider. Provider modules have one of their own; this is for recipes that you compose yourself.
 *
 * **Gotchas** – every call builds other credentials. Call it once per API and share the layer.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as TokenFactory from "effect-credentials/TokenFactory"
 * import { Effect } from "effect"
 *
 * const CredentialsLive = Credentials.layer(TokenFactory.make({ token: Effect.succeed("s3cret") }), {
 *   defaultLifetime: "5 minutes"
 * })
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * Effect.runPromise(program.pipe(Effect.provide(CredentialsLive))).then((token) => console.log(token.tokenType))
 * // bearer
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R, Name extends string = "default">(
  provider: Provider<R>,
  options?: LayerOptions<Name>
): Layer.Layer<Id<Name>, InvalidOption, Exclude<R, Scope.Scope>> =>
  Layer.scoped(
    tagOf(options),
    Effect.tap(make(provider, options), (self) =>
      options?.scheduled === true ? Effect.forkScoped(schedule(self)) : Effect.void
    )
  )

const tagOf = <Name extends string>(options: LayerOptions<Name> | undefined): Context.Tag<Id<Name>, Credentials> =>
  options?.tag ?? (Credentials as Context.Tag<any, Credentials>)

const schedule = (self: Credentials): Effect.Effect<never> =>
  Effect.forever(
    Effect.flatMap(self.maintain, (rest) =>
      Effect.sleep(Duration.clamp(rest, { minimum: Duration.millis(10), maximum: Duration.millis(Timing.nap) }))
    )
  )

/**
 * The scheduled refresh as a stream: the token held, then each that replaces it, each renewed as soon as it falls due. Running it
 * *is* the schedule; it goes on through failures (see `events` for those) until the layer closes.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { Effect, Redacted, Stream } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const credentials = yield* Credentials.Credentials
 *   yield* Credentials.refreshes(credentials).pipe(Stream.take(1), Stream.runForEach((token) => Effect.log(token.issuedAt)))
 * })
 * Effect.runFork(program.pipe(Effect.provide(StaticToken.layer({ token: Redacted.make("s3cret") }))))
 * ```
 *
 * @category streams
 * @since 0.1.0
 */
export const refreshes = (self: Credentials): Stream.Stream<Token.Token> =>
  Stream.unwrapScoped(Effect.as(Effect.forkScoped(schedule(self)), self.changes))

/**
 * As {@link layer} with the option `scheduled`, which the layers of all providers have: the token is obtained at once and renewed on schedule for as long as the layer lives,
 * whether anybody asks or not.
 *
 * **When to use** – for servers: no request ever waits for a token. For short scripts {@link layer} makes fewer requests.
 *
 * **Details** – it never asks a person: a login that needs one is left to the first caller. A renewal that fails is tried again after a pause.
 * The schedule ends with the layer, so it never keeps a finished program alive.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as TokenFactory from "effect-credentials/TokenFactory"
 * import { Effect } from "effect"
 *
 * const CredentialsLive = Credentials.layerScheduled(TokenFactory.make({ token: Effect.succeed("s3cret") }), {
 *   renewAhead: "2 minutes"
 * })
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * Effect.runPromise(program.pipe(Effect.provide(CredentialsLive))).then((token) => console.log(token.tokenType))
 * // bearer
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerScheduled = <R, Name extends string = "default">(
  provider: Provider<R>,
  options?: LayerOptions<Name>
): Layer.Layer<Id<Name>, InvalidOption, Exclude<R, Scope.Scope>> => layer(provider, { ...options, scheduled: true })
