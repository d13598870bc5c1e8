/**
 * One at a time, in the order they came. Effect's own semaphore can lose its permit to an interruption between taking it and
 * installing the release; here the turn is passed on wherever the interruption hits: whoever is interrupted and no longer stands in the
 * queue has had the turn given to him.
 *
 * @module
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"

export interface Lock {
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R>
}

export const make = (): Lock => {
  const waiting: Array<Deferred.Deferred<void>> = []
  let isTaken = false
  const pass = () => {
    const next = waiting.shift()
    if (next === undefined) isTaken = false
    else Deferred.unsafeDone(next, Exit.void)
  }
  return (effect) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const turn = Deferred.unsafeMake<void>(FiberId.none)
        if (isTaken) waiting.push(turn)
        else {
          isTaken = true
          Deferred.unsafeDone(turn, Exit.void)
        }
        return Effect.flatMap(Effect.exit(restore(Deferred.await(turn))), (exit) => {
          if (Exit.isSuccess(exit)) return Effect.ensuring(restore(effect), Effect.sync(pass))
          const place = waiting.indexOf(turn)
          if (place >= 0) waiting.splice(place, 1)
          else pass()
          return exit as Exit.Exit<never>
        })
      })
    )
}
