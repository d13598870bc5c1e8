/**
 * One at a time, in the order they came. Effect's own semaphore can lose its permit to an interruption between taking it and
 * installing the release; here the turn is passed on wherever the interruption hits: whoever is interrupted and no longer stands in the
 * queue has had the turn given to him.
 *
 * @module
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"

export interface Lock {
  /** Waits for its turn, no longer than `limit` if there is one. */
  <A, E, R, E2 = never>(effect: Effect.Effect<A, E, R>, limit?: Limit<E2>): Effect.Effect<A, E | E2, R>
}

/** How long to wait for a lock, and what to fail with then. The effect itself may take as long as it likes. */
export interface Limit<E> {
  readonly duration: Duration.Duration
  readonly onTimeout: () => E
}

/** What makes an effect interruptible again, within one that is not. */
type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Turns at something: what they return must not be interrupted, but for what is restored. */
const turns = () => {
  const waiting: Array<Deferred.Deferred<void>> = []
  let isTaken = false
  const pass = () => {
    const next = waiting.shift()
    if (next === undefined) isTaken = false
    else Deferred.unsafeDone(next, Exit.void)
  }
  return <A, E, R, E2 = never>(
    restore: Restore,
    effect: Effect.Effect<A, E, R>,
    limit?: Limit<E2>
  ): Effect.Effect<A, E | E2, R> => {
    const run = Effect.ensuring(restore(effect), Effect.sync(pass))
    if (!isTaken) {
      isTaken = true
      return run
    }
    const turn = Deferred.unsafeMake<void>(FiberId.none)
    waiting.push(turn)
    const wait = Deferred.await(turn)
    const limited = limit === undefined ? wait : Effect.timeoutFail(wait, limit)
    return Effect.flatMap(Effect.exit(restore(limited)), (exit): Effect.Effect<A, E | E2, R> => {
      if (Exit.isSuccess(exit)) return run
      const place = waiting.indexOf(turn)
      if (place >= 0) waiting.splice(place, 1)
      else pass()
      return exit as Exit.Exit<never, E2>
    })
  }
}

export const make = (): Lock => {
  const turn = turns()
  return (effect, limit) => Effect.uninterruptibleMask((restore) => Effect.suspend(() => turn(restore, effect, limit)))
}

/** A lock for each key. Those that nobody holds or waits for take no memory. */
export const keyed = (): ((key: string) => Lock) => {
  const locks = new Map<string, { readonly turn: ReturnType<typeof turns>; users: number }>()
  return (key) => (effect, limit) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const entry = locks.get(key) ?? { turn: turns(), users: 0 }
        locks.set(key, entry)
        entry.users++
        return Effect.ensuring(
          entry.turn(restore, effect, limit),
          Effect.sync(() => {
            if (--entry.users === 0) locks.delete(key)
          })
        )
      })
    )
}
