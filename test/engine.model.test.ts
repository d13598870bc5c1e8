/**
 * The engine beside a model of a page: whatever is done to it, in whatever order and on whatever clock, a server that rotates
 * refresh tokens has nothing to complain about, and neither have the callers.
 */
import { describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as fc from "fast-check"
import * as Credentials from "../src/Credentials.ts"
import { RefreshError, type RefreshErrorReason } from "../src/CredentialsError.ts"
import * as Provider from "../src/Provider.ts"
import * as Token from "../src/Token.ts"
import * as SeededScheduler from "./support/SeededScheduler.ts"

function ensure(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new Error(message())
}

const number = (token: Token.Token): number => Number(Redacted.value(token.accessToken).slice(1))

type Instant = ReturnType<SeededScheduler.World["now"]>

/** Believes whichever clock saw more time pass. */
const elapsed = (since: Instant, now: Instant) => Math.max(now.wall - since.wall, now.mono - since.mono, 0)

/** What the server does with a request. */
type Answer =
  | {
      readonly _tag: "issues"
      readonly lifetime: number | undefined
      readonly rotates: boolean
      readonly takes: number
    }
  | { readonly _tag: "fails"; readonly reason: RefreshErrorReason; readonly takes: number }
  | { readonly _tag: "hangs" }
  | { readonly _tag: "needs a person" }

/** What the model knows of a token: all durations in milliseconds. */
interface Issued {
  readonly n: number
  readonly at: Instant
  readonly lifetime: number
  readonly spacing: number
  readonly window: number
  /** How many acquisitions in a row have come before their time. */
  readonly early: number
  readonly session: number
}

/** The server and, in the same place because it is so small, the model of what the engine may do. */
const make = (world: SeededScheduler.World, usual: Answer) => {
  const script: Array<Answer> = []
  const tokens = new Map<number, Issued>()
  let begun = 0
  let inTheAir = 0
  /** Grows with each forget: what belongs to an earlier one is gone. */
  let session = 0
  let held: Issued | undefined
  let failure: { readonly at: Instant; readonly count: number; readonly error: RefreshError } | undefined
  let refreshToken: string | undefined
  const wrong: Array<string> = []
  // Not thrown: the engine would take it for a defect of the provider.
  const must = (condition: boolean, message: () => string) => condition || wrong.push(message())

  const isUsable = (now: Instant) =>
    held !== undefined && elapsed(held.at, now) < (held.lifetime > 0 ? held.lifetime : held.spacing)

  const leastPause = (now: Instant, interaction: "allowed" | "forbidden"): number => {
    if (failure === undefined) return 0
    const { count, error } = failure
    if (interaction === "allowed" && error.reason._tag === "Interaction") return 0
    if ("retryAfter" in error.reason && error.reason.retryAfter !== undefined) {
      return Math.min(3_600_000, Math.max(1_000, Duration.toMillis(error.reason.retryAfter)))
    }
    const growing = (first: number, most: number) => Math.min(most, first * 2 ** (count - 1))
    if (interaction === "forbidden" && isUsable(now)) {
      return growing(Math.min(30_000, Math.max(500, held!.window / 2)), 250_000)
    }
    return error.isRetryable ? growing(1_000, 30_000) : growing(30_000, 250_000)
  }

  const begin = (need: Provider.Need, now: Instant) => {
    begun++
    inTheAir++
    must(inTheAir === 1, () => "two acquisitions at once")
    const mine = { session, early: 0, at: now }
    const previous = Option.map(need.previous, number)
    must(Option.getOrUndefined(previous) === held?.n, () => `asked with t${previous}, held is t${held?.n}`)
    const offered = Option.map(
      Option.flatMap(need.previous, (token) => token.refreshToken),
      Redacted.value
    )
    must(
      Option.getOrUndefined(offered) === refreshToken,
      () => `offered ${Option.getOrUndefined(offered)}, the refresh token is ${refreshToken}`
    )
    if (failure !== undefined) {
      const pause = elapsed(failure.at, now)
      const least = leastPause(now, need.interaction)
      must(pause > least - 1, () => `acquisition ${begun} came ${pause} ms after a failure, not ${least}`)
    }
    if (held !== undefined && elapsed(held.at, now) < held.spacing - 1) {
      must(need.interaction === "allowed", () => `acquisition ${begun} in the background came before its time`)
      mine.early = held.early + 1
      must(mine.early <= 2, () => `acquisition ${begun} is the third in a row to come before its time`)
    }
    return mine
  }

  const issue = (
    need: Provider.Need,
    mine: ReturnType<typeof begin>,
    answer: Extract<Answer, { _tag: "issues" }>,
    issuedAt: DateTime.Utc
  ) => {
    const n = begun
    const at = world.now()
    const lives = answer.lifetime === undefined ? Infinity : answer.lifetime * 1_000
    // A slow answer takes from the token's life, a clock set back meanwhile adds nothing; what counts is what is left when it is here.
    const lifetime = lives - Math.max(0, at.wall - DateTime.toEpochMillis(issuedAt))
    // It expired while the machine slept: nobody gets it, and the next one may follow at once.
    const isLate = lives > 0 && lifetime <= 0 && elapsed(mine.at, at) > 30_000
    const issued: Issued = {
      n,
      at,
      lifetime,
      spacing: isLate ? 0 : lifetime > 0 && lifetime < 315_360_000_000 ? Math.min(10_000, lifetime * 0.2) : 10_000,
      window: Math.max(0, Math.min(60_000, lives * 0.2)),
      early: mine.early,
      session: mine.session
    }
    tokens.set(n, issued)
    const spent = Option.map(
      Option.flatMap(need.previous, (token) => token.refreshToken),
      Redacted.value
    )
    const next = answer.rotates || Option.isNone(spent) ? `r${n}` : spent.value
    if (mine.session === session) {
      held = issued
      failure = undefined
      refreshToken = next
    }
    return Token.make({
      accessToken: Redacted.make(`t${n}`),
      issuedAt,
      expiresAt: Option.map(Option.fromNullable(answer.lifetime), (seconds) => DateTime.add(issuedAt, { seconds })),
      refreshToken: Option.some(Redacted.make(next))
    })
  }

  const fail = (mine: ReturnType<typeof begin>, reason: RefreshErrorReason) => {
    const error = new RefreshError({ provider: "Model", reason })
    if (mine.session === session) failure = { at: world.now(), count: (failure?.count ?? 0) + 1, error }
    return error
  }

  const provider = Provider.make({
    name: "Model",
    acquire: (need) =>
      Effect.acquireUseRelease(
        Effect.sync(() => begin(need, world.now())),
        (mine) =>
          Effect.gen(function* () {
            const answer = script.shift() ?? usual
            const issuedAt = yield* DateTime.now
            switch (answer._tag) {
              case "hangs":
                return yield* Effect.onInterrupt(Effect.never, () =>
                  Effect.sync(() => fail(mine, { _tag: "Timeout", after: Duration.seconds(30) }))
                )
              case "needs a person":
                if (need.interaction === "forbidden")
                  return yield* fail(mine, { _tag: "Interaction", kind: "Forbidden" })
                return issue(need, mine, { _tag: "issues", lifetime: 600, rotates: true, takes: 0 }, issuedAt)
              case "fails":
                yield* notAborted(Effect.sleep(answer.takes))
                return yield* fail(mine, answer.reason)
              case "issues":
                yield* notAborted(Effect.sleep(answer.takes))
                return issue(need, mine, answer, issuedAt)
            }
          }),
        () => Effect.sync(() => inTheAir--)
      )
  })
  const notAborted = <A>(effect: Effect.Effect<A>) =>
    Effect.onInterrupt(effect, () => Effect.sync(() => wrong.push("an acquisition was aborted")))

  return {
    provider,
    script,
    tokens,
    isUsable: () => isUsable(world.now()),
    latest: () => Array.from(tokens.values()).at(-1)?.n ?? 0,
    session: () => session,
    forget: () => {
      session++
      held = failure = refreshToken = undefined
    },
    check: () => ensure(wrong.length === 0, () => wrong.join())
  }
}

class Real {
  readonly world: SeededScheduler.World
  readonly server: ReturnType<typeof make>
  readonly credentials: Credentials.Credentials
  readonly scope: Scope.CloseableScope
  readonly seen: Array<Token.Token> = []
  readonly fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
  /** The first thing that went wrong inside of a fiber. */
  problem: unknown
  constructor(seed: number, usual: Answer) {
    this.world = SeededScheduler.make(seed, { yields: 0.05 })
    this.server = make(this.world, usual)
    this.scope = this.world.run(Scope.make())
    this.credentials = this.world.run(
      Effect.provideService(Credentials.make(this.server.provider), Scope.Scope, this.scope)
    )
  }
  /** A call, and what must be true of every token that any call gives. */
  call(effect: Effect.Effect<Token.Token, RefreshError>, check: (token: Token.Token, now: Instant) => void = () => {}) {
    const { server, world } = this
    const session = server.session()
    const fiber = world.fork(effect)
    fiber.addObserver((exit) => {
      if (Exit.isFailure(exit)) return
      try {
        const now = world.now()
        const issued = server.tokens.get(number(exit.value))
        ensure(issued !== undefined, () => "a token from nowhere")
        ensure(issued.session >= session, () => `t${issued.n} was forgotten before it was asked for`)
        const left = issued.lifetime - elapsed(issued.at, now)
        ensure(left > 0 || issued.lifetime <= 0, () => `t${issued.n} expired ${-left} ms ago`)
        this.seen.push(exit.value)
        check(exit.value, now)
      } catch (error) {
        this.problem ??= error
      }
    })
    this.fibers.push(fiber)
    return fiber
  }
  check() {
    this.world.settle()
    if (this.problem !== undefined) throw this.problem
    this.server.check()
    for (const fiber of this.fibers) {
      const exit = fiber.unsafePoll()
      ensure(exit === null || Exit.isSuccess(exit) || !Cause.isDie(exit.cause), () => `a defect: ${exit}`)
    }
  }
  askNow(): void {
    const isUsable = this.server.isUsable()
    const fiber = this.call(this.credentials.token)
    this.check()
    if (isUsable) {
      const exit = fiber.unsafePoll()
      ensure(exit !== null, () => "a caller waits although the token held is usable")
      ensure(Exit.isSuccess(exit), () => `a caller failed although the token held is usable: ${exit}`)
    }
  }
  leave(effect: Effect.Effect<void, unknown>) {
    this.server.forget()
    this.fibers.push(this.world.fork(effect))
  }
  end() {
    // Longer than any chain of flights that one caller can wait for.
    this.world.advance(600_000)
    this.check()
    ensure(
      this.fibers.every((fiber) => fiber.unsafePoll() !== null),
      () => "somebody waits for ever"
    )
    this.world.run(Scope.close(this.scope, Exit.void))
    this.check()
  }
}

type Command = fc.Command<object, Real>

const command = (name: string, run: (real: Real) => void): Command => ({
  check: () => true,
  run: (_, real) => {
    run(real)
    real.check()
  },
  toString: () => name
})

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

const takes = fc.constantFrom(0, 0, 10, 3_000, 20_000)
const reasons: ReadonlyArray<RefreshErrorReason> = [
  { _tag: "Unavailable", status: 503 },
  { _tag: "Unavailable", status: 429, retryAfter: Duration.seconds(3) },
  { _tag: "Unavailable", status: 503, retryAfter: Duration.minutes(2) },
  { _tag: "Unavailable", status: 503, retryAfter: Duration.days(2) },
  { _tag: "Rejected", code: "invalid_grant", status: 400 }
]
const issues: fc.Arbitrary<Answer> = fc.record({
  _tag: fc.constant("issues" as const),
  lifetime: fc.constantFrom(undefined, -5, 0, 0.5, 1, 6, 30, 300, 300, 3_600, 86_400),
  rotates: fc.boolean(),
  takes
})
const answers: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 4, arbitrary: issues },
  {
    weight: 4,
    arbitrary: fc.record({ _tag: fc.constant("fails" as const), reason: fc.constantFrom(...reasons), takes })
  },
  { weight: 1, arbitrary: fc.constant<Answer>({ _tag: "hangs" }) },
  { weight: 1, arbitrary: fc.constant<Answer>({ _tag: "needs a person" }) }
)

const commands: Array<fc.Arbitrary<Command>> = [
  fc.constant(command("token", (real) => real.askNow())),
  fc.integer({ min: 2, max: 6 }).map((n) =>
    command(`${n} callers at once`, (real) => {
      for (let i = 0; i < n; i++) real.call(real.credentials.token)
    })
  ),
  fc.nat(6).map((steps) =>
    command(`token, interrupted after ${steps} steps`, (real) => {
      const fiber = real.call(real.credentials.token)
      real.world.fork(Effect.zipRight(real.world.pause(steps), Fiber.interrupt(fiber)))
    })
  ),
  fc.tuple(fc.boolean(), fc.nat(3)).map(([latest, back]) =>
    command(latest ? "renew the last token seen" : `renew a token seen ${back} before`, (real) => {
      const seen = real.seen.at(latest ? -1 : -1 - back)
      if (seen === undefined) return
      real.call(real.credentials.renew(seen), (token) =>
        ensure(!Token.isSame(token, seen), () => "the token that was refused came back")
      )
    })
  ),
  fc.constantFrom(0, 1, 10, 250, 3_000).map((seconds) =>
    command(`tokenValidFor ${seconds} s`, (real) => {
      real.call(real.credentials.tokenValidFor(Duration.seconds(seconds)), (token, now) => {
        const { at, lifetime } = real.server.tokens.get(number(token))!
        const left = lifetime - elapsed(at, now)
        ensure(left >= seconds * 1_000 || seconds === 0, () => `asked for ${seconds} s, got ${left} ms`)
      })
    })
  ),
  fc.constant(command("maintain", (real) => real.fibers.push(real.world.fork(real.credentials.maintain)))),
  fc.constant(command("forget", (real) => real.leave(real.credentials.forget))),
  fc.constant(command("revoke", (real) => real.leave(real.credentials.revoke)))
]
const clocks: Array<fc.Arbitrary<Command>> = [
  fc.integer({ min: 1, max: 3_000 }).map((ms) => command(`advance ${ms} ms`, (real) => real.world.advance(ms))),
  fc.integer({ min: 3_000, max: 2 * hour }).map((ms) => command(`advance ${ms} ms`, (real) => real.world.advance(ms))),
  // Somebody asks right after a jump. Else the second for which the wall clock alone is trusted could come round again.
  fc.integer({ min: 2 * second, max: 10 * hour }).map((ms) =>
    command(`suspend ${ms} ms`, (real) => {
      real.world.jump(ms)
      real.askNow()
    })
  ),
  fc.integer({ min: 2 * second, max: 2 * hour }).map((ms) =>
    command(`set the clock back ${ms} ms`, (real) => {
      real.world.jump(-ms)
      real.askNow()
    })
  )
]
const servers: Array<fc.Arbitrary<Command>> = [
  fc
    .array(answers, { minLength: 1, maxLength: 3 })
    .map((next) =>
      command(`the server answers ${JSON.stringify(next)}`, (real) => void real.server.script.push(...next))
    )
]

describe("Credentials beside the model", () => {
  it("never two flights at once, never an expired token, never a lost refresh token, never a flight in a pause (S104, S113, S125, S126, S307)", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        issues,
        fc.commands([...commands, ...commands, ...clocks, ...clocks, ...clocks, ...servers, ...servers], {
          maxCommands: 60,
          size: "max"
        }),
        (seed, usual, commands) => {
          let real: Real | undefined
          fc.modelRun(() => ({ model: {}, real: (real = new Real(seed, usual)) }), commands)
          real?.end()
        }
      ),
      {
        numRuns: Number(process.env["SEEDS"] ?? 100),
        ...(process.env["SEED"] ? { seed: Number(process.env["SEED"]) } : {})
      }
    )
  }, 60_000)
})

describe("Credentials, whatever lifetime the server says", () => {
  const spacing = (expiresIn: number) => (expiresIn > 0 ? Math.min(10, expiresIn * 0.2) : 10)

  /** How many acquisitions an hour of calls makes, with two or three calls for each one that may be made. */
  const inAnHour = (
    expiresIn: number,
    call: (credentials: Credentials.Credentials) => Effect.Effect<unknown, unknown>
  ) => {
    const world = SeededScheduler.make(1, { yields: 0 })
    const millis = Math.max(250, spacing(expiresIn) * 400)
    let acquisitions = 0
    const provider = Provider.make({
      name: "Hour",
      acquire: () =>
        Effect.map(DateTime.now, (issuedAt) =>
          Token.make({
            accessToken: Redacted.make(`t${++acquisitions}`),
            issuedAt,
            expiresAt: Option.some(DateTime.add(issuedAt, { millis: expiresIn * 1_000 }))
          })
        )
    })
    world.run(
      Effect.scoped(
        Effect.flatMap(Credentials.make(provider), (credentials) =>
          Effect.repeatN(Effect.zipRight(Effect.exit(call(credentials)), Effect.sleep(millis)), 3_600_000 / millis)
        )
      )
    )
    return acquisitions
  }

  const notPositive = fc.double({ min: -1e9, max: 0, noNaN: true })
  const short = fc.double({ min: 5, max: 50, noNaN: true })
  const long = fc.double({ min: 50, max: 1e12, noNaN: true })

  /** One per spacing, and the first. */
  const most = (expiresIn: number) => Math.ceil(3_600 / spacing(expiresIn)) + 1

  const holds = (
    call: (credentials: Credentials.Credentials) => Effect.Effect<unknown, unknown>,
    allowed: (expiresIn: number) => number
  ) =>
    fc.assert(
      fc.property(fc.oneof(notPositive, short, long), (expiresIn) => {
        const acquisitions = inAnHour(expiresIn, call)
        ensure(
          acquisitions >= 1 && acquisitions <= allowed(expiresIn),
          () => `${acquisitions} acquisitions, at most ${allowed(expiresIn)}`
        )
      }),
      { numRuns: 6 + Number(process.env["SEEDS"] ?? 0) / 100, examples: [[-1e9], [0], [0.5], [6], [50], [1e12]] }
    )

  it("an hour of calls makes no more acquisitions than one per spacing (S062, S127)", () => {
    holds(({ token }) => token, most)
  }, 60_000)

  it("neither does an hour on schedule (S127)", () => {
    holds(({ maintain }) => maintain, most)
  }, 60_000)

  it.each([0, 100])(
    "neither do calls for a token with %s s of life left (S127)",
    (seconds) => {
      // The first acquisition is made for the first call, whatever it asks for.
      holds(({ tokenValidFor }) => tokenValidFor(Duration.seconds(seconds)), most)
    },
    60_000
  )

  it("an API that refuses every token causes two acquisitions per spacing at most (S127)", () => {
    holds(
      ({ renew, token }) => Effect.flatMap(token, renew),
      (expiresIn) => 2 * most(expiresIn)
    )
  }, 60_000)
})
