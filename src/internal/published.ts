/**
 * A value that somebody publishes and sometimes replaces, such as metadata or signing keys: asked for seldom, kept while nobody answers.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Lock from "./lock.ts"
import * as Timing from "./timing.ts"

/** What was published, and for how many milliseconds nobody needs to ask again. */
export interface Published<A> {
  readonly value: A
  readonly freshFor: number
}

/** Between two questions lies at least this much time, as long as there is something to say meanwhile. */
const coolDown = 30_000

/** What is no longer fresh serves this much longer while nobody answers. */
const staleFor = 86_400_000

/** How questions are asked. */
export interface Options {
  /**
   * Whether strangers can bring somebody to ask. Then a failure stands for all who come within the cool-down, and a question outlives whoever asked it, so that no
   * interruption ever leads to a second one.
   */
  readonly isRationed: boolean
}

/**
 * The value of now. Whoever cannot use the one that he got hands it in as `rejected`: if there may be another, it is asked for. He gets the same again if there is no other, and
 * an error if nobody has answered who would know. Of all who ask at once one does.
 */
export const make = <A, E, R>(
  load: Effect.Effect<Published<A>, E, R>,
  { isRationed }: Options
): ((rejected?: A | undefined) => Effect.Effect<A, E, R>) => {
  const one = Lock.make()
  let held: (Published<A> & { readonly at: Timing.Instant }) | undefined
  let asked: Timing.Instant | undefined
  let failure: Effect.Effect<never, E> | undefined

  const heldUntil = (now: Timing.Instant, grace: number): A | undefined =>
    held !== undefined && Timing.elapsed(held.at, now) < held.freshFor + grace ? held.value : undefined

  /** What can be said without asking: undefined, if it is time to ask. */
  const known = (now: Timing.Instant, rejected: A | undefined): Effect.Effect<A, E> | undefined => {
    const fresh = heldUntil(now, 0)
    if (fresh !== undefined && fresh !== rejected) return Effect.succeed(fresh)
    return asked !== undefined && Timing.elapsed(asked, now) < coolDown ? afterwards(now, rejected) : undefined
  }

  const afterwards = (now: Timing.Instant, rejected: A | undefined): Effect.Effect<A, E> | undefined => {
    const stale = heldUntil(now, staleFor)
    return stale === undefined || (stale === rejected && failure !== undefined) ? failure : Effect.succeed(stale)
  }

  const ask = (rejected: A | undefined) =>
    Effect.clockWith((clock) => {
      const at = Timing.instant(clock)
      asked = at
      return Effect.matchEffect(load, {
        onSuccess: (published) => {
          held = { ...published, at }
          failure = undefined
          return Effect.succeed(published.value)
        },
        onFailure: (error) => {
          const failed = Effect.fail(error)
          if (isRationed) failure = failed
          return afterwards(Timing.instant(clock), rejected) ?? failed
        }
      })
    })

  const orAsk = <E2, R2>(rejected: A | undefined, otherwise: Effect.Effect<A, E2, R2>): Effect.Effect<A, E | E2, R2> =>
    Effect.clockWith((clock): Effect.Effect<A, E | E2, R2> => known(Timing.instant(clock), rejected) ?? otherwise)

  const outliving = <E2, R2>(question: Effect.Effect<A, E2, R2>): Effect.Effect<A, E2, R2> =>
    Effect.flatMap(Effect.flatMap(Effect.forkDaemon(Effect.interruptible(question)), Fiber.await), identity)

  return (rejected) => {
    const question = one(orAsk(rejected, ask(rejected)))
    return orAsk(rejected, isRationed ? outliving(question) : question)
  }
}
