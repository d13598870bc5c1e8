/**
 * A lock for machines that share nothing but a server: it is lent for a while, and lasts as long as its holder says in time that he is still there. Who was
 * stopped for longer than that no longer has it when he wakes up, and must find out before he does anything that cannot be undone.
 *
 * @module
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import * as Spending from "./spending.ts"
import * as Timing from "./timing.ts"

/** What is needed of who lends. Whoever asks twice for the same thing gets the same answer: an answer can be lost. */
export interface Lender<E> {
  /** Lends it to an owner, unless somebody else has it. */
  readonly take: (owner: string) => Effect.Effect<boolean, E>
  /** Lends it for the whole time again; false: he no longer has it. */
  readonly renew: (owner: string) => Effect.Effect<boolean, E>
  /** Gives it back; if it is somebody else's by now, nothing happens. */
  readonly release: (owner: string) => Effect.Effect<void, E>
  /** An effect that ends when it is next given back. Nobody relies on it: it is also asked for now and then. */
  readonly released: Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
}

export interface Options<E> {
  readonly lender: Lender<E>
  /** For how long it is lent. */
  readonly lease: Duration.Duration
  /** How long to wait for it. */
  readonly timeLimit: Duration.Duration
  readonly onTimeout: () => E
  /** It was lost twice before anything was done. */
  readonly onLost: () => E
}

const firstPause = 100
const longestPause = 1_000

/**
 * Runs an effect while it has the lease; it is told its name as an owner. The lease is renewed meanwhile, and confirmed in the moment before something is sent that can
 * be spent only once. If it is lost before, the effect is interrupted, and runs again, once, when it has another lease: then it sees what was
 * stored meanwhile.
 */
export const holding = <A, E, R, E2>(
  effect: (owner: string) => Effect.Effect<A, E, R>,
  options: Options<E2>
): Effect.Effect<A, E | E2, R> => attempt(effect, options, false)

const attempt = <A, E, R, E2>(
  effect: (owner: string) => Effect.Effect<A, E, R>,
  options: Options<E2>,
  isSecond: boolean
): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const { lender, lease, onLost } = options
      const owner = Encoding.encodeHex(crypto.getRandomValues(new Uint8Array(16)))
      const giveBack = Effect.ignore(lender.release(owner))
      // Whether it was taken may not be known any more.
      const since = yield* Effect.onError(restore(waiting(owner, options)), () => Effect.forkDaemon(giveBack))
      const clock = yield* Effect.clock
      const lost = Deferred.unsafeMake<void>(FiberId.none)
      const lose = Effect.asVoid(Deferred.succeed(lost, undefined))
      const millis = Duration.toMillis(lease)
      let failure: E2 | undefined
      let confirmed = since
      const isOver = () => Timing.elapsed(confirmed, Timing.instant(clock)) >= millis

      /** Whether it is ours. Counted from the question: what was answered before a stop says nothing after it. */
      const confirm: Effect.Effect<boolean, E2> = Effect.suspend(() => {
        const asked = Timing.instant(clock)
        return Effect.tap(lender.renew(owner), (isOurs) => {
          if (!isOurs) return lose
          confirmed = asked
          return Effect.void
        })
      })

      const renewing = Effect.sleep(millis / 3).pipe(
        Effect.zipRight(
          Effect.retry(confirm, {
            while: () => Effect.as(Effect.sleep(Math.min(longestPause, millis / 10)), !isOver())
          })
        ),
        Effect.repeat({ while: (isOurs) => isOurs }),
        Effect.ignore,
        Effect.zipRight(lose)
      )

      /** Asked in the moment before something is sent. A process that was stopped while it asked asks again. */
      const mayBeSent: Effect.Effect<boolean> = Effect.suspend(() =>
        Effect.matchEffect(confirm, {
          onSuccess: (isOurs) => (isOurs && isOver() ? mayBeSent : Effect.succeed(isOurs)),
          onFailure: (error) => {
            failure = error
            return Effect.succeed(false)
          }
        })
      )

      const fiber = yield* Effect.forkDaemon(Effect.interruptible(renewing))
      const exit = yield* Effect.exit(
        Spending.unbroken(Spending.onlyIf(effect(owner), mayBeSent), {
          restore: (waited) =>
            restore(Effect.raceFirst(waited, Effect.zipRight(Deferred.await(lost), Effect.interrupt)))
        })
      )
      yield* Fiber.interrupt(fiber)
      const isLost = yield* Deferred.isDone(lost)
      if (!isLost) yield* giveBack
      if (!Exit.isInterrupted(exit)) return yield* exit
      if (failure !== undefined) return yield* Effect.fail(failure)
      if (!isLost) return yield* exit
      return yield* isSecond ? Effect.fail(onLost()) : restore(attempt(effect, options, true))
    })
  )

/** Asks until it is lent: whenever it is given back, and now and then. Says since when it has it. */
const waiting = <E>(owner: string, { lender, onTimeout, timeLimit }: Options<E>): Effect.Effect<Timing.Instant, E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      let released: Effect.Effect<void> | undefined
      for (let pause = firstPause; ; pause = Math.min(pause * 1.5, longestPause)) {
        const asked = Timing.instant(clock)
        if (yield* lender.take(owner)) return asked
        released ??= yield* lender.released
        yield* Effect.raceFirst(Effect.sleep(pause), released)
      }
    })
  ).pipe(Effect.timeoutFail({ duration: timeLimit, onTimeout }))
